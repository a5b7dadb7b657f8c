//! The paths of ZIPs: `DIR/<group>/<from>_<to>/<export_id>-p0001.zip`. The path is safe, whatever
//! the names of the group and the export are.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::ocp::export_request::ExportRequest;
use crate::ocp::ledger::RequestHistory;
use crate::os::path_segment::safe;

/// The directory of a request, relative to the directory of downloads.
pub(crate) fn directory(request: &ExportRequest) -> String {
    format!(
        "{}/{}_{}",
        safe(&request.group),
        request.window.from().hour_name(),
        request.window.to().hour_name()
    )
}

/// The path of a page's file, relative to the directory of downloads.
pub(crate) fn file(request: &ExportRequest, export_id: &str, page_number: u64) -> String {
    format!(
        "{}/{}-p{page_number:04}.zip",
        directory(request),
        safe(export_id)
    )
}

/// Whether a file in the directory of a request is a page of one of the request's ended exports.
pub(crate) fn is_of_ended(name: &str, record: &RequestHistory) -> bool {
    let is_page = |id: &String| name.starts_with(&format!("{}-p", safe(id)));
    name.ends_with(".zip") && record.ended.iter().any(is_page)
}

/// The names of the files in a directory.
pub(crate) fn names(directory: &Path) -> anyhow::Result<Vec<String>> {
    let place = || format!("tidying {}", directory.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(place)? {
        let name = entry.with_context(place)?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    Ok(names)
}
