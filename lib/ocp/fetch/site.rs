//! What both workers share.

use std::sync::{Mutex, MutexGuard};

use super::options::FetchOptions;
use crate::ocp::exports::Exports;
use crate::ocp::ledger::{Ledger, PageEntry};
use crate::os::mutex::lock;

/// Where both workers work: the service, the ledger, the directory.
pub(super) struct Site<'a> {
    pub(super) api: &'a Exports,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) options: &'a FetchOptions,
}

impl Site<'_> {
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Whether a page is still as it was put there, by its size: a checksum of
    /// everything on every run would cost more than it finds.
    pub(super) fn is_on_disk(&self, page: &PageEntry) -> bool {
        page.is_on_disk(self.options.root())
    }
}
