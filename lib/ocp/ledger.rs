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

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::order::Order;
use crate::error;
use crate::store::Journal;
use crate::time::Timestamp;

const VERSION: u32 = 1;

/// One line of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    /// The first line: what the whole file depends on.
    Opened {
        version: u32,
        api_url: String,
        at: Timestamp,
    },
    /// About to ask for an export; whether it was heard is not known yet.
    Creating {
        #[serde(flatten)]
        order: Order,
        at: Timestamp,
    },
    /// The service gave the export a name.
    Created {
        #[serde(flatten)]
        order: Order,
        export_id: String,
        at: Timestamp,
    },
    /// The service will not make this export.
    Refused {
        #[serde(flatten)]
        order: Order,
        at: Timestamp,
    },
    /// It can be downloaded, in pages of `page_size` files.
    Ready {
        export_id: String,
        num_of_files: u64,
        size_of_export: u64,
        page_size: u64,
        at: Timestamp,
    },
    /// About to download a page: it counts against the rate of the next run too.
    Requesting {
        export_id: String,
        page_number: u64,
        at: Timestamp,
    },
    /// A page is on disk, verified.
    Page {
        export_id: String,
        #[serde(flatten)]
        page: Page,
        at: Timestamp,
    },
    /// A kept page is not to be used: it is to be downloaded again.
    Dropped {
        export_id: String,
        page_number: u64,
        at: Timestamp,
    },
    /// Every page is on disk and its lines have left.
    Fetched { export_id: String, at: Timestamp },
    /// Nothing more can be had from this export.
    Ended {
        export_id: String,
        status: String,
        at: Timestamp,
    },
}

/// A ZIP on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Counted from 1.
    pub page_number: u64,
    /// Below the directory of downloads.
    pub file: String,
    /// The size of the file.
    pub bytes: u64,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    /// Files in the ZIP.
    pub members: u64,
}

/// What is known of an export that can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Files across all pages.
    pub num_of_files: u64,
    /// Bytes, as the service states them.
    pub size_of_export: u64,
    /// Files in a page; fixed once a page is on disk.
    pub page_size: u64,
    /// When we saw it ready.
    pub at: Timestamp,
}

impl Ready {
    /// How many pages there are.
    pub fn pages(&self) -> u64 {
        self.num_of_files.div_ceil(self.page_size)
    }
}

/// An export that the service has named.
#[derive(Clone, Debug)]
pub struct Export {
    /// The service's name for it.
    pub id: String,
    /// Once it can be downloaded.
    pub ready: Option<Ready>,
    /// Pages on disk, by number.
    pub pages: BTreeMap<u64, Page>,
    /// All pages are on disk and their lines have left.
    pub fetched: bool,
}

/// How far an order has come.
#[derive(Clone, Debug)]
pub enum State {
    /// Asked for; the answer never came.
    Creating,
    /// The service has named it.
    Named(Export),
    /// Refused, expired or failed: as if it had never been asked for.
    Gone,
}

/// What the events add up to.
#[derive(Debug, Default)]
pub struct History {
    api_url: Option<String>,
    orders: BTreeMap<Order, State>,
    /// Orders by the name of their latest export.
    names: BTreeMap<String, Order>,
    /// Pages of exports that have ended: a new export will have its own.
    stale: Vec<String>,
    requests: Vec<Timestamp>,
}

impl History {
    /// Reads a ledger that another process may be writing.
    pub fn read(path: &Path) -> anyhow::Result<History> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        let complete = text
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |at| at + 1);
        let text = String::from_utf8_lossy(&text[..complete]);
        History::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> anyhow::Result<History> {
        let mut history = History::default();
        for (number, line) in (1..).zip(text.lines()) {
            let event = serde_json::from_str(line).map_err(|e| {
                error::bad_input(format!("line {number}: not an event of a ledger: {e}"))
            })?;
            if number == 1 && !matches!(event, Event::Opened { .. }) {
                return Err(error::bad_input("line 1: a ledger begins with \"opened\""));
            }
            history.apply(event)?;
        }
        Ok(history)
    }

    fn apply(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Opened {
                version, api_url, ..
            } => {
                if version != VERSION {
                    return Err(error::usage(format!(
                        "version {version} of the ledger; this program writes version {VERSION}"
                    )));
                }
                self.api_url = Some(api_url);
            }
            Event::Creating { order, .. } => {
                self.orders.insert(order, State::Creating);
            }
            Event::Refused { order, .. } => {
                self.orders.insert(order, State::Gone);
            }
            Event::Created {
                order, export_id, ..
            } => {
                let export = Export {
                    id: export_id.clone(),
                    ready: None,
                    pages: BTreeMap::new(),
                    fetched: false,
                };
                self.names.insert(export_id, order.clone());
                self.orders.insert(order, State::Named(export));
            }
            Event::Ready {
                export_id,
                num_of_files,
                size_of_export,
                page_size,
                at,
            } => {
                if let Some(export) = self.named_mut(&export_id) {
                    export.ready = Some(Ready {
                        num_of_files,
                        size_of_export,
                        page_size,
                        at,
                    });
                }
            }
            Event::Requesting { at, .. } => self.requests.push(at),
            Event::Page {
                export_id, page, ..
            } => {
                if let Some(export) = self.named_mut(&export_id) {
                    export.pages.insert(page.page_number, page);
                }
            }
            Event::Dropped {
                export_id,
                page_number,
                ..
            } => {
                if let Some(export) = self.named_mut(&export_id) {
                    export.pages.remove(&page_number);
                }
            }
            Event::Fetched { export_id, .. } => {
                if let Some(export) = self.named_mut(&export_id) {
                    export.fetched = true;
                }
            }
            Event::Ended { export_id, .. } => {
                if let Some(order) = self.names.remove(&export_id)
                    && let Some(State::Named(export)) = self.orders.insert(order, State::Gone)
                {
                    self.stale
                        .extend(export.pages.into_values().map(|page| page.file));
                }
            }
        }
        Ok(())
    }

    fn named_mut(&mut self, export_id: &str) -> Option<&mut Export> {
        match self.orders.get_mut(self.names.get(export_id)?) {
            Some(State::Named(export)) if export.id == export_id => Some(export),
            _ => None,
        }
    }

    /// How far an order has come; `None` if it was never asked for, or in vain.
    pub fn state(&self, order: &Order) -> Option<&State> {
        match self.orders.get(order) {
            None | Some(State::Gone) => None,
            state => state,
        }
    }

    /// The orders that were asked for and not in vain, and how far they came.
    pub fn live(&self) -> impl Iterator<Item = (&Order, &State)> {
        self.orders
            .iter()
            .filter(|(_, state)| !matches!(state, State::Gone))
    }

    /// Whether an export of this name is known, by its order.
    pub fn order_of(&self, export_id: &str) -> Option<&Order> {
        self.names.get(export_id)
    }

    /// When pages were requested, for the rate.
    pub fn requests(&self) -> &[Timestamp] {
        &self.requests
    }
}

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
        let (journal, text) = Journal::open(path)?;
        let history = History::parse(&text).with_context(place)?;
        let mut ledger = Ledger {
            journal,
            history,
            now,
        };
        match &ledger.history.api_url {
            None => ledger.note(Event::Opened {
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

    /// Files of exports that have ended, to be removed.
    pub fn take_stale(&mut self) -> Vec<String> {
        std::mem::take(&mut self.history.stale)
    }

    /// Before a create is sent.
    pub fn creating(&mut self, order: &Order) -> anyhow::Result<()> {
        let order = order.clone();
        let at = (self.now)();
        self.note(Event::Creating { order, at })
    }

    /// After the service named the export, or it was found in the list.
    pub fn created(&mut self, order: &Order, export_id: &str) -> anyhow::Result<()> {
        let (order, export_id) = (order.clone(), export_id.to_owned());
        let at = (self.now)();
        self.note(Event::Created {
            order,
            export_id,
            at,
        })
    }

    /// After the service refused to make it.
    pub fn refused(&mut self, order: &Order) -> anyhow::Result<()> {
        let order = order.clone();
        let at = (self.now)();
        self.note(Event::Refused { order, at })
    }

    /// After the metadata came. An export that was ready before and has pages
    /// keeps its page size; status 2 if another one is wanted now.
    pub fn ready(
        &mut self,
        export_id: &str,
        num_of_files: u64,
        size_of_export: u64,
        page_size: u64,
    ) -> anyhow::Result<Ready> {
        let now = (self.now)();
        if let Some(export) = self.history.named_mut(export_id)
            && let Some(known) = export.ready
        {
            if known.page_size != page_size && !export.pages.is_empty() {
                return Err(error::usage(format!(
                    "export {export_id} was begun with --page-size {}; with {page_size} its pages would overlap: finish it with the old one",
                    known.page_size
                )));
            }
            if known.num_of_files == num_of_files && known.page_size == page_size {
                return Ok(known);
            }
        }
        self.note(Event::Ready {
            export_id: export_id.to_owned(),
            num_of_files,
            size_of_export,
            page_size,
            at: now,
        })?;
        Ok(Ready {
            num_of_files,
            size_of_export,
            page_size,
            at: now,
        })
    }

    /// Before a page is requested. Losing this note costs at most a 429.
    pub fn requesting(&mut self, export_id: &str, page_number: u64) -> anyhow::Result<()> {
        let event = Event::Requesting {
            export_id: export_id.to_owned(),
            page_number,
            at: (self.now)(),
        };
        self.journal.append_unsynced(&event)?;
        self.history.apply(event)
    }

    /// After a page has its final name.
    pub fn page(&mut self, export_id: &str, page: &Page) -> anyhow::Result<()> {
        let (export_id, page) = (export_id.to_owned(), page.clone());
        let at = (self.now)();
        self.note(Event::Page {
            export_id,
            page,
            at,
        })
    }

    /// A kept page turned out to be wrong.
    pub fn dropped(&mut self, export_id: &str, page_number: u64) -> anyhow::Result<()> {
        let export_id = export_id.to_owned();
        let at = (self.now)();
        self.note(Event::Dropped {
            export_id,
            page_number,
            at,
        })
    }

    /// After the lines of all pages have left.
    pub fn fetched(&mut self, export_id: &str) -> anyhow::Result<()> {
        if self
            .history
            .named_mut(export_id)
            .is_some_and(|export| export.fetched)
        {
            return Ok(());
        }
        let export_id = export_id.to_owned();
        let at = (self.now)();
        self.note(Event::Fetched { export_id, at })
    }

    /// Nothing more can be had from this export.
    pub fn ended(&mut self, export_id: &str, status: &str) -> anyhow::Result<()> {
        let (export_id, status) = (export_id.to_owned(), status.to_owned());
        let at = (self.now)();
        self.note(Event::Ended {
            export_id,
            status,
            at,
        })
    }

    fn note(&mut self, event: Event) -> anyhow::Result<()> {
        self.journal.append(&event)?;
        self.history.apply(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    const URL: &str = "https://api.example";

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_176_000_000)
    }

    fn order() -> Order {
        serde_json::from_str(r#"{"group":"g","types":["a"],"from":"2026-11-01","to":"2026-11-02"}"#)
            .unwrap()
    }

    fn page(page_number: u64) -> Page {
        Page {
            page_number,
            file: format!("g/x-p{page_number:04}.zip"),
            bytes: 10,
            sha256: "00".to_owned(),
            members: 2,
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.ndjson");
        let mut ledger = Ledger::open(&path, URL, now).unwrap();
        ledger.creating(&order()).unwrap();
        assert!(matches!(
            ledger.history().state(&order()),
            Some(State::Creating)
        ));
        ledger.created(&order(), "x").unwrap();
        ledger.ready("x", 3, 99, 2).unwrap();
        ledger.requesting("x", 1).unwrap();
        ledger.page("x", &page(1)).unwrap();
        ledger.page("x", &page(2)).unwrap();
        ledger.dropped("x", 2).unwrap();
        drop(ledger);

        let history = History::read(&path).unwrap();
        let Some(State::Named(export)) = history.state(&order()) else {
            panic!("{history:?}");
        };
        assert_eq!(export.ready.unwrap().pages(), 2);
        assert_eq!(export.pages.values().collect::<Vec<_>>(), [&page(1)]);
        assert!(!export.fetched);
        assert_eq!(history.requests(), [now()]);
    }

    #[test]
    fn an_ended_export_leaves_only_stale_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.ndjson");
        let mut ledger = Ledger::open(&path, URL, now).unwrap();
        ledger.created(&order(), "x").unwrap();
        ledger.page("x", &page(1)).unwrap();
        ledger.ended("x", "EXPIRED").unwrap();
        assert!(ledger.history().state(&order()).is_none());
        assert_eq!(ledger.take_stale(), ["g/x-p0001.zip"]);
        ledger.page("x", &page(1)).unwrap();
        assert!(ledger.history().state(&order()).is_none());
    }

    #[test]
    fn another_service_or_page_size_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.ndjson");
        let mut ledger = Ledger::open(&path, URL, now).unwrap();
        ledger.created(&order(), "x").unwrap();
        ledger.ready("x", 10, 99, 5).unwrap();
        assert!(ledger.ready("x", 10, 99, 2).is_ok(), "no page yet");
        ledger.page("x", &page(1)).unwrap();
        let error = ledger.ready("x", 10, 99, 5).unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage);
        drop(ledger);
        let error = Ledger::open(&path, "https://other.example", now).unwrap_err();
        assert_eq!(Status::of(&error), Status::Usage);
        assert!(format!("{error:#}").contains("belongs to"));
    }

    #[test]
    fn what_is_no_ledger_is_not_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        crate::store::write_atomic(&path, b"{\"my\":\"data\"}\n").unwrap();
        assert!(Ledger::open(&path, URL, now).is_err());
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"my\":\"data\"}\n"
        );
    }
}
