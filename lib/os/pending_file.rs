//! A file that is written under a name of its own until the caller renames it, and that stays after
//! a crash: the caller's records say what it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempPath;

use crate::os::files;

/// The end of the names of such files. No other program removes them.
const SUFFIX: &str = ".list";

/// A file that is being written. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct PendingFile {
    temp: TempPath,
    writer: BufWriter<File>,
}

impl PendingFile {
    /// A new file in `directory`, whose name begins with `prefix`.
    pub(crate) fn create(directory: &Path, prefix: &str) -> io::Result<PendingFile> {
        let mut number = 1_u64;
        loop {
            let temp = directory.join(format!("{prefix}{number}{SUFFIX}"));
            let mut options = OpenOptions::new();
            match options
                .write(true)
                .create_new(true)
                .mode(files::new_mode())
                .open(&temp)
            {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                file => {
                    return Ok(PendingFile {
                        writer: BufWriter::new(file?),
                        temp: TempPath::try_from_path(temp)?,
                    });
                }
            }
        }
    }

    /// Syncs the data and the name, and returns the path. From now on the file stays until the
    /// caller renames or removes it.
    pub(crate) fn keep(self) -> anyhow::Result<PathBuf> {
        let place = || format!("writing {}", self.temp.display());
        let file = self
            .writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).with_context(place)?;
        let path = self.temp.keep()?;
        files::sync_each(&[path.parent().unwrap_or(Path::new("/"))])?;
        Ok(path)
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Removes from `directory` all such files whose names begin with `prefix`.
pub(crate) fn remove_all(directory: &Path, prefix: &str) -> anyhow::Result<()> {
    let place = || format!("tidying {}", directory.display());
    for entry in fs::read_dir(directory).with_context(place)? {
        let entry = entry.with_context(place)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix) && name.ends_with(SUFFIX) {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}
