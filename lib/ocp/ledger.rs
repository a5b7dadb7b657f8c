//! What `export-fetch` has asked for and what of it is on disk: an append-only
//! file of events, written before and after each step that cannot be undone.
//!
//! An export costs the group's only slot and lives 24 hours. After a crash the
//! ledger says which one is ours and how far it came, so that it is taken up
//! again instead of being ordered twice. The state of an order is what its
//! events add up to; nothing in the file is ever changed.
//!
//! ```text
//! opened → creating → created → ready → requesting, page … → fetched
//!                  ↘ refused         ↘ ended (EXPIRED, FAILED): a new creating
//! ```

mod event;
mod history;

use std::path::Path;

use anyhow::Context;

pub use event::PageEntry;
pub use history::{ExportEntry, History, Ready, RequestHistory, RequestState};

use event::{LedgerEvent, VERSION};

use crate::error::{self, Failure, Status};
use crate::ocp::export_request::ExportRequest;
use crate::os::journal::Journal;
use crate::time::Timestamp;

/// How every ledger begins.
const FIRST: &[u8] = br#"{"event":"opened","#;

/// No export of two days holds more files than this; a service that says so has
/// said something else.
const MOST_FILES: u64 = 100_000_000;

/// The ledger while `export-fetch` works: locked, and kept in step with memory.
#[derive(Debug)]
pub struct Ledger {
    journal: Journal,
    history: History,
    now: fn() -> Timestamp,
}

impl Ledger {
    /// Opens the ledger for work on `api_url`. Status 75 if another run holds it,
    /// 2 if it belongs to another service.
    pub fn open(path: &Path, api_url: &str, now: fn() -> Timestamp) -> anyhow::Result<Ledger> {
        let place = || path.display().to_string();
        // A first line may be cut off, too.
        let begins = |text: &[u8]| text.starts_with(FIRST) || FIRST.starts_with(text);
        let (journal, text) = Journal::open(path, begins)?;
        let history = History::parse(&text).with_context(place)?;
        let mut ledger = Ledger {
            journal,
            history,
            now,
        };
        match &ledger.history.api_url {
            None => ledger.note(LedgerEvent::Opened {
                version: VERSION,
                api_url: api_url.to_owned(),
                at: now(),
            })?,
            Some(known) if known == api_url => {}
            Some(known) => {
                return Err(error::usage(format!(
                    "this ledger belongs to {known}, not to {api_url}: give another --ledger"
                )))
                .with_context(place);
            }
        }
        Ok(ledger)
    }

    /// What is known so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Before a create is sent, once for all tries in a row.
    pub fn creating(&mut self, order: &ExportRequest) -> anyhow::Result<()> {
        if matches!(self.history.state(order), RequestState::Creating) {
            return Ok(());
        }
        let order = order.clone();
        let at = (self.now)();
        self.note(LedgerEvent::Creating { order, at })
    }

    /// After the service named the export, or it was found in the list.
    pub fn created(&mut self, order: &ExportRequest, export_id: &str) -> anyhow::Result<()> {
        let (order, export_id) = (order.clone(), export_id.to_owned());
        let at = (self.now)();
        self.note(LedgerEvent::Created {
            order,
            export_id,
            at,
        })
    }

    /// After the service refused to make it.
    pub fn refused(&mut self, order: &ExportRequest) -> anyhow::Result<()> {
        let order = order.clone();
        let at = (self.now)();
        self.note(LedgerEvent::Refused { order, at })
    }

    /// After the metadata came. What was fetched keeps its page size; status 2 if
    /// another one is wanted for what was begun: its pages would overlap.
    pub fn ready(
        &mut self,
        export_id: &str,
        num_of_files: u64,
        size_of_export: u64,
        page_size: u64,
    ) -> anyhow::Result<Ready> {
        if num_of_files > MOST_FILES {
            return Err(error::bad_input(format!(
                "export {export_id} of {num_of_files} files: that cannot be"
            )));
        }
        let mut ready = Ready {
            num_of_files,
            size_of_export,
            page_size,
            at: (self.now)(),
        };
        if let Some(export) = self.history.export(export_id)
            && let Some(known) = export.ready
        {
            if export.fetched {
                ready.page_size = known.page_size;
            } else if known.page_size != page_size && !export.pages.is_empty() {
                let text = format!(
                    "export {export_id} was begun with --page-size {}; with {page_size} its pages would overlap: finish it with the old one",
                    known.page_size
                );
                return Err(Failure::new(Status::Usage, text).narrow().into());
            }
            if (known.num_of_files, known.page_size) == (num_of_files, ready.page_size) {
                return Ok(known);
            }
        }
        self.note(LedgerEvent::Ready {
            export_id: export_id.to_owned(),
            num_of_files,
            size_of_export,
            page_size: ready.page_size,
            at: ready.at,
        })?;
        Ok(ready)
    }

    /// Before a page is requested. Losing this note costs at most a 429.
    pub fn requesting(&mut self, export_id: &str, page_number: u64) -> anyhow::Result<()> {
        let event = LedgerEvent::Requesting {
            export_id: export_id.to_owned(),
            page_number,
            at: (self.now)(),
        };
        self.journal.append_unsynced(&event)?;
        self.history.apply(event)
    }

    /// After a page has its final name.
    pub fn page(&mut self, export_id: &str, page: &PageEntry) -> anyhow::Result<()> {
        let (export_id, page) = (export_id.to_owned(), page.clone());
        let at = (self.now)();
        self.note(LedgerEvent::Page {
            export_id,
            page,
            at,
        })
    }

    /// A kept page turned out to be wrong.
    pub fn dropped(&mut self, export_id: &str, page_number: u64) -> anyhow::Result<()> {
        let export_id = export_id.to_owned();
        let at = (self.now)();
        self.note(LedgerEvent::Dropped {
            export_id,
            page_number,
            at,
        })
    }

    /// After the lines of all pages have left.
    pub fn fetched(&mut self, export_id: &str) -> anyhow::Result<()> {
        let export = self.history.export(export_id);
        if export.is_some_and(|export| export.fetched) {
            return Ok(());
        }
        let export_id = export_id.to_owned();
        let at = (self.now)();
        self.note(LedgerEvent::Fetched { export_id, at })
    }

    /// Nothing more can be had from this export.
    pub fn ended(&mut self, export_id: &str, status: &str) -> anyhow::Result<()> {
        let (export_id, status) = (export_id.to_owned(), status.to_owned());
        let at = (self.now)();
        self.note(LedgerEvent::Ended {
            export_id,
            status,
            at,
        })
    }

    fn note(&mut self, event: LedgerEvent) -> anyhow::Result<()> {
        self.journal.append(&event)?;
        self.history.apply(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://api.example";

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_176_000_000)
    }

    fn order() -> ExportRequest {
        serde_json::from_str(r#"{"group":"g","types":["a"],"from":"2026-11-01","to":"2026-11-02"}"#)
            .unwrap()
    }

    fn page(page_number: u64) -> PageEntry {
        PageEntry {
            page_number,
            file: format!("g/x-p{page_number:04}.zip"),
            bytes: 10,
            sha256: "00".to_owned(),
            members: 2,
        }
    }

    fn open(dir: &tempfile::TempDir) -> Ledger {
        Ledger::open(&dir.path().join("ledger.ndjson"), URL, now).unwrap()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(&dir);
        ledger.creating(&order()).unwrap();
        ledger.creating(&order()).unwrap();
        assert!(matches!(
            ledger.history().state(&order()),
            RequestState::Creating
        ));
        ledger.created(&order(), "x").unwrap();
        ledger.ready("x", 3, 99, 2).unwrap();
        ledger.requesting("x", 1).unwrap();
        ledger.page("x", &page(1)).unwrap();
        ledger.page("x", &page(2)).unwrap();
        ledger.dropped("x", 2).unwrap();
        drop(ledger);

        let path = dir.path().join("ledger.ndjson");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches("\"creating\"").count(), 1);
        let history = History::read(&path).unwrap();
        let export = history.export("x").unwrap();
        assert_eq!(export.ready.unwrap().pages(), 2);
        assert_eq!(export.pages.values().collect::<Vec<_>>(), [&page(1)]);
        assert!(!export.fetched);
        assert_eq!(history.requests(), [now()]);
    }

    #[test]
    fn what_was_had_stays_had_whatever_becomes_of_its_export() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(&dir);
        ledger.created(&order(), "x").unwrap();
        ledger.page("x", &page(1)).unwrap();
        ledger.fetched("x").unwrap();
        ledger.ended("x", "EXPIRED").unwrap();
        let history = open_again(ledger, &dir);
        let (_, record) = history.known().next().unwrap();
        assert!(record.had && matches!(record.state, RequestState::Gone));
        assert_eq!(record.ended, ["x"]);
        assert!(history.is_ended("x"));
    }

    #[test]
    fn an_export_that_comes_back_is_not_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(&dir);
        ledger.created(&order(), "x").unwrap();
        ledger.ended("x", "EXPIRED").unwrap();
        assert_eq!(ledger.history().known().count(), 0);
        ledger.page("x", &page(1)).unwrap();
        assert_eq!(
            ledger.history().known().count(),
            0,
            "a page of an ended export"
        );
        ledger.created(&order(), "x").unwrap();
        ledger.page("x", &page(1)).unwrap();
        let history = open_again(ledger, &dir);
        assert!(!history.is_ended("x"));
        assert_eq!(history.export("x").unwrap().pages.len(), 1);
        assert!(history.records().all(|(_, record)| record.ended.is_empty()));
    }

    fn open_again(ledger: Ledger, dir: &tempfile::TempDir) -> History {
        drop(ledger);
        History::read(&dir.path().join("ledger.ndjson")).unwrap()
    }

    #[test]
    fn pages_of_two_sizes_are_not_mixed() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(&dir);
        ledger.created(&order(), "x").unwrap();
        ledger.ready("x", 10, 99, 5).unwrap();
        assert!(ledger.ready("x", 10, 99, 2).is_ok(), "no page yet");
        ledger.page("x", &page(1)).unwrap();
        let error = ledger.ready("x", 10, 99, 5).unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage);
        ledger.fetched("x").unwrap();
        assert_eq!(ledger.ready("x", 10, 99, 5).unwrap().page_size, 2);
        assert!(ledger.ready("x", u64::MAX, 99, 1).is_err());
    }

    #[test]
    fn a_ledger_of_another_service_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(&dir));
        let path = dir.path().join("ledger.ndjson");
        let error = Ledger::open(&path, "https://other.example", now).unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage);
        assert!(format!("{error:#}").contains("belongs to"));
    }

    #[test]
    fn what_is_no_ledger_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        for notes in [
            "{\"my\":\"data\"}\n",
            "precious",
            "hello\nprecious",
            "{\"event\":\"opened\",x",
        ] {
            crate::os::files::write_atomic(&path, notes.as_bytes()).unwrap();
            let opened = Ledger::open(&path, URL, now);
            assert_eq!(
                opened.is_err(),
                !notes.as_bytes().starts_with(FIRST),
                "{notes}"
            );
            drop(opened);
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(
                text == notes,
                !notes.as_bytes().starts_with(FIRST),
                "{notes}"
            );
        }
    }
}
