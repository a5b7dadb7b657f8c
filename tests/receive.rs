//! `ocp-receive serve` as it runs: pushed to by the simulated vendor, killed, restarted,
//! and held against batch exports.

mod access;
mod kills;
mod operated;
mod outages;
mod process;
mod reconciled;
mod served;
mod steps;
mod subscribed;
mod tls;
