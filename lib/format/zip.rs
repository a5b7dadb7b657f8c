//! ZIP archives, read member by member in constant memory.
//!
//! The only user of `zip`, and of `flate2` and `crc32fast`. `zip` walks the
//! directory at the archive's end, one entry at a time: its `ZipArchive` would
//! hold all of them and, of members with one name, keep only the last. The
//! members are inflated here, from positioned reads on a shared file, which is
//! a fifth faster and lets several be inflated at once.
//!
//! An archive is not trusted. What a member declares in the directory is an
//! upper bound while it is inflated and must be true at its end, checksum
//! included; its bytes must lie inside the file and belong to no other member;
//! its two names must agree; and [`ZipLimits`] bounds what may be declared.

mod directory;
mod inflate;
mod limits;
mod ranges;
mod verify;
mod window;

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

pub use directory::{Member, MemberData, MemberWalk};
pub use inflate::{MemberContents, Unpacker};
pub use limits::{Size, ZipLimits};
pub use verify::{Summary, verify};

use window::FileWindow;

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";

/// Why an archive or a member cannot be read.
#[derive(Debug)]
pub enum ArchiveError {
    /// The file could not be read: nothing is known of what it holds.
    Io(io::Error),
    /// What it holds is not sound, or is refused; in words.
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

fn bad<T>(text: impl Into<String>) -> Result<T, ArchiveError> {
    Err(ArchiveError::Bad(text.into()))
}

/// A ZIP whose directory has been found.
#[derive(Debug)]
pub struct Archive {
    file: Arc<File>,
    entries: ZipIterable<FileWindow>,
}

impl Archive {
    /// Finds the directory at the end of `file`. As `unzip` does, this overlooks
    /// bytes in front of the archive (a self-extractor) and behind it.
    pub fn open(file: impl Into<Arc<File>>) -> Result<Archive, ArchiveError> {
        Archive::at(file.into(), ArchiveOffset::Detect)
    }

    fn at(file: Arc<File>, archive_offset: ArchiveOffset) -> Result<Archive, ArchiveError> {
        let mut start = FileWindow::new(Arc::clone(&file), 4);
        let start = start.at(0, 4)?;
        let window = FileWindow::new(Arc::clone(&file), window::DIRECTORY);
        match ZipIterable::try_new(window, Config { archive_offset }) {
            Ok(entries) => Ok(Archive { file, entries }),
            Err(ZipError::InvalidArchive(_)) if start.is_empty() => bad("empty, not a ZIP"),
            Err(ZipError::InvalidArchive(cause)) if start == LOCAL_HEADER => bad(format!(
                "cut off: it begins as a ZIP and has no valid directory at its end ({cause})"
            )),
            Err(ZipError::InvalidArchive(cause)) => bad(format!("not a ZIP ({cause})")),
            Err(e) => Err(directory_error(e)),
        }
    }

    /// The members from the first one, in the order of the directory.
    pub fn members(&mut self, limits: &ZipLimits) -> Result<MemberWalk<'_>, ArchiveError> {
        let count = self.entries.len();
        if count as u64 > limits.max_members {
            return bad(format!(
                "{count} members, over --max-members {}",
                limits.max_members
            ));
        }
        let headers = FileWindow::new(Arc::clone(&self.file), window::HEADERS);
        let entries = self.entries.files().map_err(directory_error)?;
        Ok(MemberWalk::new(entries, headers, limits))
    }
}

fn directory_error(e: ZipError) -> ArchiveError {
    match e {
        ZipError::Io(e) if e.kind() != io::ErrorKind::UnexpectedEof => ArchiveError::Io(e),
        e => ArchiveError::Bad(format!("its directory is damaged: {e}")),
    }
}
