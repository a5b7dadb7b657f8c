//! An append-only file of lines, under an exclusive lock. Each line has a checksum.
//!
//! If a crash left a last line without its newline, the next run cuts off this incomplete line. Any
//! other damage is an error, because the content of a line is lost.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::error;
use crate::os::{checked_line, files, locks};

/// The number of bytes of `text` up to and including its last newline. The rest of `text` is
/// incomplete, or another process is writing it.
pub(crate) fn complete_lines(text: &[u8]) -> usize {
    memchr::memrchr(b'\n', text).map_or(0, |at| at + 1)
}

/// The complete lines of a journal, each with its number, counted from 1. For a damaged line, the
/// item has an error text in place of the line.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (u64, Result<&str, String>)> {
    let complete = text[..complete_lines(text)].split_inclusive(|byte| *byte == b'\n');
    (1..).zip(complete.map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let text =
            str::from_utf8(line).map_err(|_| "it is not UTF-8: it was damaged".to_owned())?;
        checked_line::verify(line).map_err(|damage| damage.to_string())?;
        Ok(text)
    }))
}

/// Turns a record into a line of a journal. The record must be a JSON object.
pub(crate) fn line_of<T: serde::Serialize>(record: &T) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    checked_line::seal(&mut line);
    line.push(b'\n');
    Ok(line)
}

/// Cuts an incomplete last line off `text`, and returns whether there was one. Returns an error
/// with status 65 if `text` is not empty and `is_ours` returns false for it.
pub(crate) fn cut_incomplete(
    text: &mut Vec<u8>,
    place: &dyn fmt::Display,
    is_ours: impl FnOnce(&[u8]) -> bool,
) -> anyhow::Result<bool> {
    if !text.is_empty() && !is_ours(text) {
        return Err(error::bad_input(format!(
            "{place}: the file has other contents, so it was not changed: give another file"
        )));
    }
    let complete = complete_lines(text);
    if complete == text.len() {
        return Ok(false);
    }
    log::warn!("{place}: the last line is incomplete, as after a crash: ignoring it");
    text.truncate(complete);
    Ok(true)
}

/// An open and locked journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Journal {
    /// Opens or creates the file, and locks it. Only its user can read a new file. Returns the
    /// journal, and the text of its complete [`lines`]. Returns an error with status 75 if another
    /// run holds the lock. `is_ours` checks the whole content before anything is cut off. If
    /// `is_ours` returns false, the file does not change, and the error has status 65.
    pub fn open(
        path: &Path,
        is_ours: impl FnOnce(&[u8]) -> bool,
    ) -> anyhow::Result<(Journal, Vec<u8>)> {
        let place = || path.display().to_string();
        let real = files::real(path);
        files::create_parent(&real)?;
        let existed = path.exists();
        if existed && !path.is_file() {
            return Err(error::usage("not a regular file")).with_context(place);
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(files::PRIVATE)
            .open(path)
            .with_context(place)?;
        locks::require(&file).with_context(place)?;
        if !existed {
            files::sync_parent(&real).with_context(place)?;
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(place)?;
        if cut_incomplete(&mut text, &path.display(), is_ours)? {
            file.set_len(text.len() as u64).with_context(place)?;
            file.sync_all().with_context(place)?;
        }
        let journal = Journal {
            file,
            path: path.to_owned(),
            length: text.len() as u64,
        };
        Ok((journal, text))
    }

    /// Appends one record and waits until it is on disk. The record must be a JSON object.
    pub fn append<T: serde::Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        self.append_unsynced(record)?;
        self.file
            .sync_data()
            .with_context(|| format!("writing {}", self.path.display()))
    }

    /// Appends one record without a sync: a crash of the machine can lose the record, but a kill of
    /// the process cannot. This is for a record whose loss costs only one more request.
    pub fn append_unsynced<T: serde::Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        let line = line_of(record)?;
        if let Err(e) = self.file.write_all(&line) {
            // If the disk becomes full in the middle of a line, remove the start of the line.
            // Otherwise the next line would be joined to it.
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
    use serde_json::json;
    use std::fs;

    #[test]
    fn a_half_written_last_line_never_happened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/ledger.ndjson");
        let (mut journal, text) = Journal::open(&path, |_| true).unwrap();
        assert!(text.is_empty());
        journal.append(&json!({"n": 1})).unwrap();
        let one = fs::read(&path).unwrap();
        // Cut in the middle of a character.
        journal.file.write_all(b"{\"half\":\"\xc3").unwrap();
        drop(journal);
        let (mut journal, text) = Journal::open(&path, |_| true).unwrap();
        assert_eq!(text, one);
        journal.append(&json!({"n": 2})).unwrap();
        let text = fs::read(&path).unwrap();
        assert!(text.starts_with(&one));
        let lines: Vec<_> = lines(&text).collect();
        assert!(lines.iter().all(|(_, line)| line.is_ok()), "{lines:?}");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn damage_is_told_by_line() {
        let mut text = Vec::new();
        for n in 0..3 {
            let mut line = format!("{{\"n\":{n}}}").into_bytes();
            checked_line::seal(&mut line);
            text.extend(line);
            text.push(b'\n');
        }
        let at = memchr::memmem::find(&text, b"\"n\":1").unwrap() + 4;
        for byte in [b'7', 0xff] {
            text[at] = byte;
            let damaged: Vec<u64> = lines(&text)
                .filter(|(_, line)| line.is_err())
                .map(|(number, _)| number)
                .collect();
            assert_eq!(damaged, [2]);
        }
    }

    #[test]
    fn a_line_that_a_full_disk_cut_off_is_not_glued_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.ndjson");
        let (mut journal, _) = Journal::open(&path, |_| true).unwrap();
        journal.append(&json!({"n": 1})).unwrap();
        journal.append_unsynced(&json!({"n": 2})).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(journal.length, whole.len() as u64);
        // Every write to a file that is open only for reading fails.
        let writable = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
        assert!(journal.append_unsynced(&json!({"n": 3})).is_err());
        journal.file = writable;
        journal.append(&json!({"n": 4})).unwrap();
        assert_eq!(lines(&fs::read(&path).unwrap()).count(), 3);
    }
}
