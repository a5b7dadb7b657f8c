//! What came of a request to the Exports API.

use crate::error;
use crate::ocp::profile::{Advice, Meaning, Ownership};

/// An export as the service shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportStatus {
    /// The service's name for it.
    pub export_id: String,
    /// Its state, as it is spelled.
    pub state: String,
    /// What that means.
    pub meaning: Meaning,
    /// Whether it is the export of the request that it was asked for with.
    pub owner: Ownership,
}

/// What came of a create.
#[derive(Debug)]
pub enum Created {
    /// The export exists.
    Accepted(ExportStatus),
    /// Another export of the group is running.
    Busy(String),
    /// No reply: it may exist.
    Lost(String),
    /// It will not be made.
    Refused {
        /// Why.
        error: anyhow::Error,
        /// The same reason holds for every request of the group.
        whole_group: bool,
        /// The reason is not that of a window, so that it may hold for others, too.
        is_general: bool,
    },
    /// Accepted, but the reply does not say as what: the line of the profile.
    Unnamed(Advice),
}

/// The number of files of an export, or why it is not known.
#[derive(Debug)]
pub enum Metadata {
    /// It is ready.
    Known {
        /// Files across all pages.
        num_of_files: u64,
        /// Bytes, if the service states them.
        size_of_export: Option<u64>,
    },
    /// It cannot be had now, whatever the state said: ask for that again.
    NotReady(Withheld),
}

/// What is not given out of an export, though it may be READY.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// The request.
    pub(super) what: String,
    pub(super) status: u16,
    pub(super) said: String,
    /// The status means that time mends it.
    pub(crate) is_passing: bool,
    pub(super) advice: Advice,
}

impl Withheld {
    /// An error for an export that is READY all the same, after so many tries.
    pub(crate) fn error(&self, export_id: &str, tries: u32) -> anyhow::Error {
        let Withheld {
            what, status, said, ..
        } = self;
        let said = match said.is_empty() {
            true => String::new(),
            false => format!(", {said}"),
        };
        let text = format!(
            "export {export_id} is READY, but {what} was answered {tries} times with HTTP {status}{said}"
        );
        match self.is_passing {
            true => error::try_later(format!("{text}: if it never is, {}", self.advice)),
            false => error::misspelled(format!("{text}: {}", self.advice)),
        }
    }
}

/// What came of a request for a page.
#[derive(Debug)]
pub(crate) enum Download {
    /// The body went into the sink. Whether it is a ZIP is for the caller to see:
    /// the media type is not documented.
    Body {
        /// Its length.
        bytes: u64,
        /// What the service calls it.
        media_type: Option<String>,
    },
    /// It cannot be had now, whatever the state said: ask for that again.
    NotReady(Withheld),
}
