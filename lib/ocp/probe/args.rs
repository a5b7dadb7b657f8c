//! The flags of a probe.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::error;
use crate::export::window::Window;
use crate::ocp::export_request::ExportRequest;
use crate::time::{Timestamp, parse_duration, parse_positive_duration};

/// The age of the hour that is exported without --from.
const FRESH: Duration = Duration::from_secs(3 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// Another API of the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OtherApi {
    /// Request a count of one hour, in real-time and in batch. See ocp-metrics.
    Metrics,
    /// List the streaming subscriptions, and read one of them. See ocp-subscribe.
    Subscriptions,
}

/// The flags of a probe.
#[derive(Args, Clone, Debug)]
pub struct ProbeArgs {
    /// The OCP group.
    #[arg(long, value_name = "GROUP")]
    pub group: String,

    /// Make an export of one hour, wait until it is READY and download a page or two of it. Until
    /// the export ends, the service makes no other export for the group. Without --create nothing
    /// is created.
    #[arg(long)]
    pub create: bool,

    /// The message type to export with --create.
    #[arg(long = "type", value_name = "TYPE", default_value = "dialog_end")]
    pub kind: String,

    /// The hour to export with --create. TIME may be any time within the hour. [default: 3 hours
    /// ago]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,

    /// Request the state of the export every DUR.
    #[arg(long, value_name = "DUR", default_value = "5s", value_parser = parse_positive_duration)]
    pub poll: Duration,

    /// Wait at most DUR for the export to become READY.
    #[arg(long, value_name = "DUR", default_value = "15m", value_parser = parse_duration)]
    pub max_wait: Duration,

    /// Also test this API, with requests that only read. May be repeated, or name several APIs,
    /// separated by commas.
    #[arg(long, value_name = "API", value_delimiter = ',')]
    pub with: Vec<OtherApi>,
}

impl ProbeArgs {
    /// The request for an export of one hour. Fails with status 2 if --from is invalid.
    pub(super) fn request(&self, now: Timestamp) -> anyhow::Result<ExportRequest> {
        let from = match &self.from {
            None => now.minus(FRESH),
            Some(text) => {
                Timestamp::parse(text, now).map_err(|e| error::usage(format!("--from: {e}")))?
            }
        };
        let from = from.floor_hour();
        let window = Window::new(from, from.plus(HOUR));
        let window = window.ok_or_else(|| error::usage("--from is out of range"))?;
        Ok(ExportRequest {
            group: self.group.clone(),
            types: [self.kind.clone()].into(),
            window,
        })
    }
}
