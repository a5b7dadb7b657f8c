//! A file that has a temporary name until the caller renames it. After a crash the file stays, and
//! the caller has its own record of what the file contains.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempPath;

use crate::os::files;

/// The end of the temporary names. [`files::remove_leftovers`] does not remove files with such
/// names.
const SUFFIX: &str = ".list";

/// A file that is being written. When this value is dropped, the file is removed.
#[derive(Debug)]
pub(crate) struct PendingFile {
    temp: TempPath,
    writer: BufWriter<File>,
}

impl PendingFile {
    /// Creates a file in `directory`. The name of the file is `prefix`, a free number and `.list`.
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

/// Removes from `directory` all pending files whose names begin with `prefix`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn two_files_of_one_prefix_have_two_names_and_a_kept_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut one = PendingFile::create(dir.path(), "p-").unwrap();
        let two = PendingFile::create(dir.path(), "p-").unwrap();
        let three = PendingFile::create(dir.path(), "p-").unwrap();
        assert_eq!(names(dir.path()), ["p-1.list", "p-2.list", "p-3.list"]);
        drop((two, three));
        one.write_all(b"text").unwrap();
        assert_eq!(
            fs::read(dir.path().join("p-1.list")).unwrap(),
            b"",
            "buffered"
        );
        one.flush().unwrap();
        assert_eq!(fs::read(dir.path().join("p-1.list")).unwrap(), b"text");
        one.write_all(b" and more").unwrap();
        let path = one.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"text and more");
        assert_eq!(names(dir.path()), ["p-1.list"]);
        let none = PendingFile::create(&dir.path().join("none"), "p-").unwrap_err();
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_files_of_the_prefix_and_the_ending_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["p-1.list", "p-22.list", "q-1.list", "p-1", "p-1.txt"] {
            files::write_atomic(&dir.path().join(name), b"").unwrap();
        }
        remove_all(dir.path(), "p-").unwrap();
        assert_eq!(names(dir.path()), ["p-1", "p-1.txt", "q-1.list"]);
        assert!(remove_all(&dir.path().join("none"), "p-").is_err());
    }
}
