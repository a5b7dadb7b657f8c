//! The data that both workers share.

use std::sync::{Mutex, MutexGuard};

use super::options::FetchOptions;
use crate::ocp::exports::Exports;
use crate::ocp::ledger::{Ledger, PageEntry};
use crate::os::mutex::lock;

/// The service, the ledger and the directory of both workers.
pub(super) struct Site<'a> {
    pub(super) api: &'a Exports,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) options: &'a FetchOptions,
}

impl Site<'_> {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Whether a page still has its size. The checksums of all pages in every run would take too
    /// long.
    pub(super) fn is_on_disk(&self, page: &PageEntry) -> bool {
        page.is_on_disk(self.options.root())
    }
}
