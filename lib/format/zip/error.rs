//! Errors about archives and their members.

use std::fmt;
use std::io;

use zip::result::ZipError;

/// The reason why an archive or a member cannot be read.
#[derive(Debug)]
pub enum ArchiveError {
    /// Reading the file failed, so its content is unknown.
    Io(io::Error),
    /// The content is damaged or is refused. The text is the reason.
    Bad(String),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArchiveError::Io(e) => e.fmt(f),
            ArchiveError::Bad(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for ArchiveError {
    fn from(e: io::Error) -> ArchiveError {
        ArchiveError::Io(e)
    }
}

impl From<ArchiveError> for anyhow::Error {
    fn from(e: ArchiveError) -> anyhow::Error {
        match e {
            ArchiveError::Io(e) => e.into(),
            ArchiveError::Bad(text) => crate::error::bad_input(text),
        }
    }
}

pub(super) fn bad<T>(text: impl Into<String>) -> Result<T, ArchiveError> {
    Err(ArchiveError::Bad(text.into()))
}

pub(super) fn directory_error(e: ZipError) -> ArchiveError {
    match e {
        ZipError::Io(e) if e.kind() != io::ErrorKind::UnexpectedEof => ArchiveError::Io(e),
        e => ArchiveError::Bad(format!("its directory is damaged: {e}")),
    }
}
