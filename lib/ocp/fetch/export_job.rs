//! A request in progress, and the lines to write for it.

use crate::json::object::Object;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::ledger::{PageEntry, Ready};

#[derive(Clone, Debug)]
pub(super) struct ExportJob {
    pub(super) request: ExportRequest,
    pub(super) wants: OwedLines,
    /// Whether the input line is from `ocp-receive gaps`. The request of such a line is allowed to
    /// share records with other requests. The export of this request must have been created at the
    /// line's `not_before` or later. An output line is written even if the export has no page.
    pub(super) is_compared: bool,
    /// The export id in the input line.
    pub(super) export_id: Option<String>,
    /// Whether the id of the running export is from the input line.
    pub(super) is_id_given: bool,
    /// How often the service refused the pages of the READY export.
    pub(super) setbacks: u32,
    /// How often the export was lost and requested again.
    pub(super) renewals: u32,
    /// How often the reply to a create was lost.
    pub(super) lost: u32,
}

/// The lines to write for an export.
#[derive(Clone, Debug)]
pub(super) enum OwedLines {
    /// All pages of the export. Each page gives one output line, made from this input line.
    All(Object),
    /// Single pages: the page size, and the number and input line of each page. Each input line
    /// gives one output line.
    Pages(u64, Vec<(u64, Object)>),
}

impl OwedLines {
    /// The numbers of the wanted pages, if the export has `pages` pages.
    pub(super) fn numbers(&self, pages: u64) -> Vec<u64> {
        match self {
            OwedLines::All(_) => (1..=pages).collect(),
            OwedLines::Pages(_, wanted) => wanted.iter().map(|(number, _)| *number).collect(),
        }
    }

    /// The lines from the input.
    pub(super) fn lines(&self) -> Vec<Object> {
        match self {
            OwedLines::All(object) => vec![object.clone()],
            OwedLines::Pages(_, wanted) => {
                wanted.iter().map(|(_, object)| object.clone()).collect()
            }
        }
    }

    /// The input line for a page; `None` if the page is not wanted.
    pub(super) fn line_of(&self, number: u64) -> Option<Object> {
        match self {
            OwedLines::All(object) => Some(object.clone()),
            OwedLines::Pages(_, wanted) => {
                let mut wanted = wanted.iter();
                let (_, object) = wanted.find(|(known, _)| *known == number)?;
                Some(object.clone())
            }
        }
    }
}

/// Adds the id and the state of the export to a line.
pub(super) fn set_named(
    line: &mut Object,
    export_id: &str,
    status: &str,
) -> serde_json::Result<()> {
    line.set("export_id", export_id)?;
    line.set("status", status)
}

/// Adds the facts about a READY export to a line.
pub(super) fn set_ready(
    line: &mut Object,
    export_id: &str,
    ready: &Ready,
) -> serde_json::Result<()> {
    set_named(line, export_id, "READY")?;
    line.set("num_of_files", &ready.num_of_files)?;
    line.set("size_of_export", &ready.size_of_export)?;
    line.set("ready_at", &ready.at)
}

/// An export whose pages can be downloaded.
#[derive(Debug)]
pub(super) struct Fetchable {
    pub(super) job: ExportJob,
    pub(super) export_id: String,
    pub(super) ready: Ready,
    /// The pages that are on disk according to the ledger.
    pub(super) kept: Vec<PageEntry>,
}
