//! The paths of ZIPs: `DIR/<group>/<from>_<to>/<export_id>-p0001.zip`. The names are safe for any
//! name of a group or export.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::ocp::export_request::ExportRequest;
use crate::ocp::ledger::{History, RequestHistory, RequestState};
use crate::os::files;
use crate::os::path_segment::safe;

/// The directory of a request, relative to the directory of downloads.
pub(super) fn directory(request: &ExportRequest) -> String {
    format!(
        "{}/{}_{}",
        safe(&request.group),
        request.window.from().hour_name(),
        request.window.to().hour_name()
    )
}

/// The file of a page, relative to the directory of downloads.
pub(super) fn file(request: &ExportRequest, export_id: &str, page_number: u64) -> String {
    format!(
        "{}/{}-p{page_number:04}.zip",
        directory(request),
        safe(export_id)
    )
}

/// Deletes what earlier runs left: incomplete files, and the pages of exports that have a
/// complete newer export.
pub(super) fn tidy(out_dir: &Path, history: &History) -> anyhow::Result<()> {
    for (request, record) in history.records() {
        let directory = out_dir.join(directory(request));
        if !directory.is_dir() {
            continue;
        }
        files::remove_leftovers(&directory)
            .with_context(|| format!("tidying {}", directory.display()))?;
        if matches!(&record.state, RequestState::Named(export) if export.fetched_at.is_some()) {
            remove_ended(out_dir, request, record)?;
        }
    }
    Ok(())
}

/// Deletes the pages of a request's ended exports. Call it only when a newer export is complete:
/// until then they are the only copy of the data.
pub(super) fn remove_ended(
    out_dir: &Path,
    request: &ExportRequest,
    record: &RequestHistory,
) -> anyhow::Result<()> {
    if record.ended.is_empty() {
        return Ok(());
    }
    let directory = out_dir.join(directory(request));
    let place = || format!("tidying {}", directory.display());
    let prefixes: Vec<String> = record
        .ended
        .iter()
        .map(|id| format!("{}-p", safe(id)))
        .collect();
    for entry in fs::read_dir(&directory).with_context(place)? {
        let entry = entry.with_context(place)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".zip") && prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}
