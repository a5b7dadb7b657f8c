//! The file or object with the lines of a ledger.

use serde::Serialize;

use crate::export::leased_journal::LeasedJournal;
use crate::os::journal::Journal;

/// A file or an object that only this run may change.
#[derive(Debug)]
pub(super) enum LedgerLines {
    File(Journal),
    Object(LeasedJournal),
}

impl LedgerLines {
    /// Fails if another run has taken over the ledger.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self {
            LedgerLines::File(_) => Ok(()),
            LedgerLines::Object(journal) => journal.check(),
        }
    }

    /// Appends a line that must not be lost.
    pub(super) fn append<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        match self {
            LedgerLines::File(journal) => journal.append(record),
            LedgerLines::Object(journal) => journal.append(record),
        }
    }

    /// Appends a line that may be lost, because it only saves one request to the service.
    pub(super) fn append_unsynced<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        match self {
            LedgerLines::File(journal) => journal.append_unsynced(record),
            LedgerLines::Object(journal) => journal.append_unsynced(record),
        }
    }
}
