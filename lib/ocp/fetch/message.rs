//! The messages between the two workers.

use std::io;

use super::export_job::Fetchable;
use super::plan_line::PlanLine;
use crate::json::object::Object;
use crate::ocp::exports::Withheld;

/// Messages to the exporter.
pub(super) enum ExporterEvent {
    /// A line of the input.
    Asked(Box<PlanLine>),
    /// A line that is not a plan line.
    Unreadable(anyhow::Error),
    /// The input broke.
    Broken(io::Error),
    /// No more lines.
    End,
    /// The downloader has one page less to do.
    PageDone,
    /// The downloader has finished an export.
    ExportDone,
    /// The service does not give out the pages of an export.
    NotDownloadable(Box<Fetchable>, Withheld),
    /// The service refuses a group.
    GroupRefused(String),
    /// Check whether to stop.
    Stop,
}

/// Messages from the exporter to the downloader.
pub(super) enum DownloaderEvent {
    /// A line that is complete.
    Line(Object),
    /// An export to be downloaded.
    Fetch(Box<Fetchable>),
    /// So many requests that failed for one reason; the others continue.
    Problem(u64, anyhow::Error),
}
