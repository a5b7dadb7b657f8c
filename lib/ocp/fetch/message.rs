//! The messages to the exporter and to the downloader.

use std::io;

use super::export_job::Fetchable;
use super::plan_line::PlanLine;
use crate::json::object::Object;
use crate::ocp::exports::Withheld;

/// Messages to the exporter.
pub(super) enum ExporterEvent {
    /// A line of the input.
    Asked(Box<PlanLine>),
    /// An input line that is not valid.
    Unreadable(anyhow::Error),
    /// The input cannot be read.
    Broken(io::Error),
    /// The input has ended.
    End,
    /// The downloader has finished one page.
    PageDone,
    /// The downloader has finished an export.
    ExportDone,
    /// The service refuses the pages of an export.
    NotDownloadable(Box<Fetchable>, Withheld),
    /// The service refuses a group.
    GroupRefused(String),
    /// Wakes the exporter, so that it notices a stop request.
    Stop,
}

/// Messages from the exporter to the downloader.
pub(super) enum DownloaderEvent {
    /// An output line that the downloader must write.
    Line(Object),
    /// An export to download.
    Fetch(Box<Fetchable>),
    /// The number of requests that failed, and the reason. The other requests continue.
    Problem(u64, anyhow::Error),
}
