//! `ocp-receive serve` as it runs: pushed to by the simulated vendor, killed, restarted,
//! and held against batch exports.

mod access;
mod damaged;
mod failing_writes;
mod failures;
mod kills;
mod operated;
mod outages;
pub mod process;
mod reconciled;
pub mod served;
pub mod steps;
mod subscribed;
mod tls;
