//! Finds the directory of an archive.

use std::fs::File;
use std::sync::Arc;

use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::directory::{LOCAL_HEADER, MemberWalk};
use super::error::{ArchiveError, bad, directory_error};
use super::limits::ZipLimits;
use super::window::{self, FileWindow};

/// A ZIP with its directory.
#[derive(Debug)]
pub struct Archive {
    file: Arc<File>,
    entries: ZipIterable<FileWindow>,
}

impl Archive {
    /// Finds the directory at the end of `file`. Like `unzip`, it ignores bytes before the
    /// archive (a self-extractor) and after it.
    pub fn open(file: impl Into<Arc<File>>) -> Result<Archive, ArchiveError> {
        Archive::at(file.into(), ArchiveOffset::Detect)
    }

    pub(super) fn at(
        file: Arc<File>,
        archive_offset: ArchiveOffset,
    ) -> Result<Archive, ArchiveError> {
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

    /// The members from the first one on, in the order of the directory.
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
