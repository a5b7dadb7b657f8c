//! The results of requests to the Exports API.

use crate::error;
use crate::ocp::profile::{Advice, Meaning, Ownership};

/// An export in a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportStatus {
    /// The id that the service gave the export.
    pub export_id: String,
    /// The state of the export, as the service spells it.
    pub state: String,
    /// The meaning of the state.
    pub meaning: Meaning,
    /// Whether the export belongs to the request.
    pub owner: Ownership,
}

/// The result of a create.
#[derive(Debug)]
pub enum Created {
    /// The export exists.
    Accepted(ExportStatus),
    /// Another export of the group is running.
    Busy(String),
    /// No usable reply was received, so it is unknown whether the export exists.
    Lost(String),
    /// The service refuses the export.
    Refused {
        /// The reason.
        error: anyhow::Error,
        /// Whether the same reason holds for every request of the group.
        whole_group: bool,
        /// Whether the reason can hold for other requests, too, because it is not about the window.
        is_general: bool,
    },
    /// The service accepted the request, but no id was found in the reply. The advice names the
    /// line of the profile to change.
    Unnamed(Advice),
}

/// The number of files of an export, or the reason why it is unknown.
#[derive(Debug)]
pub enum Metadata {
    /// The export is READY.
    Known {
        /// The number of files on all pages.
        num_of_files: u64,
        /// The size in bytes, if the service states it.
        size_of_export: Option<u64>,
    },
    /// The service refuses this request, although the export is possibly READY. The caller
    /// requests the state of the export again.
    NotReady(Withheld),
}

/// A refused request for the metadata or a page of an export that is possibly READY.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// The request that was refused.
    pub(super) what: String,
    pub(super) status: u16,
    pub(super) said: String,
    /// Whether the refusal can end after some time.
    pub(crate) is_passing: bool,
    pub(super) advice: Advice,
}

impl Withheld {
    /// The error after `tries` refusals, if the export stays READY.
    pub(crate) fn error(&self, export_id: &str, tries: u32) -> anyhow::Error {
        let Withheld {
            what, status, said, ..
        } = self;
        let said = match said.is_empty() {
            true => String::new(),
            false => format!(", {said}"),
        };
        let text = format!(
            "export {export_id} is READY, but {what} failed {tries} times with HTTP {status}{said}"
        );
        match self.is_passing {
            true => error::try_later(format!("{text}: if this continues, {}", self.advice)),
            false => error::misspelled(format!("{text}: {}", self.advice)),
        }
    }
}

/// The result of a request for a page.
#[derive(Debug)]
pub(crate) enum Download {
    /// The body was copied to the sink. The caller must check that it is a ZIP, because the media
    /// type is not documented.
    Body {
        /// The length of the body.
        bytes: u64,
        /// The media type that the service states.
        media_type: Option<String>,
    },
    /// The service refuses this request, although the export is possibly READY. The caller
    /// requests the state of the export again.
    NotReady(Withheld),
}
