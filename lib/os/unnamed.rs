//! Files without a name. They vanish when the process ends, even if it is killed.

use std::fs::File;
use std::io;
use std::path::Path;

pub(crate) use tempfile::SpooledTempFile;

/// Creates a file without a name in `directory`.
pub(crate) fn create_in(directory: &Path) -> io::Result<File> {
    tempfile::tempfile_in(directory)
}

/// Creates a file without a name that has `length` zero bytes. These bytes take no space on the
/// disk.
pub(crate) fn create_zeros_in(directory: &Path, length: u64) -> io::Result<File> {
    let file = create_in(directory)?;
    file.set_len(length)?;
    Ok(file)
}

/// A file that is in memory while it has at most `in_memory` bytes. When it grows longer, it is
/// moved to a file without a name in `directory`.
pub(crate) fn spooled_in(directory: &Path, in_memory: usize) -> SpooledTempFile {
    tempfile::spooled_tempfile_in(in_memory, directory)
}
