//! Downloads one page: a complete ZIP with correct checksums that has no members that another page
//! contains.
//!
//! The body is hashed while it is written to the disk, so memory does not depend on the size of the
//! body. A page must not be larger than the whole export can be.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::export_job::Fetchable;
use super::site::Site;
use crate::error::{self, Failure, Status};
use crate::format::zip::{self, Archive, Member, ZipLimits};
use crate::net::retry::{Attempt, Failed};
use crate::ocp::exports::{Download, Withheld};
use crate::ocp::ledger::{PageEntry, Ready};
use crate::ocp::zip_layout;
use crate::os::digest::{Hashing, sha256_half};
use crate::os::files;

/// The result of the download of one page.
pub(super) enum DownloadOutcome {
    /// The page is on disk and in the ledger.
    Page(PageEntry),
    /// The service refuses the pages of this export.
    NotDownloadable(Withheld),
}

/// Downloads the pages of one export.
pub(super) struct PageFetcher<'a> {
    site: &'a Site<'a>,
    /// The hashes of all members so far, to detect a page that the service sends twice.
    members: BTreeSet<MemberHash>,
}

/// The hash of a member's name and checksum. The names themselves would need too much memory for
/// ZIPs with many small members.
type MemberHash = [u8; 16];

fn hash(member: &Member) -> MemberHash {
    let mut bytes = member.crc32.to_le_bytes().to_vec();
    bytes.extend(member.name.as_bytes());
    sha256_half(&bytes)
}

impl<'a> PageFetcher<'a> {
    pub(super) fn new(site: &'a Site<'a>) -> PageFetcher<'a> {
        PageFetcher {
            site,
            members: BTreeSet::new(),
        }
    }

    /// Downloads a page and retries after temporary failures.
    pub(super) fn fetch(
        &mut self,
        fetchable: &Fetchable,
        number: u64,
    ) -> anyhow::Result<DownloadOutcome> {
        let (request, id) = (&fetchable.job.request, &fetchable.export_id);
        let file = zip_layout::file(request, id, number);
        let what = format!("page {number} of export {id}");
        let mut tries = self.site.api.client().retry().tries(&what);
        loop {
            match self.fetch_once(fetchable, number, &file)? {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Again(failed) => tries.again(failed)?,
            }
        }
    }

    fn fetch_once(
        &mut self,
        fetchable: &Fetchable,
        number: u64,
        file: &str,
    ) -> anyhow::Result<Attempt<DownloadOutcome>> {
        let (request, id) = (&fetchable.job.request, &fetchable.export_id);
        let ready = &fetchable.ready;
        let zips = &self.site.zips;
        let mut body = Hashing::new(zips.body(file)?);
        let path = zips.disk(file);
        let most = largest_body(ready, &path)?;
        self.site.api.wait_for_page(&request.group)?;
        self.site.ledger().requesting(id, number)?;
        let page = (number, ready.page_size);
        let got = (self.site.api)
            .download(&request.group, id, page, &mut body, most)
            .map_err(|e| match (e.is::<io::Error>(), ready.size_of_export) {
                (true, _) => e.context(format!("writing {}", path.display())),
                (false, None | Some(0)) => e.context(format!("export {id} (of unknown size)")),
                (false, Some(size)) => e.context(format!("export {id} ({size} bytes)")),
            })?;
        let (bytes, media_type) = match got {
            Attempt::Done(Download::Body { bytes, media_type }) => (bytes, media_type),
            Attempt::Done(Download::NotReady(withheld)) => {
                return Ok(Attempt::Done(DownloadOutcome::NotDownloadable(withheld)));
            }
            Attempt::Again(failed) => return Ok(Attempt::Again(failed)),
        };
        let (members, hashes) = match self.verify(body.get_ref().as_file(), ready) {
            Ok(verified) => verified,
            Err(e) if Status::of(&e) == Status::BadInput => {
                let kind = media_type.as_deref().unwrap_or("of no media type");
                let why = format!("the reply ({kind}) is not a valid ZIP: {e:#}");
                return Ok(Attempt::Again(Failed::content(why, Status::BadInput)));
            }
            Err(e) => return Err(e),
        };
        let (temp, sha256) = body.finish();
        let page = PageEntry {
            page_number: number,
            file: file.to_owned(),
            bytes,
            sha256,
            members,
        };
        self.site.ledger().check()?;
        zips.keep(temp, &page)?;
        self.site.ledger().page(id, &page)?;
        self.members.extend(hashes);
        Ok(Attempt::Done(DownloadOutcome::Page(page)))
    }

    /// Verifies a ZIP. Fails if a member that is not empty is also in an earlier page. Returns the
    /// number of members and their hashes: at most as many hashes as the export has files.
    fn verify(&self, file: &File, ready: &Ready) -> anyhow::Result<(u64, Vec<MemberHash>)> {
        let mut hashes = Vec::new();
        let mut repeated = None;
        let summary = zip::verify(file, &ZipLimits::none(), |member| {
            let hash = hash(member);
            // An empty file in two pages does not show that a page is repeated.
            if member.size > 0 && self.members.contains(&hash) {
                repeated.get_or_insert_with(|| member.name.clone());
            }
            if (hashes.len() as u64) < ready.num_of_files {
                hashes.push(hash);
            }
        })?;
        match repeated {
            None => Ok((summary.members, hashes)),
            Some(name) => Err(error::bad_input(format!(
                "it repeats {name} of an earlier page: does the service read page_number? check [data] page_params, [data] page_number in the API profile"
            ))),
        }
    }

    /// Adds the hashes of the members of a stored page. Returns false if the file no longer has the
    /// SHA-256 that the ledger recorded and that the output lines will contain.
    pub(super) fn keep(&mut self, page: &PageEntry) -> anyhow::Result<bool> {
        let path = self.site.zips.place(&page.file);
        let place = || path.display().to_string();
        let mut file = self.site.zips.open(page)?;
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut file, &mut hashing).with_context(place)?;
        if hashing.finish().1 != page.sha256 {
            log::warn!(
                "{}: the file has changed; downloading it again",
                path.display()
            );
            return Ok(false);
        }
        self.add_members(file)
            .map_err(anyhow::Error::from)
            .with_context(place)?;
        Ok(true)
    }

    fn add_members(&mut self, file: File) -> Result<(), zip::ArchiveError> {
        let mut archive = Archive::open(Arc::new(file))?;
        let limits = ZipLimits::none();
        let mut members = archive.members(&limits)?;
        while let Some(member) = members.next_member()? {
            if !member.is_directory() {
                self.members.insert(hash(&member));
            }
        }
        Ok(())
    }
}

/// The largest body of a page, in bytes. If the size of the export is known, the limit is this size
/// plus a margin, because the service can state the size before or after compression. Otherwise the
/// limit is 90 % of the free disk space. Fails with status 74 if the disk has no room for an
/// average page.
fn largest_body(ready: &Ready, path: &Path) -> anyhow::Result<u64> {
    const ROOM: u64 = 64 << 20;
    let free = files::free_space(path).with_context(|| path.display().to_string())?;
    // An older ledger has 0 if the service did not state the size.
    let size = ready.size_of_export.unwrap_or(0);
    let page = size / ready.pages().max(1);
    if free < page {
        let text = format!(
            "{}: a page of this export needs about {page} bytes, and the disk has {free} bytes \
             free: make room and run the same command again",
            path.display()
        );
        return Err(Failure::new(Status::Io, text).into());
    }
    Ok(match size {
        0 => free / 10 * 9,
        size => size.saturating_mul(2).max(size.saturating_add(ROOM)),
    })
}
