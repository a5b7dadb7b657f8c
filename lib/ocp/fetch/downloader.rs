//! Gets the pages of READY exports onto the disk, verified, and only then lets
//! their lines out.
//!
//! A page counts when it is a whole ZIP with every checksum right and no member
//! of another page in it; an export counts when the members of its pages add up
//! to what the service said. Bodies go to the disk as they come, hashed on the
//! way, so that memory does not depend on their size.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::Sender;

use anyhow::Context;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::exporter::Event;
use super::progress::Progress;
use super::{Counts, Fetchable, Shop, Wants, layout, reader_left};
use crate::archive::{self, Archive, Limits};
use crate::attempts::{Attempt, Trouble};
use crate::error::{self, Status};
use crate::ndjson::Object;
use crate::ocp::exports::Download;
use crate::ocp::ledger::Page;
use crate::output::Output;
use crate::store;

/// The members of the pages of one export, to notice a page that comes twice.
type Members = BTreeSet<(String, u32)>;

pub(super) struct Downloader<'a, 'o> {
    shop: &'a Shop<'a>,
    output: &'o mut Output,
    progress: &'a Progress,
    pub(super) counts: Counts,
    /// Exports whose lines are in a file that has no name yet.
    unmarked: Vec<String>,
}

/// How the download of one page ended.
enum Got {
    Page(Page),
    /// The export is gone, or not ready after all.
    Setback,
}

impl<'a, 'o> Downloader<'a, 'o> {
    pub(super) fn new(shop: &'a Shop<'a>, output: &'o mut Output, progress: &'a Progress) -> Self {
        Downloader {
            shop,
            output,
            progress,
            counts: Counts::default(),
            unmarked: Vec::new(),
        }
    }

    /// Writes a line and passes it on.
    pub(super) fn emit(&mut self, object: &Object) -> anyhow::Result<()> {
        self.output
            .write_record(object)
            .and_then(|()| self.output.flush())
            .map_err(reader_left)
    }

    /// Downloads what is left of an export and emits its lines. Gives the export
    /// back if it cannot be had after all.
    pub(super) fn fetch(
        &mut self,
        mut fetchable: Fetchable,
        events: &Sender<Event>,
    ) -> anyhow::Result<Option<Fetchable>> {
        let wanted: Vec<u64> = match &fetchable.job.wants {
            Wants::All(_) => (1..=fetchable.ready.pages()).collect(),
            Wants::Pages(_, pages) => pages.iter().map(|(number, _)| *number).collect(),
        };
        let mut pages = BTreeMap::new();
        let mut members = Members::new();
        for page in std::mem::take(&mut fetchable.kept) {
            if is_on_disk(self.shop, &page) && self.add_members(&page, &mut members)? {
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
                    Got::Setback => return Ok(Some(fetchable)),
                    Got::Page(page) => {
                        self.counts.pages += 1;
                        self.counts.bytes += page.bytes;
                        self.progress.page(page.bytes);
                        pages.insert(*number, page);
                        let _ = events.send(Event::PageDone);
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
        if pages.len() as u64 == fetchable.ready.pages() {
            if self.output.is_held() {
                self.unmarked.push(fetchable.export_id.clone());
            } else {
                self.shop.ledger().fetched(&fetchable.export_id)?;
            }
            self.counts.exports += 1;
            self.counts.empty += u64::from(pages.is_empty());
            if pages.is_empty() {
                log::info!("{}: no files", fetchable.job.order);
            }
        }
        self.progress.order_done();
        Ok(None)
    }

    /// Gives a file with lines its name, and only then tells the ledger that
    /// they have left.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.output.finish()?;
        for export_id in self.unmarked.drain(..) {
            self.shop.ledger().fetched(&export_id)?;
        }
        Ok(())
    }

    fn page(
        &self,
        fetchable: &Fetchable,
        number: u64,
        members: &mut Members,
    ) -> anyhow::Result<Got> {
        let (order, id) = (&fetchable.job.order, &fetchable.export_id);
        let size = fetchable.ready.page_size;
        let file = layout::file(order, id, number);
        let path = self.shop.options.out_dir.join(&file);
        store::create_directory(&self.shop.options.out_dir.join(layout::directory(order)))?;
        let what = format!("page {number} of export {id}");
        self.shop.api.attempts().run(&what, || {
            let mut body = Body::new(store::temp_beside(&path)?);
            let before = || self.shop.ledger().requesting(id, number);
            let got = self
                .shop
                .api
                .download(&order.group, id, (number, size), &mut body, before)
                .map_err(|e| match e.is::<io::Error>() {
                    true => e.context(format!("writing {}", path.display())),
                    false => e,
                })?;
            let (bytes, media_type) = match got {
                Attempt::Done(Download::Body { bytes, media_type }) => (bytes, media_type),
                Attempt::Done(_) => return Ok(Attempt::Done(Got::Setback)),
                Attempt::Again(trouble) => return Ok(Attempt::Again(trouble)),
            };
            let new = match verify(body.temp.as_file(), members) {
                Ok(new) => new,
                Err(e) if Status::of(&e) == Status::BadInput => {
                    let kind = media_type.as_deref().unwrap_or("of no media type");
                    return Ok(Attempt::Again(Trouble {
                        why: format!("the reply ({kind}) is not the ZIP that it should be: {e:#}"),
                        asked: None,
                        status: Status::BadInput,
                    }));
                }
                Err(e) => return Err(e),
            };
            let page = Page {
                page_number: number,
                file: file.clone(),
                bytes,
                sha256: body.hex(),
                members: new.len() as u64,
            };
            store::commit(body.temp, &path)?;
            self.shop.ledger().page(id, &page)?;
            members.extend(new);
            Ok(Attempt::Done(Got::Page(page)))
        })
    }

    /// Notes the members of a kept page; false if the file is no longer what it was.
    fn add_members(&self, page: &Page, members: &mut Members) -> anyhow::Result<bool> {
        let path = self.shop.options.out_dir.join(&page.file);
        let file = File::open(&path).with_context(|| path.display().to_string())?;
        match verify_names(file) {
            Ok(names) => {
                members.extend(names);
                Ok(true)
            }
            Err(archive::Error::Io(e)) => Err(e).with_context(|| path.display().to_string()),
            Err(archive::Error::Bad(why)) => {
                log::warn!("{}: {why}; getting it anew", path.display());
                Ok(false)
            }
        }
    }

    /// Forgets the pages that hold another number of files than they should.
    fn drop_odd_pages(
        &self,
        fetchable: &Fetchable,
        pages: &mut BTreeMap<u64, Page>,
    ) -> anyhow::Result<()> {
        let (odd, good) = std::mem::take(pages)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(number, page)| {
                page.members != expected(fetchable, *number)
            });
        *pages = good;
        for (number, page) in odd {
            self.shop.ledger().dropped(&fetchable.export_id, number)?;
            layout::remove(&self.shop.options.out_dir.join(page.file))?;
        }
        Ok(())
    }

    fn emit_pages(
        &mut self,
        fetchable: &Fetchable,
        pages: &BTreeMap<u64, Page>,
    ) -> anyhow::Result<()> {
        let ready = &fetchable.ready;
        for (number, page) in pages {
            let mut object = match &fetchable.job.wants {
                Wants::All(object) => object.clone(),
                Wants::Pages(_, wanted) => match wanted.iter().find(|(n, _)| n == number) {
                    Some((_, object)) => object.clone(),
                    None => continue,
                },
            };
            object.set("export_id", &fetchable.export_id)?;
            object.set("status", "READY")?;
            object.set("num_of_files", &ready.num_of_files)?;
            object.set("size_of_export", &ready.size_of_export)?;
            object.set("ready_at", &ready.at)?;
            object.set("page_number", number)?;
            object.set("page_size", &ready.page_size)?;
            object.set("pages", &ready.pages())?;
            object.set("path", &self.shop.options.out_dir.join(&page.file))?;
            object.set("bytes", &page.bytes)?;
            object.set("sha256", &page.sha256)?;
            object.set("members", &page.members)?;
            self.counts.members += page.members;
            self.output.write_record(&object).map_err(reader_left)?;
        }
        self.output.flush().map_err(reader_left)
    }
}

/// Whether a page is still as it was put there, by its size: a checksum of
/// everything on every run would cost more than it finds.
pub(super) fn is_on_disk(shop: &Shop<'_>, page: &Page) -> bool {
    let path = shop.options.out_dir.join(&page.file);
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == page.bytes)
}

/// The number of files that a page should hold; the last one holds the rest.
fn expected(fetchable: &Fetchable, number: u64) -> u64 {
    let ready = &fetchable.ready;
    let before = (number - 1).saturating_mul(ready.page_size);
    ready
        .num_of_files
        .saturating_sub(before)
        .min(ready.page_size)
}

/// All pages together hold what the service said; of some pages, each holds
/// what it should.
fn check_sum(fetchable: &Fetchable, pages: &BTreeMap<u64, Page>) -> anyhow::Result<()> {
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
        .find(|page| page.members != expected(fetchable, page.page_number))
    {
        None => Ok(()),
        Some(page) => Err(error::bad_input(format!(
            "page {} of export {} holds {} files instead of {}",
            page.page_number,
            fetchable.export_id,
            page.members,
            expected(fetchable, page.page_number)
        ))),
    }
}

/// Proves a ZIP and returns its members, none of which may be in `known`.
fn verify(file: &File, known: &Members) -> anyhow::Result<Vec<(String, u32)>> {
    let mut members = Vec::new();
    archive::verify(file, &Limits::default(), |member| {
        members.push((member.name.clone(), member.crc32));
    })?;
    match members.iter().find(|member| known.contains(member)) {
        None => Ok(members),
        Some((name, _)) => Err(error::bad_input(format!(
            "it repeats {name} of an earlier page: does the service read page_number? (page_params in the API profile)"
        ))),
    }
}

/// The members of a ZIP that was proven before.
fn verify_names(file: File) -> Result<Vec<(String, u32)>, archive::Error> {
    let mut archive = Archive::open(file)?;
    let limits = Limits::default();
    let mut members = archive.members(&limits)?;
    let mut names = Vec::new();
    while let Some(member) = members.next_member()? {
        if !member.is_directory() {
            names.push((member.name.clone(), member.crc32));
        }
    }
    Ok(names)
}

/// A download on its way to the disk.
struct Body {
    temp: NamedTempFile,
    hash: Sha256,
}

impl Body {
    fn new(temp: NamedTempFile) -> Body {
        let hash = Sha256::new();
        Body { temp, hash }
    }

    fn hex(&mut self) -> String {
        let hash = self.hash.finalize_reset();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.temp.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temp.flush()
    }
}
