//! What the two workers tell each other.

use std::io;

use super::export_job::Fetchable;
use super::plan_line::PlanLine;
use crate::json::lines::Object;

/// What the exporter is told.
pub(super) enum ExporterEvent {
    /// A line of the input.
    Asked(Box<PlanLine>),
    /// A line that is none.
    Unreadable(anyhow::Error),
    /// The input broke.
    Broken(io::Error),
    /// No more lines.
    End,
    /// The downloader has one page less to do.
    PageDone,
    /// The downloader is through with an export.
    ExportDone,
    /// The downloader found that the pages of an export are not to be had.
    NotDownloadable(Box<Fetchable>),
    /// Look whether to stop.
    Stop,
}

/// What the exporter tells the downloader.
pub(super) enum DownloaderEvent {
    /// A line that is complete.
    Line(Object),
    /// An export to be downloaded.
    Fetch(Box<Fetchable>),
    /// So many requests that failed for one reason; the others go on.
    Problem(u64, anyhow::Error),
}
