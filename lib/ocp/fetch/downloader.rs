//! Downloads the pages of READY exports, verifies the pages, and then writes the output lines for
//! them.
//!
//! A page is accepted if it is a complete ZIP with correct checksums and without members that
//! another page contains. An export is accepted if the number of members equals the number of files
//! that the service stated. Bodies are hashed while they are written to the disk, so memory does
//! not depend on the size of a body.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use super::export_job::{Fetchable, OwedLines, set_ready};
use super::line_sink::LineSink;
use super::message::ExporterEvent;
use super::page::{DownloadOutcome, PageFetcher};
use super::progress::FetchProgress;
use super::site::Site;
use crate::cli::run::Report;
use crate::error::{self, Status};
use crate::export::window::Window;
use crate::json::object::Object;
use crate::ocp::exports::Withheld;
use crate::ocp::ledger::{PageEntry, Ready};

/// The downloader's counts for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DownloadCounts {
    exports: u64,
    empty: u64,
    pages: u64,
    kept_pages: u64,
    bytes: u64,
    members: u64,
    problems: u64,
    span: Option<Window>,
}

impl DownloadCounts {
    pub(super) fn report(&self, report: &mut Report) {
        report.set("exports", self.exports);
        report.set("empty_exports", self.empty);
        report.set("pages", self.pages);
        report.set("kept_pages", self.kept_pages);
        report.set("bytes", self.bytes);
        report.set("members", self.members);
        report.set("problems", self.problems);
        report.set("first_time", self.span.map(|span| span.from().rfc3339()));
        report.set("last_time", self.span.map(|span| span.to().rfc3339()));
    }
}

pub(super) struct Downloader<'a, 'o> {
    site: &'a Site<'a>,
    pub(super) sink: LineSink<'a, 'o>,
    progress: &'a FetchProgress,
    pub(super) counts: DownloadCounts,
    /// The worst status of the requests that failed.
    pub(super) worst: Status,
}

impl<'a, 'o> Downloader<'a, 'o> {
    pub(super) fn new(
        site: &'a Site<'a>,
        sink: LineSink<'a, 'o>,
        progress: &'a FetchProgress,
    ) -> Self {
        Downloader {
            site,
            sink,
            progress,
            counts: DownloadCounts::default(),
            worst: Status::Done,
        }
    }

    /// Writes a line and flushes it.
    pub(super) fn emit(&mut self, line: &Object) -> anyhow::Result<()> {
        self.sink.write(line)?;
        self.sink.flush()
    }

    /// Logs an error, and counts the `count` requests that failed because of it.
    pub(super) fn problem(&mut self, count: u64, e: &anyhow::Error) {
        log::error!("{e:#}");
        self.counts.problems += count;
        self.worst = self.worst.worse(Status::of(e));
        self.progress.request_done();
    }

    /// Downloads the missing pages of an export and writes the output lines of the export. If the
    /// service refuses a page, returns the export with the refusal.
    pub(super) fn fetch(
        &mut self,
        mut fetchable: Fetchable,
        events: &Sender<ExporterEvent>,
    ) -> anyhow::Result<Option<(Fetchable, Withheld)>> {
        let wanted = fetchable.job.wants.numbers(fetchable.ready.pages());
        let mut pages = BTreeMap::new();
        let mut fetcher = PageFetcher::new(self.site);
        for page in std::mem::take(&mut fetchable.kept) {
            if self.site.zips.has(&page)? && fetcher.keep(&page)? {
                pages.insert(page.page_number, page);
            }
        }
        self.counts.kept_pages += pages.len() as u64;
        // If the pages do not have the expected number of files, each page with a wrong number of
        // files is requested once more. If the second request does not help, the export fails.
        for is_last_round in [false, true] {
            for number in &wanted {
                if pages.contains_key(number) {
                    continue;
                }
                match fetcher.fetch(&fetchable, *number)? {
                    DownloadOutcome::NotDownloadable(withheld) => {
                        return Ok(Some((fetchable, withheld)));
                    }
                    DownloadOutcome::Page(page) => {
                        self.counts.pages += 1;
                        self.counts.bytes += page.bytes;
                        self.progress.page(page.bytes);
                        pages.insert(*number, page);
                        let _ = events.send(ExporterEvent::PageDone);
                    }
                }
            }
            let Err(e) = check_sum(&fetchable, &pages) else {
                break;
            };
            if is_last_round {
                self.drop_odd_pages(&fetchable, &mut pages)?;
                return Err(e);
            }
            log::warn!(
                "{}: {e}; downloading those pages again",
                fetchable.job.request
            );
            self.drop_odd_pages(&fetchable, &mut pages)?;
            fetcher = PageFetcher::new(self.site);
            for page in pages.values() {
                fetcher.keep(page)?;
            }
        }
        self.emit_pages(&fetchable, &pages)?;
        let request = &fetchable.job.request;
        if pages.len() as u64 == fetchable.ready.pages() {
            self.sink.complete(request, &fetchable.export_id);
            self.counts.exports += 1;
            self.counts.empty += u64::from(pages.is_empty());
        }
        let span = self.counts.span.unwrap_or(request.window);
        self.counts.span = Some(span.span(request.window));
        self.progress.request_done();
        self.sink.mark_read()?;
        Ok(None)
    }

    /// Deletes pages with a wrong number of files.
    fn drop_odd_pages(
        &self,
        fetchable: &Fetchable,
        pages: &mut BTreeMap<u64, PageEntry>,
    ) -> anyhow::Result<()> {
        let (odd, good) = std::mem::take(pages)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(number, page)| {
                page.members != expected(&fetchable.ready, *number)
            });
        *pages = good;
        for (number, page) in odd {
            self.site.ledger().dropped(&fetchable.export_id, number)?;
            self.site.zips.remove(&page.file)?;
        }
        Ok(())
    }

    fn emit_pages(
        &mut self,
        fetchable: &Fetchable,
        pages: &BTreeMap<u64, PageEntry>,
    ) -> anyhow::Result<()> {
        let ready = &fetchable.ready;
        if let (OwedLines::All(line), true, 0) = (
            &fetchable.job.wants,
            fetchable.job.is_compared,
            ready.pages(),
        ) {
            // A line from `ocp-receive gaps` gets an output line even if its export has no page.
            let mut line = line.clone();
            set_ready(&mut line, &fetchable.export_id, ready)?;
            line.set("pages", &0)?;
            self.sink.write(&line)?;
        }
        for (number, page) in pages {
            let Some(mut line) = fetchable.job.wants.line_of(*number) else {
                continue;
            };
            set_ready(&mut line, &fetchable.export_id, ready)?;
            line.set("page_number", number)?;
            line.set("page_size", &ready.page_size)?;
            line.set("pages", &ready.pages())?;
            line.set("path", &self.site.zips.place(&page.file))?;
            line.set("bytes", &page.bytes)?;
            line.set("sha256", &page.sha256)?;
            line.set("members", &page.members)?;
            self.counts.members += page.members;
            self.sink.write(&line)?;
        }
        self.sink.flush()
    }
}

/// The expected number of files of page `number`; the last page has the files that are left.
fn expected(ready: &Ready, number: u64) -> u64 {
    let before = (number - 1).saturating_mul(ready.page_size);
    ready
        .num_of_files
        .saturating_sub(before)
        .min(ready.page_size)
}

/// Checks the number of files: of the whole export if all pages are there, otherwise of each
/// page.
fn check_sum(fetchable: &Fetchable, pages: &BTreeMap<u64, PageEntry>) -> anyhow::Result<()> {
    let files = fetchable.ready.num_of_files;
    let sum: u64 = pages.values().map(|page| page.members).sum();
    if pages.len() as u64 == fetchable.ready.pages() {
        if sum == files {
            return Ok(());
        }
        return Err(error::bad_input(format!(
            "export {} has {files} files, but its pages have {sum}",
            fetchable.export_id
        )));
    }
    match pages
        .values()
        .find(|page| page.members != expected(&fetchable.ready, page.page_number))
    {
        None => Ok(()),
        Some(page) => Err(error::bad_input(format!(
            "page {} of export {} has {} files instead of {}",
            page.page_number,
            fetchable.export_id,
            page.members,
            expected(&fetchable.ready, page.page_number)
        ))),
    }
}
