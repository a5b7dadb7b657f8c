//! `ocp-receive serve` as it runs: pushed to by the simulated vendor, killed, restarted,
//! and held against batch exports.

mod kills;
mod reconciled;
mod served;
