//! The data that both workers share.

use std::sync::{Mutex, MutexGuard};

use super::options::FetchOptions;
use crate::ocp::exports::Exports;
use crate::ocp::ledger::Ledger;
use crate::ocp::zip_store::ZipStore;
use crate::os::mutex::lock;

/// The things that both workers use: the service, the ledger, the place for ZIPs.
#[derive(Debug)]
pub struct Site<'a> {
    pub(super) api: &'a Exports,
    ledger: Mutex<Ledger>,
    pub(super) options: &'a FetchOptions,
    pub(super) zips: ZipStore,
}

impl<'a> Site<'a> {
    /// A place to work at.
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
