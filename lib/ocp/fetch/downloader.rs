//! Gets the pages of READY exports onto the disk, verified, and only then lets
//! their lines out.
//!
//! A page counts when it is a whole ZIP with every checksum right and no member
//! of another page in it; an export counts when the members of its pages add up
//! to what the service said. Bodies go to the disk as they come, hashed on the
//! way, so that memory does not depend on their size.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::Sender;

use anyhow::Context;
use tempfile::NamedTempFile;

use super::exporter::ExporterEvent;
use super::progress::FetchProgress;
use super::{Site, layout};
use crate::cli::run::Report;
use crate::error::{self, Status};
use crate::export::commit::Commit;
use crate::export::window::Window;
use crate::format::zip::{self, Archive, ZipLimits};
use crate::json::lines::Object;
use crate::net::retry::{Attempt, Failed};
use crate::ocp::export_request::ExportRequest;
use crate::ocp::exports::Download;
use crate::ocp::fetch::export_job::{Fetchable, set_ready};
use crate::ocp::ledger::{PageEntry, Ready};
use crate::os::digest::Hashing;
use crate::os::files;

/// The members of the pages of one export, to notice a page that comes twice.
type SeenMembers = BTreeSet<(String, u32)>;

/// Counts for the report.
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
    output: Commit<'o>,
    progress: &'a FetchProgress,
    pub(super) counts: DownloadCounts,
    /// The worst that has happened to a single order.
    pub(super) worst: Status,
    /// Exports whose lines may not have been read yet, and where those end.
    unmarked: VecDeque<(u64, ExportRequest, String)>,
}

/// How the download of one page ended.
enum DownloadOutcome {
    Page(PageEntry),
    /// The pages of the export are not to be had.
    Setback,
}

impl<'a, 'o> Downloader<'a, 'o> {
    pub(super) fn new(site: &'a Site<'a>, output: Commit<'o>, progress: &'a FetchProgress) -> Self {
        Downloader {
            site,
            output,
            progress,
            counts: DownloadCounts::default(),
            worst: Status::Done,
            unmarked: VecDeque::new(),
        }
    }

    /// Writes a line and passes it on.
    pub(super) fn emit(&mut self, line: &Object) -> anyhow::Result<()> {
        self.output.write_record(line)?;
        self.output.flush()
    }

    /// An order that came to nothing.
    pub(super) fn problem(&mut self, e: &anyhow::Error) {
        log::error!("{e:#}");
        self.counts.problems += 1;
        self.worst = self.worst.worse(Status::of(e));
        self.progress.order_done();
    }

    /// Downloads what is left of an export and emits its lines. Gives the export
    /// back if it cannot be had after all.
    pub(super) fn fetch(
        &mut self,
        mut fetchable: Fetchable,
        events: &Sender<ExporterEvent>,
    ) -> anyhow::Result<Option<Fetchable>> {
        let wanted = fetchable.job.wants.numbers(fetchable.ready.pages());
        let mut pages = BTreeMap::new();
        let mut members = SeenMembers::new();
        for page in std::mem::take(&mut fetchable.kept) {
            if self.site.is_on_disk(&page) && self.add_members(&page, &mut members)? {
                pages.insert(page.page_number, page);
            }
        }
        self.counts.kept_pages += pages.len() as u64;
        // A page that holds another number of files than it should is asked for
        // once more; after that the sum decides.
        for is_last_round in [false, true] {
            for number in &wanted {
                if pages.contains_key(number) {
                    continue;
                }
                match self.page(&fetchable, *number, &mut members)? {
                    DownloadOutcome::Setback => return Ok(Some(fetchable)),
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
                "{}: {e}; getting those pages once more",
                fetchable.job.order
            );
            self.drop_odd_pages(&fetchable, &mut pages)?;
            members.clear();
            for page in pages.values() {
                self.add_members(page, &mut members)?;
            }
        }
        self.emit_pages(&fetchable, &pages)?;
        let order = &fetchable.job.order;
        if pages.len() as u64 == fetchable.ready.pages() {
            let (end, id) = (self.output.bytes(), fetchable.export_id.clone());
            self.unmarked.push_back((end, order.clone(), id));
            self.counts.exports += 1;
            self.counts.empty += u64::from(pages.is_empty());
        }
        let span = self.counts.span.unwrap_or(order.window);
        self.counts.span = Some(span.span(order.window));
        self.progress.order_done();
        self.mark_read().map(|()| None)
    }

    /// Tells the ledger of the exports whose lines have been read by now.
    pub(super) fn mark_read(&mut self) -> anyhow::Result<()> {
        while let Some((end, order, id)) = self.unmarked.front() {
            if !self
                .output
                .commit_up_to(*end, || mark(self.site, order, id))?
            {
                break;
            }
            self.unmarked.pop_front();
        }
        Ok(())
    }

    /// Waits until all lines are read, or gives a file with lines its name, and
    /// only then tells the ledger that they have left.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        let (site, mut unmarked) = (self.site, self.unmarked.iter());
        self.output
            .finish(|| unmarked.try_for_each(|(_, order, id)| mark(site, order, id)))
    }

    fn page(
        &self,
        fetchable: &Fetchable,
        number: u64,
        members: &mut SeenMembers,
    ) -> anyhow::Result<DownloadOutcome> {
        let (order, id) = (&fetchable.job.order, &fetchable.export_id);
        let file = layout::file(order, id, number);
        let path = self.site.options.root().join(&file);
        files::create_directory(&self.site.options.root().join(layout::directory(order)))?;
        let what = format!("page {number} of export {id}");
        let mut tries = self.site.api.client().retry().tries(&what);
        loop {
            match self.page_once(fetchable, number, (&file, &path), members)? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Again(failed) => tries.again(failed)?,
            }
        }
    }

    fn page_once(
        &self,
        fetchable: &Fetchable,
        number: u64,
        (file, path): (&str, &Path),
        members: &mut SeenMembers,
    ) -> anyhow::Result<Attempt<DownloadOutcome>> {
        let (order, id) = (&fetchable.job.order, &fetchable.export_id);
        let size = fetchable.ready.page_size;
        let mut body = Hashing::new(files::temp_beside(path)?);
        self.site.api.wait_for_page()?;
        self.site.ledger().requesting(id, number)?;
        let got = self
            .site
            .api
            .download(&order.group, id, (number, size), &mut body, u64::MAX)
            .map_err(|e| match e.is::<io::Error>() {
                true => e.context(format!("writing {}", path.display())),
                false => e,
            })?;
        let (bytes, media_type) = match got {
            Attempt::Done(Download::Body { bytes, media_type }) => (bytes, media_type),
            Attempt::Done(_) => return Ok(Attempt::Done(DownloadOutcome::Setback)),
            Attempt::Again(failed) => return Ok(Attempt::Again(failed)),
        };
        let new = match verify(body.get_ref().as_file(), members) {
            Ok(new) => new,
            Err(e) if Status::of(&e) == Status::BadInput => {
                let kind = media_type.as_deref().unwrap_or("of no media type");
                let why = format!("the reply ({kind}) is not the ZIP that it should be: {e:#}");
                return Ok(Attempt::Again(Failed::content(why, Status::BadInput)));
            }
            Err(e) => return Err(e),
        };
        let (temp, sha256): (NamedTempFile, String) = body.finish();
        let page = PageEntry {
            page_number: number,
            file: file.to_owned(),
            bytes,
            sha256,
            members: new.len() as u64,
        };
        files::commit(temp, path)?;
        self.site.ledger().page(id, &page)?;
        members.extend(new);
        Ok(Attempt::Done(DownloadOutcome::Page(page)))
    }

    /// Notes the members of a kept page; false if the file is no longer what it
    /// was. The line about it says its checksum, so that is looked at, too.
    fn add_members(&self, page: &PageEntry, members: &mut SeenMembers) -> anyhow::Result<bool> {
        let path = self.site.options.root().join(&page.file);
        let place = || path.display().to_string();
        let mut file = File::open(&path).with_context(place)?;
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut file, &mut hashing).with_context(place)?;
        if hashing.finish().1 != page.sha256 {
            log::warn!("{}: it was changed since; getting it anew", path.display());
            return Ok(false);
        }
        members.extend(
            names_in(file)
                .map_err(anyhow::Error::from)
                .with_context(place)?,
        );
        Ok(true)
    }

    /// Forgets the pages that hold another number of files than they should.
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
            layout::remove(&self.site.options.root().join(page.file))?;
        }
        Ok(())
    }

    fn emit_pages(
        &mut self,
        fetchable: &Fetchable,
        pages: &BTreeMap<u64, PageEntry>,
    ) -> anyhow::Result<()> {
        let ready = &fetchable.ready;
        for (number, page) in pages {
            let Some(mut line) = fetchable.job.wants.line_of(*number) else {
                continue;
            };
            set_ready(&mut line, &fetchable.export_id, ready)?;
            line.set("page_number", number)?;
            line.set("page_size", &ready.page_size)?;
            line.set("pages", &ready.pages())?;
            line.set("path", &self.site.options.root().join(&page.file))?;
            line.set("bytes", &page.bytes)?;
            line.set("sha256", &page.sha256)?;
            line.set("members", &page.members)?;
            self.counts.members += page.members;
            self.output.write_record(&line)?;
        }
        self.output.flush()
    }
}

/// Tells the ledger that the lines of an export have left, and lets go of the
/// pages of its predecessors.
fn mark(site: &Site<'_>, order: &ExportRequest, export_id: &str) -> anyhow::Result<()> {
    let mut ledger = site.ledger();
    ledger.fetched(export_id)?;
    match ledger.history().record(order) {
        Some(record) => layout::remove_ended(site.options.root(), order, record),
        None => Ok(()),
    }
}

/// The number of files that a page should hold; the last one holds the rest.
fn expected(ready: &Ready, number: u64) -> u64 {
    let before = (number - 1).saturating_mul(ready.page_size);
    ready
        .num_of_files
        .saturating_sub(before)
        .min(ready.page_size)
}

/// All pages together hold what the service said; of some pages, each holds
/// what it should.
fn check_sum(fetchable: &Fetchable, pages: &BTreeMap<u64, PageEntry>) -> anyhow::Result<()> {
    let files = fetchable.ready.num_of_files;
    let sum: u64 = pages.values().map(|page| page.members).sum();
    if pages.len() as u64 == fetchable.ready.pages() {
        if sum == files {
            return Ok(());
        }
        return Err(error::bad_input(format!(
            "export {} holds {files} files, its pages {sum}",
            fetchable.export_id
        )));
    }
    match pages
        .values()
        .find(|page| page.members != expected(&fetchable.ready, page.page_number))
    {
        None => Ok(()),
        Some(page) => Err(error::bad_input(format!(
            "page {} of export {} holds {} files instead of {}",
            page.page_number,
            fetchable.export_id,
            page.members,
            expected(&fetchable.ready, page.page_number)
        ))),
    }
}

/// Proves a ZIP and returns its members, none of which may be in `known`.
fn verify(file: &File, known: &SeenMembers) -> anyhow::Result<Vec<(String, u32)>> {
    let mut members = Vec::new();
    let mut repeated = None;
    zip::verify(file, &ZipLimits::none(), |member| {
        let member = (member.name.clone(), member.crc32, member.size);
        // Two empty files are no sign of anything.
        if member.2 > 0 && known.contains(&(member.0.clone(), member.1)) {
            repeated.get_or_insert(member.0.clone());
        }
        members.push((member.0, member.1));
    })?;
    match repeated {
        None => Ok(members),
        Some(name) => Err(error::bad_input(format!(
            "it repeats {name} of an earlier page: does the service read page_number? (page_params in the API profile)"
        ))),
    }
}

/// The members of a ZIP that was proven before.
fn names_in(file: File) -> Result<Vec<(String, u32)>, zip::ArchiveError> {
    let mut archive = Archive::open(file)?;
    let limits = ZipLimits::none();
    let mut members = archive.members(&limits)?;
    let mut names = Vec::new();
    while let Some(member) = members.next_member()? {
        if !member.is_directory() {
            names.push((member.name.clone(), member.crc32));
        }
    }
    Ok(names)
}
