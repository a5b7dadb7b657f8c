//! A small record that all processes of a user share. A process locks the record, reads all of it,
//! changes it and writes all of it.
//!
//! The record is one line with a checksum. A process writes it in place, so that the locked file is
//! also the written file. A process that is killed while it writes can leave a line with a wrong
//! checksum, but its lock ends. So the next process does not wait: it reads such a line as
//! [`SharedContent::Damaged`].

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::os::locks::{self, LockOutcome};
use crate::os::{checked_line, private};

/// The largest part of the file that is read, in bytes. A longer record counts as damaged.
const LONGEST: u64 = 16 << 20;

/// A shared record that this process has not locked.
#[derive(Debug)]
pub(crate) struct SharedRecord {
    path: PathBuf,
}

/// A shared record that this process has locked: no other process can read or change it.
#[derive(Debug)]
pub(crate) struct HeldRecord {
    file: File,
    path: PathBuf,
}

/// The content of the file with the record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SharedContent<T> {
    /// No process has written to the file yet.
    Empty,
    /// The file has no complete line with the right checksum, or the line is not a record of the
    /// right form.
    Damaged,
    /// The record that was written last.
    Whole(T),
}

impl SharedRecord {
    /// Opens the record in the file at `path`. Only its user can access a new file. Returns an
    /// error if the file cannot be opened, or if the file system has no locks.
    pub(crate) fn open(path: &Path) -> io::Result<SharedRecord> {
        let file = private::open(path)?;
        match locks::try_lock(&file)? {
            LockOutcome::Unsupported => Err(io::Error::other("the file system has no locks")),
            _ => Ok(SharedRecord {
                path: path.to_owned(),
            }),
        }
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Locks the record; `None` if another process has locked it.
    pub(crate) fn hold(&self) -> anyhow::Result<Option<HeldRecord>> {
        let place = || self.path.display().to_string();
        // The file is opened each time, because a user can empty the cache and so delete the file.
        let file = private::open(&self.path).with_context(place)?;
        Ok(match locks::try_lock(&file).with_context(place)? {
            LockOutcome::Held => None,
            _ => Some(HeldRecord {
                file,
                path: self.path.clone(),
            }),
        })
    }
}

impl HeldRecord {
    /// Reads the content of the file.
    pub(crate) fn read<T: DeserializeOwned>(&mut self) -> anyhow::Result<SharedContent<T>> {
        let mut text = Vec::new();
        self.file
            .rewind()
            .and_then(|()| (&self.file).take(LONGEST).read_to_end(&mut text))
            .with_context(|| self.path.display().to_string())?;
        if text.is_empty() {
            return Ok(SharedContent::Empty);
        }
        // After the newline there can be the end of an older, longer line.
        let line = memchr::memchr(b'\n', &text).map(|end| &text[..end]);
        let whole = line.filter(|line| checked_line::verify(line).is_ok());
        let value = whole.and_then(|line| serde_json::from_slice(line).ok());
        Ok(value.map_or(SharedContent::Damaged, SharedContent::Whole))
    }

    /// Replaces the content, without a sync. After that, the content survives a kill of the
    /// process, but perhaps not a crash of the machine.
    pub(crate) fn write(&mut self, record: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        checked_line::seal(&mut line);
        line.push(b'\n');
        self.file
            .rewind()
            .and_then(|()| self.file.write_all(&line))
            .and_then(|()| self.file.set_len(line.len() as u64))
            .with_context(|| format!("writing {}", self.path.display()))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use std::fs;

    fn read(record: &SharedRecord) -> SharedContent<Vec<u64>> {
        let mut held = record.hold().unwrap().unwrap();
        match held.read::<Numbers>().unwrap() {
            SharedContent::Whole(numbers) => SharedContent::Whole(numbers.n),
            SharedContent::Empty => SharedContent::Empty,
            SharedContent::Damaged => SharedContent::Damaged,
        }
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Numbers {
        n: Vec<u64>,
    }

    #[test]
    fn killed_at_any_byte_of_a_write_it_is_the_old_one_the_new_one_or_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let record = SharedRecord::open(&dir.path().join("x")).unwrap();
        assert_eq!(read(&record), SharedContent::Empty);
        let versions: [Vec<u64>; 3] = [vec![1, 2, 3, 4], vec![10], vec![7, 8, 9, 10, 11, 12]];
        let mut lines = Vec::new();
        for n in &versions {
            let mut held = record.hold().unwrap().unwrap();
            held.write(&Numbers { n: n.clone() }).unwrap();
            assert!(record.hold().unwrap().is_none(), "it is locked");
            drop(held);
            assert_eq!(read(&record), SharedContent::Whole(n.clone()));
            lines.push(fs::read(record.path()).unwrap());
        }
        for (old, new) in [(0, 1), (1, 2), (2, 0)] {
            for length in 0..=lines[new].len() {
                let mut torn = lines[old].clone();
                torn.resize(torn.len().max(length), 0);
                torn[..length].copy_from_slice(&lines[new][..length]);
                if length > lines[old].len() {
                    torn.truncate(length);
                }
                fs::write(record.path(), &torn).unwrap();
                let seen = read(&record);
                let is_known = seen == SharedContent::Damaged
                    || seen == SharedContent::Whole(versions[old].clone())
                    || seen == SharedContent::Whole(versions[new].clone());
                assert!(is_known, "{seen:?}");
            }
        }
    }

    #[test]
    fn something_else_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let record = SharedRecord::open(&dir.path().join("x")).unwrap();
        for text in ["x", "\n", "{}", "{}\n", "\0\0\0\0", "{\"n\":[1]}"] {
            fs::write(record.path(), text).unwrap();
            assert_eq!(read(&record), SharedContent::Damaged, "{text:?}");
        }
    }
}
