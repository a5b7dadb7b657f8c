//! The data that the exporter and the downloader share.

use std::sync::{Mutex, MutexGuard};

use super::options::FetchOptions;
use crate::ocp::exports::Exports;
use crate::ocp::ledger::Ledger;
use crate::ocp::zip_store::ZipStore;
use crate::os::mutex::lock;

/// The API, the ledger, the options and the store for ZIPs. The exporter and the downloader share
/// them.
#[derive(Debug)]
pub struct Site<'a> {
    pub(super) api: &'a Exports,
    ledger: Mutex<Ledger>,
    pub(super) options: &'a FetchOptions,
    pub(super) zips: ZipStore,
}

impl<'a> Site<'a> {
    /// A site with these parts. A lock protects the ledger.
    pub fn new(
        api: &'a Exports,
        ledger: Ledger,
        options: &'a FetchOptions,
        zips: ZipStore,
    ) -> Site<'a> {
        Site {
            api,
            ledger: Mutex::new(ledger),
            options,
            zips,
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}
