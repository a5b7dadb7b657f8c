//! Files without a name: they vanish when the process ends, also after a kill.

use std::fs::File;
use std::io;
use std::path::Path;

pub(crate) use tempfile::SpooledTempFile;

/// Creates a file without a name in `directory`.
pub(crate) fn create_in(directory: &Path) -> io::Result<File> {
    tempfile::tempfile_in(directory)
}

/// Creates a file without a name, of `length` zeros, which take no space on the disk.
pub(crate) fn create_zeros_in(directory: &Path, length: u64) -> io::Result<File> {
    let file = create_in(directory)?;
    file.set_len(length)?;
    Ok(file)
}

/// A file that stays in memory up to `in_memory` bytes. A longer file is in `directory`.
pub(crate) fn spooled_in(directory: &Path, in_memory: usize) -> SpooledTempFile {
    tempfile::spooled_tempfile_in(in_memory, directory)
}
