//! Errors while unpacking a member.

use std::io;

use crate::error::Failure;
use crate::format::zip;

/// Why reading a member of a ZIP stopped before its end: the ZIP is damaged or cannot be read
/// (`Source`), or an error ends the run (`Fatal`).
#[derive(Debug)]
pub(super) enum MemberError {
    Source(zip::ArchiveError),
    Fatal(anyhow::Error),
}

impl From<zip::ArchiveError> for MemberError {
    /// An error of the bucket service is fatal, because it is not an error in the ZIP.
    fn from(e: zip::ArchiveError) -> MemberError {
        match e {
            zip::ArchiveError::Io(e) => match e.downcast::<Failure>() {
                Ok(failure) => MemberError::Fatal(failure.into()),
                Err(e) => MemberError::Source(zip::ArchiveError::Io(e)),
            },
            e => MemberError::Source(e),
        }
    }
}

impl From<anyhow::Error> for MemberError {
    fn from(e: anyhow::Error) -> MemberError {
        MemberError::Fatal(e)
    }
}

impl From<io::Error> for MemberError {
    fn from(e: io::Error) -> MemberError {
        MemberError::Fatal(e.into())
    }
}
