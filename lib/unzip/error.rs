//! Errors while unpacking a member.

use std::io;

use anyhow::anyhow;

use crate::error::Failure;
use crate::format::zip;

/// Why a member ends early: an error in the member, or a failed write.
#[derive(Debug)]
pub(super) enum MemberError {
    Source(zip::ArchiveError),
    Fatal(anyhow::Error),
}

impl From<zip::ArchiveError> for MemberError {
    /// A service that fails says nothing about the archive.
    fn from(e: zip::ArchiveError) -> MemberError {
        match e {
            zip::ArchiveError::Io(e) if e.get_ref().is_some_and(|inner| inner.is::<Failure>()) => {
                let inner = e.into_inner().map(|inner| inner.downcast::<Failure>());
                match inner {
                    Some(Ok(failure)) => MemberError::Fatal((*failure).into()),
                    Some(Err(_)) | None => MemberError::Fatal(anyhow!("reading failed")),
                }
            }
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
