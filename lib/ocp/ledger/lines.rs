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

    /// Appends a line. When this returns, the line is safe on the disk or in the bucket.
    pub(super) fn append<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        match self {
            LedgerLines::File(journal) => journal.append(record),
            LedgerLines::Object(journal) => journal.append(record),
        }
    }

    /// Appends a line without waiting until it is safe, so a crash can lose it.
    pub(super) fn append_unsynced<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        match self {
            LedgerLines::File(journal) => journal.append_unsynced(record),
            LedgerLines::Object(journal) => journal.append_unsynced(record),
        }
    }
}
