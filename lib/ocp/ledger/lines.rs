//! The file or object with the lines of a ledger.

use serde::Serialize;

use crate::export::leased_journal::LeasedJournal;
use crate::os::journal::Journal;

/// A file or an object, held by this run alone.
#[derive(Debug)]
pub(super) enum LedgerLines {
    File(Journal),
    Object(LeasedJournal),
}

impl LedgerLines {
    /// Whether this run still holds it.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match self {
            LedgerLines::File(_) => Ok(()),
            LedgerLines::Object(journal) => journal.check(),
        }
    }

    /// Appends one that must not be lost.
    pub(super) fn append<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        match self {
            LedgerLines::File(journal) => journal.append(record),
            LedgerLines::Object(journal) => journal.append(record),
        }
    }

    /// Appends one that only saves a request.
    pub(super) fn append_unsynced<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        match self {
            LedgerLines::File(journal) => journal.append_unsynced(record),
            LedgerLines::Object(journal) => journal.append_unsynced(record),
        }
    }
}
