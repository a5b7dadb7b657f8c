//! Errors while unpacking a member.

use std::io;

use crate::format::zip;

/// Why a member ends early: an error in the member, or a failed write.
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
