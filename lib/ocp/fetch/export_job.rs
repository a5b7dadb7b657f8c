//! A request under way, with the lines that it owes.

use crate::json::object::Object;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::ledger::{PageEntry, Ready};

/// A request under way.
#[derive(Clone, Debug)]
pub(super) struct ExportJob {
    pub(super) request: ExportRequest,
    pub(super) wants: OwedLines,
    /// Whether it is compared with what is there, as a line of `ocp-receive gaps` is: it
    /// may share records with others, no export of before `not_before` does, and there is
    /// a line about it although it has no page.
    pub(super) is_compared: bool,
    /// As the line named it.
    pub(super) export_id: Option<String>,
    /// Whether the export under way has the id that the line named.
    pub(super) is_id_given: bool,
    /// How often its export was READY, but its pages were not given out.
    pub(super) setbacks: u32,
    /// How often its export was gone and was asked for again.
    pub(super) renewals: u32,
    /// How often the reply to its create was lost.
    pub(super) lost: u32,
}

/// Which lines are owed for an export.
#[derive(Clone, Debug)]
pub(super) enum OwedLines {
    /// One for each page, made from this one.
    All(Object),
    /// These, each with its page number; all were planned with one page size.
    Pages(u64, Vec<(u64, Object)>),
}

impl OwedLines {
    /// The pages that are wanted of so many.
    pub(super) fn numbers(&self, pages: u64) -> Vec<u64> {
        match self {
            OwedLines::All(_) => (1..=pages).collect(),
            OwedLines::Pages(_, wanted) => wanted.iter().map(|(number, _)| *number).collect(),
        }
    }

    /// The lines as they came in.
    pub(super) fn lines(&self) -> Vec<Object> {
        match self {
            OwedLines::All(object) => vec![object.clone()],
            OwedLines::Pages(_, wanted) => {
                wanted.iter().map(|(_, object)| object.clone()).collect()
            }
        }
    }

    /// The line that a page's line is made from; `None` if it is not wanted.
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

/// Enriches a line with what the service calls its export, and its state.
pub(super) fn set_named(
    line: &mut Object,
    export_id: &str,
    status: &str,
) -> serde_json::Result<()> {
    line.set("export_id", export_id)?;
    line.set("status", status)
}

/// Enriches a line with what is known of an export that is READY.
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

/// An export whose pages can be had.
#[derive(Debug)]
pub(super) struct Fetchable {
    pub(super) job: ExportJob,
    pub(super) export_id: String,
    pub(super) ready: Ready,
    /// Pages that the ledger says are on disk.
    pub(super) kept: Vec<PageEntry>,
}
