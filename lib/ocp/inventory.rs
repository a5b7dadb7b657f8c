//! Compares the ZIPs on disk with the ledger, and finds the ZIPs that can be deleted.

use std::fs::File;
use std::io;
use std::sync::Arc;

use anyhow::Context;

use super::export_request::ExportRequest;
use super::ledger::{ExportEntry, History, PageEntry, RequestState};
use super::zip_store::ZipStore;
use crate::format::zip::{Archive, ArchiveError, ZipLimits};
use crate::os::digest::Hashing;
use crate::time::Timestamp;

/// A ZIP that the ledger names.
#[derive(Debug)]
pub(crate) struct StoredZip<'a> {
    pub(crate) request: &'a ExportRequest,
    pub(crate) export: &'a ExportEntry,
    pub(crate) page: &'a PageEntry,
}

/// All ZIPs that should be on disk, sorted by request and page.
pub(crate) fn stored(history: &History) -> impl Iterator<Item = StoredZip<'_>> {
    exports(history).flat_map(|(request, export)| {
        let zip = move |page| StoredZip {
            request,
            export,
            page,
        };
        export.pages.values().map(zip)
    })
}

/// For each request, its latest export. A request is left out if it has no export, if its latest
/// export has no id yet, or if this export has ended or was pruned.
pub(crate) fn exports(history: &History) -> impl Iterator<Item = (&ExportRequest, &ExportEntry)> {
    history
        .records()
        .filter_map(|(request, record)| match &record.state {
            RequestState::Named(export) => Some((request, export)),
            _ => None,
        })
}

/// The numbers of the pages that are not in the ledger; no numbers if the export is not READY.
pub(crate) fn missing_pages(export: &ExportEntry) -> Vec<u64> {
    let pages = export.ready.map_or(0, |ready| ready.pages());
    let is_missing = |number: &u64| !export.pages.contains_key(number);
    (1..=pages).filter(is_missing).collect()
}

/// Exports that were fetched before `limit` and whose ZIPs are still on disk.
pub(crate) fn read_before(
    history: &History,
    limit: Timestamp,
) -> Vec<(&ExportRequest, &ExportEntry)> {
    exports(history)
        .filter(|(_, export)| export.fetched_at.is_some_and(|at| at < limit))
        .filter(|(_, export)| !export.pages.is_empty())
        .collect()
}

/// The files of pruned ZIPs. If the run that pruned them was killed, some of these files possibly
/// still exist.
pub(crate) fn pruned(history: &History) -> Vec<String> {
    let pages = history.records().flat_map(|(_, record)| &record.pruned);
    pages.map(|page| page.file.clone()).collect()
}

impl StoredZip<'_> {
    /// Reads the file in `zips`. Returns what is wrong with the file, or `None` if size, checksum
    /// and number of members match the ledger.
    pub(crate) fn problem(&self, zips: &ZipStore) -> anyhow::Result<Option<String>> {
        let place = || zips.place(&self.page.file).display().to_string();
        let Some(mut file) = zips.open_if_there(self.page)? else {
            return Ok(Some("the file is missing".to_owned()));
        };
        let size = file.metadata().with_context(place)?.len();
        if size != self.page.bytes {
            let bytes = self.page.bytes;
            return Ok(Some(format!(
                "the file has {size} bytes instead of {bytes}"
            )));
        }
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut file, &mut hashing).with_context(place)?;
        if hashing.finish().1 != self.page.sha256 {
            return Ok(Some("the file was changed: its SHA-256 differs".to_owned()));
        }
        match members(file) {
            Ok(members) if members == self.page.members => Ok(None),
            Ok(members) => Ok(Some(format!(
                "the ZIP has {members} members instead of {}",
                self.page.members
            ))),
            Err(ArchiveError::Bad(text)) => Ok(Some(text)),
            Err(ArchiveError::Io(e)) => Err(e).with_context(place),
        }
    }
}

fn members(file: File) -> Result<u64, ArchiveError> {
    let mut archive = Archive::open(Arc::new(file))?;
    let limits = ZipLimits::none();
    let mut members = archive.members(&limits)?;
    let mut count = 0;
    while let Some(member) = members.next_member()? {
        count += u64::from(!member.is_directory());
    }
    Ok(count)
}
