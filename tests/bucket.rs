//! States, ledgers and ZIPs in a bucket: what a file promises, a bucket promises, too.

mod as_files;
mod google;
mod google_service;
mod lake;
mod ledger;
mod lists;
mod named;
mod out_dir;
mod output;
mod plan;
mod promises;
pub mod running;
pub mod service;
mod settings;
mod side_logs;
mod state;
mod upload;
mod zips;
