//! What the events of a ledger add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;

use super::event::{LedgerEvent, PageEntry, VERSION};
use crate::error;
use crate::ocp::export_request::ExportRequest;
use crate::os::journal;
use crate::time::Timestamp;

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
pub struct ExportEntry {
    /// The service's name for it.
    pub id: String,
    /// Once it can be downloaded.
    pub ready: Option<Ready>,
    /// Pages on disk, by number.
    pub pages: BTreeMap<u64, PageEntry>,
    /// All pages are on disk and their lines have left.
    pub fetched: bool,
}

/// How far an order has come.
#[derive(Clone, Debug, Default)]
pub enum RequestState {
    /// Never asked for, or refused, expired, failed: as if never asked for.
    #[default]
    Gone,
    /// Asked for; the answer never came.
    Creating,
    /// The service has named it.
    Named(ExportEntry),
}

/// All that is known of an order.
#[derive(Clone, Debug, Default)]
pub struct RequestHistory {
    /// How far its export has come.
    pub state: RequestState,
    /// Its lines have left once, whatever became of its export since.
    pub had: bool,
    /// Earlier exports of it, which have ended. Their pages are what there is of
    /// the data until a successor is complete.
    pub ended: Vec<String>,
}

/// What the events add up to.
#[derive(Debug, Default)]
pub struct History {
    pub(super) api_url: Option<String>,
    orders: BTreeMap<ExportRequest, RequestHistory>,
    /// Orders by the name of their latest export.
    names: BTreeMap<String, ExportRequest>,
    ended: BTreeSet<String>,
    requests: Vec<Timestamp>,
}

impl History {
    /// Reads a ledger that another process may be writing.
    pub fn read(path: &Path) -> anyhow::Result<History> {
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        History::parse(&text).with_context(|| path.display().to_string())
    }

    pub(super) fn parse(text: &[u8]) -> anyhow::Result<History> {
        let mut history = History::default();
        for (number, line) in journal::lines(text) {
            let event = line
                .and_then(|line| serde_json::from_str(line).map_err(|e| e.to_string()))
                .map_err(|why| damaged(number, &why))?;
            if number == 1 && !matches!(event, LedgerEvent::Opened { .. }) {
                return Err(error::bad_input("line 1: a ledger begins with \"opened\""));
            }
            history.apply(event)?;
        }
        Ok(history)
    }

    pub(super) fn apply(&mut self, event: LedgerEvent) -> anyhow::Result<()> {
        match event {
            LedgerEvent::Opened {
                version, api_url, ..
            } => {
                if version != VERSION {
                    return Err(error::usage(format!(
                        "version {version} of the ledger; this program writes version {VERSION}"
                    )));
                }
                self.api_url = Some(api_url);
            }
            LedgerEvent::Creating { order, .. } => {
                self.record_mut(order).state = RequestState::Creating;
            }
            LedgerEvent::Refused { order, .. } => self.record_mut(order).state = RequestState::Gone,
            LedgerEvent::Created {
                order, export_id, ..
            } => {
                self.ended.remove(&export_id);
                self.names.insert(export_id.clone(), order.clone());
                let record = self.record_mut(order);
                record.ended.retain(|id| *id != export_id);
                record.state = RequestState::Named(ExportEntry {
                    id: export_id,
                    ready: None,
                    pages: BTreeMap::new(),
                    fetched: false,
                });
            }
            LedgerEvent::Ready {
                export_id,
                num_of_files,
                size_of_export,
                page_size,
                at,
            } => {
                let ready = Ready {
                    num_of_files,
                    size_of_export,
                    page_size,
                    at,
                };
                self.with(&export_id, |export| export.ready = Some(ready));
            }
            LedgerEvent::Requesting { at, .. } => self.requests.push(at),
            LedgerEvent::Page {
                export_id, page, ..
            } => self.with(&export_id, |export| {
                export.pages.insert(page.page_number, page);
            }),
            LedgerEvent::Dropped {
                export_id,
                page_number,
                ..
            } => self.with(&export_id, |export| {
                export.pages.remove(&page_number);
            }),
            LedgerEvent::Fetched { export_id, .. } => {
                self.with(&export_id, |export| export.fetched = true);
                if let Some(order) = self.names.get(&export_id).cloned() {
                    self.record_mut(order).had = true;
                }
            }
            LedgerEvent::Ended { export_id, .. } => {
                if let Some(order) = self.names.remove(&export_id) {
                    let record = self.record_mut(order);
                    record.state = RequestState::Gone;
                    record.ended.push(export_id.clone());
                }
                self.ended.insert(export_id);
            }
        }
        Ok(())
    }

    fn record_mut(&mut self, order: ExportRequest) -> &mut RequestHistory {
        self.orders.entry(order).or_default()
    }

    fn with(&mut self, export_id: &str, change: impl FnOnce(&mut ExportEntry)) {
        let order = self.names.get(export_id);
        if let Some(record) = order.and_then(|order| self.orders.get_mut(order))
            && let RequestState::Named(export) = &mut record.state
            && export.id == export_id
        {
            change(export);
        }
    }

    /// How far an order has come.
    pub fn state(&self, order: &ExportRequest) -> &RequestState {
        self.orders
            .get(order)
            .map_or(&RequestState::Gone, |record| &record.state)
    }

    /// All that is known of an order; `None` if it was never asked for.
    pub fn record(&self, order: &ExportRequest) -> Option<&RequestHistory> {
        self.orders.get(order)
    }

    /// The export of this name, if it is the latest of its order.
    pub fn export(&self, export_id: &str) -> Option<&ExportEntry> {
        match self.state(self.names.get(export_id)?) {
            RequestState::Named(export) if export.id == export_id => Some(export),
            _ => None,
        }
    }

    /// Whether an export of this name has ended.
    pub fn is_ended(&self, export_id: &str) -> bool {
        self.ended.contains(export_id)
    }

    /// Everything that was ever asked for.
    pub fn records(&self) -> impl Iterator<Item = (&ExportRequest, &RequestHistory)> {
        self.orders.iter()
    }

    /// What is had or under way.
    pub fn known(&self) -> impl Iterator<Item = (&ExportRequest, &RequestHistory)> {
        self.records()
            .filter(|(_, record)| record.had || !matches!(record.state, RequestState::Gone))
    }

    /// When pages were requested, for the rate.
    pub fn requests(&self) -> &[Timestamp] {
        &self.requests
    }
}

fn damaged(number: u64, why: &str) -> anyhow::Error {
    error::bad_input(format!(
        "line {number}: not an event of a ledger: {why}; put back a copy of the ledger, or remove this line if you know that you can do without it: what it said may then be asked for again"
    ))
}
