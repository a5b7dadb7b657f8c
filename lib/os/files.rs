//! Files that survive a crash: complete or absent, locked while they change.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, anyhow};
pub use tempfile::NamedTempFile;

use crate::error;

/// Temporary files begin so, that a later run knows its own leftovers.
pub const TEMP_PREFIX: &str = ".callpipe-";

/// A temporary file in the directory of `path`, so that a rename can put it
/// there; readable for whom the umask lets.
pub fn temp_beside(path: &Path) -> anyhow::Result<NamedTempFile> {
    temp_with_mode(path, 0o666)
}

/// The file is locked for as long as it is open, which is how
/// [`remove_leftovers`] tells it from one that nobody writes any more.
fn temp_with_mode(path: &Path, mode: u32) -> anyhow::Result<NamedTempFile> {
    let directory = directory_of(path);
    let place = || format!("creating a file in {}", directory.display());
    loop {
        let temp = tempfile::Builder::new()
            .prefix(TEMP_PREFIX)
            .suffix(".tmp")
            // Opened here, because the library's own error names the temporary file.
            .make_in(directory, |path| create_new(path, mode))
            .with_context(place)?;
        temp.as_file().lock().with_context(place)?;
        // Somebody may have taken it for a leftover before it was locked.
        if temp.path().exists() {
            return Ok(temp);
        }
    }
}

fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode);
    options.open(path)
}

/// Gives a complete temporary file its name: data to the disk, rename, the
/// directory to the disk. Only after this may anybody be told of the file.
pub fn commit(temp: NamedTempFile, path: &Path) -> anyhow::Result<()> {
    let place = || format!("writing {}", path.display());
    temp.as_file().sync_all().with_context(place)?;
    temp.persist(path)
        .map_err(|e| e.error)
        .with_context(place)?;
    sync_directory(directory_of(path)).with_context(place)
}

/// Writes a small file as a whole.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_temp(temp_beside(path)?, path, bytes)
}

/// Writes a small file as a whole that only its user can read, from its birth.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_temp(temp_with_mode(path, 0o600)?, path, bytes)
}

fn write_temp(temp: NamedTempFile, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = temp.as_file();
    file.write_all(bytes)
        .with_context(|| format!("writing {}", path.display()))?;
    commit(temp, path)
}

/// Takes away what killed runs left half-written in `directory`. What another
/// run is still writing is locked, and stays.
pub fn remove_leftovers(directory: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(TEMP_PREFIX)
            && entry.file_type()?.is_file()
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            match fs::remove_file(entry.path()) {
                Ok(()) => removed += 1,
                // Another run did it.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(removed)
}

/// The same in the directory of `path`.
pub fn remove_leftovers_beside(path: &Path) -> io::Result<usize> {
    remove_leftovers(directory_of(path))
}

/// Creates `directory` and its parents, each known to the disk.
pub fn create_directory(directory: &Path) -> anyhow::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        create_directory(parent)?;
        match fs::create_dir(directory) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
            other => other.with_context(|| format!("creating {}", directory.display()))?,
        }
        sync_directory(if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        })?;
    }
    Ok(())
}

/// Creates the directory that `path` is to lie in.
pub fn create_parent(path: &Path) -> anyhow::Result<()> {
    create_directory(directory_of(path))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// So many are waited for at once: a disk that is asked for several writes them
/// together.
const AT_ONCE: usize = 8;

/// Brings many files, and the names in many directories, to the disk.
pub fn sync_each(paths: &[&Path]) -> anyhow::Result<()> {
    let sync = |part: &[&Path]| {
        part.iter().try_for_each(|path| {
            sync_directory(path).with_context(|| format!("writing {}", path.display()))
        })
    };
    thread::scope(|scope| {
        let parts = paths.chunks(paths.len().div_ceil(AT_ONCE).max(1));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || sync(part))).collect();
        let mut synced = threads.into_iter().map(ScopedJoinHandle::join);
        synced.try_for_each(|one| one.unwrap_or_else(|_| Err(anyhow!("a thread died"))))
    })
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// How many bytes of `text` are lines with their newline: a last one without is
/// half-written, or being written.
pub fn complete_lines(text: &[u8]) -> usize {
    memchr::memrchr(b'\n', text).map_or(0, |at| at + 1)
}

/// An append-only file of lines under an exclusive lock. A line that a crash
/// left without its newline never happened and is cut off.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Journal {
    /// Opens or creates the file, locks it and returns what it holds. If another
    /// process holds the lock this fails at once with status 75. `is_ours` sees
    /// the whole text before anything is cut off: a file that is something else
    /// stays as it is.
    pub fn open(
        path: &Path,
        is_ours: impl FnOnce(&str) -> bool,
    ) -> anyhow::Result<(Journal, String)> {
        let place = || path.display().to_string();
        create_directory(directory_of(path))?;
        let existed = path.exists();
        if existed && !path.is_file() {
            return Err(error::usage("not a regular file")).with_context(place);
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .with_context(place)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(error::try_later("another run holds it")).with_context(place);
            }
            Err(TryLockError::Error(e)) => return Err(e).with_context(place),
        }
        if !existed {
            sync_directory(directory_of(path)).with_context(place)?;
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(place)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        if !text.is_empty() && !is_ours(&text) {
            return Err(error::bad_input(
                "the file is something else; it is left as it is",
            ))
            .with_context(place);
        }
        let mut text = text;
        let complete = complete_lines(text.as_bytes());
        if complete < text.len() {
            log::warn!(
                "{}: the last line is cut off, as by a crash: dropping it",
                path.display()
            );
            file.set_len(complete as u64).with_context(place)?;
            file.sync_all().with_context(place)?;
            text.truncate(complete);
        }
        let journal = Journal {
            file,
            path: path.to_owned(),
            length: complete as u64,
        };
        Ok((journal, text))
    }

    /// Appends one record and waits until the disk has it.
    pub fn append<T: serde::Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        self.append_unsynced(record)?;
        self.file
            .sync_data()
            .with_context(|| format!("writing {}", self.path.display()))
    }

    /// Appends one record that may be lost with the machine, not with the
    /// process: for notes that only spare a request.
    pub fn append_unsynced<T: serde::Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if let Err(e) = self.file.write_all(&line) {
            // A disk that fills in mid-line must not glue the next one to it.
            let _ = self.file.set_len(self.length);
            return Err(e).with_context(|| format!("writing {}", self.path.display()));
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    #[test]
    fn a_half_written_last_line_never_happened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/ledger.ndjson");
        let (mut journal, text) = Journal::open(&path, |_| true).unwrap();
        assert_eq!(text, "");
        journal.append(&1).unwrap();
        journal.file.write_all(b"{\"half\":").unwrap();
        drop(journal);
        let (mut journal, text) = Journal::open(&path, |_| true).unwrap();
        assert_eq!(text, "1\n");
        journal.append(&2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n");
    }

    #[test]
    fn the_second_to_come_is_told_to_try_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.ndjson");
        let held = Journal::open(&path, |_| true).unwrap();
        let error = Journal::open(&path, |_| true).unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater);
        drop(held);
        assert!(Journal::open(&path, |_| true).is_ok());
    }

    #[test]
    fn an_error_names_the_directory_and_no_temporary_file() {
        let error = temp_beside(Path::new("/none/x")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("creating a file in /none: "), "{text}");
        assert!(!text.contains("tmp"), "{text}");
        let cause = error.root_cause().downcast_ref().map(io::Error::kind);
        assert_eq!(cause, Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_file_is_complete_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut temp = temp_beside(&path).unwrap();
        temp.write_all(b"half").unwrap();
        assert!(!path.exists());
        assert_eq!(
            remove_leftovers(dir.path()).unwrap(),
            0,
            "it is being written"
        );
        std::mem::forget(temp.into_temp_path()); // as a kill -9 would
        assert_eq!(remove_leftovers(dir.path()).unwrap(), 1);
        write_atomic(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }
}
