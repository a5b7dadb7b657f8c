//! States, ledgers and ZIPs in a bucket: what a file promises, a bucket promises, too.

mod ledger;
mod service;
mod settings;
mod state;
mod zips;
