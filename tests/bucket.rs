//! States, ledgers and ZIPs in a bucket: what a file promises, a bucket promises, too.

mod lake;
mod ledger;
mod out_dir;
mod output;
mod plan;
mod service;
mod settings;
mod state;
mod upload;
mod zips;
