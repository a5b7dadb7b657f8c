//! The ledger records the requests of `export-fetch` and the ZIPs on disk. The ledger is an
//! append-only file of events, which are written before and after each step that cannot be undone.
//! The ledger can also be an object in a bucket.
//!
//! While an export runs, it blocks all other exports of its group. A READY export can be downloaded
//! for 24 hours. After a crash, the ledger shows which export the killed run had requested, and
//! which steps of this export are done. The next run therefore resumes this export and does not
//! create a second one. The state of a request results from all its events. A line in the file
//! never changes.
//!
//! ```text
//! opened → creating → created → ready → requesting, page … → delivering → fetched → pruned
//!                  ↘ refused         ↘ ended (EXPIRED, FAILED): a new creating
//! ```
//!
//! A list is a file with the output lines of some exports. `delivering` is written before the
//! rename that gives the list its name. If no `fetched` or `withdrawn` follows, the list has its
//! name if and only if its temporary file is gone. A list in a bucket is complete if and only if
//! the object has the SHA-256 that `delivering` states.

mod event;
mod history;
mod lines;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

pub use event::PageEntry;
pub use history::{ExportEntry, History, Ready, RequestHistory, RequestState};

pub(crate) use event::ListDelivery;
pub(crate) use history::{HeadObject, LINE_ADVICE, is_delivered};

use event::{LedgerEntry, LedgerEvent, VERSION};
use lines::LedgerLines;

use crate::bucket::address::BucketUrl;
use crate::bucket::service::BucketService;
use crate::error::{self, Failure, Status};
use crate::export::leased_journal::LeasedJournal;
use crate::ocp::export_request::ExportRequest;
use crate::os::clock::Clock;
use crate::os::digest::sha256;
use crate::os::journal::Journal;
use crate::time::Timestamp;

/// The first bytes of every ledger.
const FIRST: &[u8] = br#"{"event":"opened","#;

/// The highest number of files that an export of two days can have. A larger number is wrong.
const MOST_FILES: u64 = 100_000_000;

/// An open, locked ledger, with the state that results from its events.
#[derive(Debug)]
pub struct Ledger {
    lines: LedgerLines,
    history: History,
    clock: Clock,
    /// A hash of the ledger's path or URL; it is the same in each run.
    id: String,
}

impl Ledger {
    /// Opens a ledger for requests to `api_url`. Fails with status 75 if another run has locked the
    /// ledger, and with status 2 if the ledger belongs to another service.
    pub fn open(path: &Path, api_url: &str, clock: Clock) -> anyhow::Result<Ledger> {
        Ledger::open_as_it_is(path, clock)?.of_service(api_url, &path.display())
    }

    /// Opens a ledger in a bucket. Fails with the same statuses as [`Ledger::open`]. Also fails
    /// with status 2 if the ledger records an unfinished list on the disk of a machine, because
    /// only a run on that machine can find out whether the list is complete.
    pub fn lease(
        service: Arc<BucketService>,
        url: &BucketUrl,
        api_url: &str,
        clock: Clock,
    ) -> anyhow::Result<Ledger> {
        let (ledger, is_taken_over) = Ledger::lease_any(service, url, clock)?;
        let mut ledger = ledger.of_service(api_url, url)?;
        if is_taken_over {
            // Writing this event changes the object. If the earlier holder of the lease still runs,
            // it can no longer write the object.
            ledger.note_opened(api_url)?;
        }
        Ok(ledger)
    }

    /// Like [`Ledger::lease`], but the ledger can belong to any service.
    pub(crate) fn lease_as_it_is(
        service: Arc<BucketService>,
        url: &BucketUrl,
        clock: Clock,
    ) -> anyhow::Result<Ledger> {
        let (mut ledger, is_taken_over) = Ledger::lease_any(service, url, clock)?;
        if let (Some(api_url), true) = (ledger.history.api_url.clone(), is_taken_over) {
            ledger.note_opened(&api_url)?;
        }
        Ok(ledger)
    }

    fn lease_any(
        service: Arc<BucketService>,
        url: &BucketUrl,
        clock: Clock,
    ) -> anyhow::Result<(Ledger, bool)> {
        let lines = LeasedJournal::open(service, url, is_ledger)?;
        let history = History::parse(lines.text()).with_context(|| url.to_string())?;
        let mut lists = history.deliveries().iter();
        if let Some(list) = lists.find(|list| list.sha256.is_none()) {
            let list = list.path.display();
            return Err(error::usage(format!(
                "{url}: a run was killed while it gave {list} its name: copy the ledger to the machine of that run, run export-fetch there, and copy it back"
            )));
        }
        let is_taken_over = lines.is_taken_over();
        let ledger = Ledger {
            lines: LedgerLines::Object(lines),
            history,
            clock,
            id: id(url.to_string().as_bytes()),
        };
        Ok((ledger, is_taken_over))
    }

    fn of_service(mut self, api_url: &str, place: &dyn fmt::Display) -> anyhow::Result<Ledger> {
        match &self.history.api_url {
            None => self.note_opened(api_url)?,
            Some(known) if known == api_url => {}
            Some(known) => {
                return Err(error::usage(format!(
                    "{place}: this ledger belongs to {known}, not to {api_url}: give another --ledger"
                )));
            }
        }
        Ok(self)
    }

    fn note_opened(&mut self, api_url: &str) -> anyhow::Result<()> {
        self.note(LedgerEvent::Opened {
            version: VERSION,
            api_url: api_url.to_owned(),
        })
    }

    /// Opens a ledger of any service. Fails with status 75 if another run has locked the ledger.
    pub(crate) fn open_as_it_is(path: &Path, clock: Clock) -> anyhow::Result<Ledger> {
        let (journal, text) = Journal::open(path, is_ledger)?;
        let real = path.canonicalize();
        let real = real.as_deref().unwrap_or(path);
        Ok(Ledger {
            lines: LedgerLines::File(journal),
            history: History::parse(&text).with_context(|| path.display().to_string())?,
            clock,
            id: id(real.as_os_str().as_encoded_bytes()),
        })
    }

    /// The state that results from all events so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The prefix of the temporary files of this ledger's unfinished lists.
    pub(crate) fn list_prefix(&self) -> String {
        format!(".callpipe-{}-", self.id)
    }

    /// Must be called before a create is sent. One call is enough for all retries.
    pub(crate) fn creating(&mut self, request: &ExportRequest) -> anyhow::Result<()> {
        if matches!(self.history.state(request), RequestState::Creating) {
            return Ok(());
        }
        self.note(LedgerEvent::Creating(request.clone()))
    }

    /// Must be called after the service returned the id of the export, or the list of exports
    /// showed it.
    pub(crate) fn created(
        &mut self,
        request: &ExportRequest,
        export_id: &str,
    ) -> anyhow::Result<()> {
        self.note(LedgerEvent::Created {
            request: request.clone(),
            export_id: export_id.to_owned(),
        })
    }

    /// Must be called after the service refused to create the export.
    pub(crate) fn refused(&mut self, request: &ExportRequest) -> anyhow::Result<()> {
        self.note(LedgerEvent::Refused(request.clone()))
    }

    /// Must be called after the metadata was received. Fails with status 2 if a page with another
    /// page size is on disk, because the pages would overlap. A fetched export keeps its earlier
    /// page size.
    pub(crate) fn ready(
        &mut self,
        export_id: &str,
        num_of_files: u64,
        size_of_export: Option<u64>,
        page_size: u64,
    ) -> anyhow::Result<Ready> {
        if num_of_files > MOST_FILES {
            return Err(error::bad_input(format!(
                "export {export_id}: the service states {num_of_files} files, which is impossible"
            )));
        }
        let mut ready = Ready {
            num_of_files,
            size_of_export,
            page_size,
            at: self.clock.now(),
        };
        if let Some(export) = self.history.export(export_id)
            && let Some(known) = export.ready
        {
            if export.fetched_at.is_some() {
                ready.page_size = known.page_size;
            } else if known.page_size != page_size && !export.pages.is_empty() {
                let text = format!(
                    "export {export_id} was started with --page-size {}; with {page_size} its \
                     pages would overlap: finish it with the old --page-size",
                    known.page_size
                );
                return Err(Failure::new(Status::Usage, text).narrow().into());
            }
            if (known.num_of_files, known.page_size) == (num_of_files, ready.page_size) {
                return Ok(known);
            }
        }
        let event = LedgerEvent::Ready {
            export_id: export_id.to_owned(),
            num_of_files,
            size_of_export,
            page_size: ready.page_size,
        };
        self.note_at(event, ready.at)?;
        Ok(ready)
    }

    /// Must be called before a page is requested. If a crash loses this event, the next run gets at
    /// most one reply 429 (too many requests).
    pub(crate) fn requesting(&mut self, export_id: &str, page_number: u64) -> anyhow::Result<()> {
        let event = LedgerEvent::Requesting {
            export_id: export_id.to_owned(),
            page_number,
        };
        let at = self.clock.now();
        let entry = LedgerEntry { event, at };
        self.lines.append_unsynced(&entry)?;
        self.history.apply(entry);
        Ok(())
    }

    /// Must be called before a page gets its final name. Fails with status 75 if another run has
    /// taken over the ledger, because that run has possibly stored the same page.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.lines.check()
    }

    /// Must be called after a page got its final name.
    pub(crate) fn page(&mut self, export_id: &str, page: &PageEntry) -> anyhow::Result<()> {
        self.note(LedgerEvent::Page {
            export_id: export_id.to_owned(),
            page: page.clone(),
        })
    }

    /// Must be called when a stored page is wrong and must be downloaded again.
    pub(crate) fn dropped(&mut self, export_id: &str, page_number: u64) -> anyhow::Result<()> {
        self.note(LedgerEvent::Dropped {
            export_id: export_id.to_owned(),
            page_number,
        })
    }

    /// Must be called before a complete list gets its name or is uploaded. When this returns, the
    /// event is on disk or in the bucket.
    pub(crate) fn delivering(&mut self, delivery: &ListDelivery) -> anyhow::Result<()> {
        self.note(LedgerEvent::Delivering(delivery.clone()))
    }

    /// Must be called when a list did not get its name, before its temporary file is deleted. Must
    /// also be called when a list is not in its bucket.
    pub(crate) fn withdrawn(&mut self, temp: &Path) -> anyhow::Result<()> {
        self.note(LedgerEvent::Withdrawn {
            temp: temp.to_owned(),
        })
    }

    /// Must be called when the lines of all pages of an export are on disk or in a bucket, or were
    /// read from the pipe.
    pub fn fetched(&mut self, export_id: &str) -> anyhow::Result<()> {
        let export = self.history.export(export_id);
        let is_noted = export.is_some_and(|export| export.fetched_at.is_some());
        let deliveries = self.history.deliveries();
        let is_open = deliveries
            .iter()
            .any(|list| list.export_ids.iter().any(|id| id == export_id));
        if is_noted && !is_open {
            return Ok(());
        }
        self.note(LedgerEvent::Fetched {
            export_id: export_id.to_owned(),
        })
    }

    /// Must be called before the ZIPs of a fetched export are deleted for good.
    pub(crate) fn pruned(&mut self, export_id: &str) -> anyhow::Result<()> {
        self.note(LedgerEvent::Pruned {
            export_id: export_id.to_owned(),
        })
    }

    /// Must be called when the export can no longer be downloaded.
    pub(crate) fn ended(&mut self, export_id: &str, status: &str) -> anyhow::Result<()> {
        self.note(LedgerEvent::Ended {
            export_id: export_id.to_owned(),
            status: status.to_owned(),
        })
    }

    fn note(&mut self, event: LedgerEvent) -> anyhow::Result<()> {
        self.note_at(event, self.clock.now())
    }

    fn note_at(&mut self, event: LedgerEvent, at: Timestamp) -> anyhow::Result<()> {
        let entry = LedgerEntry { event, at };
        self.lines.append(&entry)?;
        self.history.apply(entry);
        Ok(())
    }
}

/// Whether a text begins with `FIRST`, or is the beginning of `FIRST` because it was cut off.
fn is_ledger(text: &[u8]) -> bool {
    text.starts_with(FIRST) || FIRST.starts_with(text)
}

fn id(place: &[u8]) -> String {
    sha256(place)[..12].to_owned()
}

#[cfg(test)]
mod tests;
