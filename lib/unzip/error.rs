//! What keeps a member from its end.

use std::io;

use crate::format::zip;

/// What ends a member: its own fault, or that nothing can be written any more.
#[derive(Debug)]
pub(super) enum MemberError {
    Source(zip::ArchiveError),
    Fatal(anyhow::Error),
}

impl From<zip::ArchiveError> for MemberError {
    fn from(e: zip::ArchiveError) -> MemberError {
        MemberError::Source(e)
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
