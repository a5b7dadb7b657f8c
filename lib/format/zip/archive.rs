//! Finds the central directory of a ZIP archive.

use std::sync::Arc;

use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::directory::{LOCAL_HEADER, MemberWalk};
use super::error::{ArchiveError, bad, directory_error};
use super::limits::ZipLimits;
use super::window::{self, ZipBytes, ZipWindow};

/// A ZIP whose central directory has been found.
#[derive(Debug)]
pub struct Archive {
    bytes: Arc<dyn ZipBytes>,
    entries: ZipIterable<ZipWindow>,
}

impl Archive {
    /// Finds the central directory near the end of `bytes`. Like `unzip`, ignores bytes before the
    /// archive (a self-extractor) and after it.
    pub fn open(bytes: Arc<dyn ZipBytes>) -> Result<Archive, ArchiveError> {
        Archive::at(bytes, ArchiveOffset::Detect)
    }

    pub(super) fn at(
        bytes: Arc<dyn ZipBytes>,
        archive_offset: ArchiveOffset,
    ) -> Result<Archive, ArchiveError> {
        let mut start = ZipWindow::new(Arc::clone(&bytes), 4);
        let start = start.at(0, 4)?;
        let window = ZipWindow::new(Arc::clone(&bytes), window::DIRECTORY);
        match ZipIterable::try_new(window, Config { archive_offset }) {
            Ok(entries) => Ok(Archive { bytes, entries }),
            Err(ZipError::InvalidArchive(_)) if start.is_empty() => bad("empty, not a ZIP"),
            Err(ZipError::InvalidArchive(_)) if start == LOCAL_HEADER => {
                bad("cut off: it begins as a ZIP and has no valid directory at its end")
            }
            Err(ZipError::InvalidArchive(_)) => bad("not a ZIP"),
            Err(e) => Err(directory_error(e)),
        }
    }

    /// Iterates over the members, in the order of the directory. An error if the archive has more
    /// members than `limits` allows.
    pub fn members(&mut self, limits: &ZipLimits) -> Result<MemberWalk<'_>, ArchiveError> {
        let count = self.entries.len();
        if count as u64 > limits.max_members {
            return bad(format!(
                "{count} members, over --max-members {}",
                limits.max_members
            ));
        }
        let headers = ZipWindow::new(Arc::clone(&self.bytes), window::HEADERS);
        let entries = self.entries.files().map_err(directory_error)?;
        Ok(MemberWalk::new(entries, headers, limits))
    }
}
