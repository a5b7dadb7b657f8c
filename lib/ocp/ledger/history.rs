//! The state that results from the events of a ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::event::{LedgerEntry, LedgerEvent, ListDelivery, PageEntry, VERSION};
use crate::bucket::address::BucketUrl;
use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::objects::ObjectFacts;
use crate::error;
use crate::ocp::export_request::ExportRequest;
use crate::os::journal;
use crate::time::Timestamp;

/// Facts about an export that can be downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The number of files on all pages.
    pub num_of_files: u64,
    /// The size in bytes, if the service states it.
    pub size_of_export: Option<u64>,
    /// The number of files on a page. It does not change after the first page is on disk.
    pub page_size: u64,
    /// When a run first saw that the export is READY.
    pub at: Timestamp,
}

impl Ready {
    /// The number of pages.
    pub fn pages(&self) -> u64 {
        self.num_of_files.div_ceil(self.page_size)
    }
}

/// An export that has an id.
#[derive(Clone, Debug)]
pub struct ExportEntry {
    /// The id that the service gave the export.
    pub id: String,
    /// When a run first saw the id.
    pub created_at: Timestamp,
    /// Set when the export can be downloaded.
    pub ready: Option<Ready>,
    /// The pages on disk, by number.
    pub pages: BTreeMap<u64, PageEntry>,
    /// When the lines of the export were safe: on disk, in a bucket, or read from the pipe. If this
    /// is set, all pages are on disk.
    pub fetched_at: Option<Timestamp>,
}

impl ExportEntry {
    /// Whether all pages of the export are on disk.
    pub(crate) fn has_all_pages(&self) -> bool {
        self.ready
            .is_some_and(|ready| self.pages.len() as u64 >= ready.pages())
    }
}

/// The progress of a request.
#[derive(Clone, Debug, Default)]
pub enum RequestState {
    /// There is no export: none was requested, or the export was refused, expired, failed or
    /// pruned.
    #[default]
    Gone,
    /// A create was sent, but no reply is recorded.
    Creating,
    /// The service returned an id.
    Named(ExportEntry),
}

/// What the ledger knows about a request.
#[derive(Clone, Debug, Default)]
pub struct RequestHistory {
    /// The progress of the request's export.
    pub state: RequestState,
    /// Whether the lines of the request were ever safe: on disk, in a bucket, or read from the
    /// pipe. This stays true if the export ends.
    pub had: bool,
    /// The ids of the request's ended exports. Until a newer export is complete, the pages of these
    /// exports are the only copy of the data.
    pub ended: Vec<String>,
    /// ZIPs that were pruned: deleted because the user asked for it.
    pub pruned: Vec<PageEntry>,
}

/// The state that results from all events.
#[derive(Debug, Default)]
pub struct History {
    pub(super) api_url: Option<String>,
    version: Option<u32>,
    records: BTreeMap<ExportRequest, RequestHistory>,
    /// The request of each export id. Only the latest export of each request is here.
    ids: BTreeMap<String, ExportRequest>,
    ended: BTreeSet<String>,
    page_requests: Vec<Timestamp>,
    /// Lists of output lines: the ledger shows that the rename or upload began, but not how it
    /// ended.
    deliveries: Vec<ListDelivery>,
}

/// The advice for a damaged line of a ledger.
pub(crate) const LINE_ADVICE: &str = "restore the ledger from a copy, or delete this line: data \
    that only this line recorded may then be fetched again";

/// A damaged line of a ledger.
#[derive(Debug)]
pub(crate) struct DamagedLine {
    /// The number of the line, counted from 1.
    pub(crate) number: u64,
    pub(crate) why: String,
}

impl History {
    /// Reads `text`, the content of the ledger `place`, which another process is possibly writing.
    /// Fails with status 65 if a line is damaged.
    pub fn read(text: &[u8], place: &FileOrObject) -> anyhow::Result<History> {
        let mut history = History::parse(text).with_context(|| place.to_string())?;
        history.resolve_deliveries(place)?;
        Ok(history)
    }

    /// Like [`History::read`], but skips damaged lines. Returns the history, the number of lines
    /// and the damaged lines.
    pub(crate) fn scan(
        text: &[u8],
        place: &FileOrObject,
    ) -> anyhow::Result<(History, u64, Vec<DamagedLine>)> {
        let mut history = History::default();
        let mut damaged = Vec::new();
        let mut last = 0;
        for (number, line) in journal::lines(text) {
            last = number;
            match history.take_line(number, line) {
                Ok(()) => history.check_version()?,
                Err(why) => damaged.push(DamagedLine { number, why }),
            }
        }
        history.resolve_deliveries(place)?;
        Ok((history, last, damaged))
    }

    pub(super) fn parse(text: &[u8]) -> anyhow::Result<History> {
        let mut history = History::default();
        for (number, line) in journal::lines(text) {
            history.take_line(number, line).map_err(|why| {
                error::bad_input(format!("line {number}: {why}; to do: {LINE_ADVICE}"))
            })?;
            history.check_version()?;
        }
        Ok(history)
    }

    fn take_line(&mut self, number: u64, line: Result<&str, String>) -> Result<(), String> {
        let entry: LedgerEntry = line
            .and_then(|line| serde_json::from_str(line).map_err(|e| e.to_string()))
            .map_err(|why| format!("not an event of a ledger: {why}"))?;
        if number == 1 && !matches!(entry.event, LedgerEvent::Opened { .. }) {
            return Err("a ledger begins with \"opened\"".to_owned());
        }
        self.apply(entry);
        Ok(())
    }

    fn check_version(&self) -> anyhow::Result<()> {
        match self.version {
            None | Some(VERSION) => Ok(()),
            Some(other) => Err(error::usage(format!(
                "version {other} of the ledger; this program reads version {VERSION}"
            ))),
        }
    }

    pub(super) fn apply(&mut self, entry: LedgerEntry) {
        let at = entry.at;
        match entry.event {
            LedgerEvent::Opened { version, api_url } => {
                self.version = Some(version);
                self.api_url = Some(api_url);
            }
            LedgerEvent::Creating(request) => {
                self.record_mut(request).state = RequestState::Creating;
            }
            LedgerEvent::Refused(request) => self.record_mut(request).state = RequestState::Gone,
            LedgerEvent::Created { request, export_id } => {
                self.ended.remove(&export_id);
                self.ids.insert(export_id.clone(), request.clone());
                let record = self.record_mut(request);
                record.ended.retain(|id| *id != export_id);
                record.state = RequestState::Named(ExportEntry {
                    id: export_id,
                    created_at: at,
                    ready: None,
                    pages: BTreeMap::new(),
                    fetched_at: None,
                });
            }
            LedgerEvent::Ready {
                export_id,
                num_of_files,
                size_of_export,
                page_size,
            } => {
                let ready = Ready {
                    num_of_files,
                    size_of_export,
                    page_size,
                    at,
                };
                self.with(&export_id, |export| export.ready = Some(ready));
            }
            LedgerEvent::Requesting { .. } => self.page_requests.push(at),
            LedgerEvent::Page { export_id, page } => {
                if let Some(request) = self.ids.get(&export_id).cloned() {
                    let pruned = &mut self.record_mut(request).pruned;
                    pruned.retain(|old| old.file != page.file);
                }
                self.with(&export_id, |export| {
                    export.pages.insert(page.page_number, page);
                });
            }
            LedgerEvent::Dropped {
                export_id,
                page_number,
            } => self.with(&export_id, |export| {
                export.pages.remove(&page_number);
            }),
            LedgerEvent::Delivering(delivery) => self.deliveries.push(delivery),
            LedgerEvent::Withdrawn { temp } => self.deliveries.retain(|one| one.temp != temp),
            LedgerEvent::Fetched { export_id } => self.fetched(&export_id, at),
            LedgerEvent::Pruned { export_id } => {
                if let Some(request) = self.ids.remove(&export_id) {
                    let record = self.record_mut(request);
                    if let RequestState::Named(export) = std::mem::take(&mut record.state) {
                        record.pruned.extend(export.pages.into_values());
                    }
                }
            }
            LedgerEvent::Ended { export_id, .. } => {
                if let Some(request) = self.ids.remove(&export_id) {
                    let record = self.record_mut(request);
                    record.state = RequestState::Gone;
                    record.ended.push(export_id.clone());
                }
                self.ended.insert(export_id);
            }
        }
    }

    fn fetched(&mut self, export_id: &str, at: Timestamp) {
        self.with(export_id, |export| export.fetched_at = Some(at));
        if let Some(request) = self.ids.get(export_id).cloned() {
            self.record_mut(request).had = true;
        }
        for delivery in &mut self.deliveries {
            delivery.export_ids.retain(|id| id != export_id);
        }
        self.deliveries.retain(|one| !one.export_ids.is_empty());
    }

    /// If a list got its name although the ledger does not show that, marks the exports in the list
    /// as fetched. The next run of export-fetch will record this in the ledger. Does nothing for a
    /// ledger in a bucket, because the list is possibly on the disk of another machine.
    fn resolve_deliveries(&mut self, place: &FileOrObject) -> anyhow::Result<()> {
        if place.file().is_none() {
            return Ok(());
        }
        for delivery in self.deliveries.clone() {
            if delivery.sha256.is_none() && has_its_name(&delivery)? {
                self.delivered(&delivery);
            }
        }
        Ok(())
    }

    /// If a list is in its bucket although the ledger does not show that, marks the exports in the
    /// list as fetched. The next run of export-fetch will record this in the ledger.
    pub(crate) fn resolve_objects(&mut self, head: HeadObject<'_>) -> anyhow::Result<()> {
        for delivery in self.deliveries.clone() {
            if delivery.sha256.is_some() && is_delivered(&delivery, head)? {
                self.delivered(&delivery);
            }
        }
        Ok(())
    }

    fn delivered(&mut self, delivery: &ListDelivery) {
        for id in &delivery.export_ids {
            let export = self.export(id);
            let at = export.map_or(Timestamp::from_millis(0), |export| export.created_at);
            self.fetched(id, at);
        }
    }

    fn record_mut(&mut self, request: ExportRequest) -> &mut RequestHistory {
        self.records.entry(request).or_default()
    }

    fn with(&mut self, export_id: &str, change: impl FnOnce(&mut ExportEntry)) {
        let request = self.ids.get(export_id);
        if let Some(record) = request.and_then(|request| self.records.get_mut(request))
            && let RequestState::Named(export) = &mut record.state
            && export.id == export_id
        {
            change(export);
        }
    }

    /// The progress of a request.
    pub fn state(&self, request: &ExportRequest) -> &RequestState {
        self.records
            .get(request)
            .map_or(&RequestState::Gone, |record| &record.state)
    }

    /// What the ledger knows about a request; `None` if it was never requested.
    pub fn record(&self, request: &ExportRequest) -> Option<&RequestHistory> {
        self.records.get(request)
    }

    /// The export with this id, if it is the latest export of its request.
    pub fn export(&self, export_id: &str) -> Option<&ExportEntry> {
        match self.state(self.ids.get(export_id)?) {
            RequestState::Named(export) if export.id == export_id => Some(export),
            _ => None,
        }
    }

    /// The request whose latest export has this id.
    pub(crate) fn request_of(&self, export_id: &str) -> Option<&ExportRequest> {
        self.ids.get(export_id)
    }

    /// Whether an export with this id has ended.
    pub(crate) fn is_ended(&self, export_id: &str) -> bool {
        self.ended.contains(export_id)
    }

    /// All requests.
    pub fn records(&self) -> impl Iterator<Item = (&ExportRequest, &RequestHistory)> {
        self.records.iter()
    }

    /// Requests that are complete or in progress.
    pub fn known(&self) -> impl Iterator<Item = (&ExportRequest, &RequestHistory)> {
        self.records()
            .filter(|(_, record)| record.had || !matches!(record.state, RequestState::Gone))
    }

    /// The times when pages were requested, because these requests count towards the rate.
    pub(crate) fn page_requests(&self) -> &[Timestamp] {
        &self.page_requests
    }

    /// Lists of output lines: the ledger shows that the rename or upload began, but not how it
    /// ended.
    pub(crate) fn deliveries(&self) -> &[ListDelivery] {
        &self.deliveries
    }

    /// Treats ZIPs that `is_there` does not find as never downloaded, unless the user pruned them.
    pub(crate) fn forget_missing(
        &mut self,
        is_there: impl Fn(&PageEntry) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        for record in self.records.values_mut() {
            let RequestState::Named(export) = &mut record.state else {
                continue;
            };
            for (number, page) in std::mem::take(&mut export.pages) {
                if is_there(&page)? {
                    export.pages.insert(number, page);
                }
            }
            if !export.has_all_pages() {
                export.fetched_at = None;
                record.had &= !record.pruned.is_empty();
            }
        }
        Ok(())
    }
}

impl PageEntry {
    /// The path of the file; `root` is the directory of downloads.
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join(&self.file)
    }

    /// Whether the file exists and has the recorded size. The content of the file is not read.
    pub fn is_on_disk(&self, root: &Path) -> bool {
        std::fs::metadata(self.path(root))
            .is_ok_and(|file| file.is_file() && file.len() == self.bytes)
    }
}

/// Gets the facts about an object from its bucket; `None` if there is no such object.
pub(crate) type HeadObject<'h> = &'h dyn Fn(&BucketUrl) -> anyhow::Result<Option<ObjectFacts>>;

/// Whether a list is complete: a file got its name, or an object has the content of the list. An
/// object that was replaced or deleted after the upload counts as incomplete, so the next run
/// writes the lines of the list again.
pub(crate) fn is_delivered(delivery: &ListDelivery, head: HeadObject<'_>) -> anyhow::Result<bool> {
    match delivery.as_object() {
        Some((url, sha256)) => Ok(head(&url)?.is_some_and(|found| found.has_sum(sha256))),
        None => has_its_name(delivery),
    }
}

/// Whether a list on the disk got its name: its directory exists, and the temporary file is no
/// longer in it. The list itself has possibly been moved since. If the directory does not exist,
/// the list counts as lost.
pub(super) fn has_its_name(delivery: &ListDelivery) -> anyhow::Result<bool> {
    match std::fs::symlink_metadata(&delivery.temp) {
        Ok(_) => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Ok(delivery.temp.parent().is_some_and(Path::is_dir))
        }
        Err(e) => Err(e).with_context(|| delivery.temp.display().to_string()),
    }
}
