//! The one way to save progress: records are written first, and then the note about them.
//!
//! A note is a state, or a line in a ledger. A later run trusts the note. A note is written only
//! when the records before it are safe:
//!
//! - in a file (`-o FILE`, `>> FILE`): they are on disk, and the file of `-o FILE` has its final
//!   name;
//! - in a pipe: the reader has read all bytes, and has not closed the pipe.
//!
//! There is a limit: if the reader fails after it has read the bytes from the pipe, this failure is
//! not noticed. If the reader can fail, a user should use `-o FILE`, or `--state-out FILE` with
//! `mv` after the reader has ended. For a socket, it is not known which bytes were read, so all
//! written bytes count as safe.

use std::io;

use serde::Serialize;

use crate::cli::output::Output;
use crate::error::{self, Failure, Status};
use crate::os::signals::Stop;

/// The output of a program that saves its position.
#[derive(Debug)]
pub struct Commit<'o> {
    output: &'o mut Output,
    stop: Stop,
    is_noted: bool,
}

impl<'o> Commit<'o> {
    /// `stop` ends the wait for a slow reader. `is_noted` says whether the program writes notes
    /// (a state or a ledger). With notes, a reader that leaves early is an error with status 1.
    /// Without notes, the program ends with status 0 after its reader has left, like a filter.
    pub fn new(output: &'o mut Output, stop: &Stop, is_noted: bool) -> Commit<'o> {
        Commit {
            output,
            stop: stop.clone(),
            is_noted,
        }
    }

    /// Writes one record: its bytes unchanged, and a newline if they do not end with one.
    pub fn write_line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let written = self.output.write_line(line);
        written.map_err(|e| self.explain(e.into()))
    }

    /// Writes one record as a line of JSON.
    pub fn write_record<T: Serialize + ?Sized>(&mut self, record: &T) -> anyhow::Result<()> {
        let written = self.output.write_record(record);
        written.map_err(|e| self.explain(e.into()))
    }

    /// Writes bytes unchanged.
    pub fn write_all(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = io::Write::write_all(self.output, bytes);
        written.map_err(|e| self.explain(e.into()))
    }

    /// Flushes the output. Unlike [`Commit::commit`], saves no progress.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        let flushed = io::Write::flush(self.output);
        flushed.map_err(|e| self.explain(e.into()))
    }

    /// The number of bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.output.bytes()
    }

    /// Waits until the records so far are read or on disk, then calls `note`. If the program writes
    /// no notes, flushes the records and does not wait for the reader. If the output gets its name
    /// only in [`Commit::finish`], does nothing and returns false.
    pub fn commit(&mut self, note: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<bool> {
        if self.output.is_held() {
            return Ok(false);
        }
        self.bring_out()?;
        note().map(|()| true)
    }

    /// Calls `note` if the first `end` bytes are [out](Output::bytes_out): the reader of the pipe
    /// has read them, or they are on disk. Does not wait. Returns whether it called `note`; always
    /// false if the output gets its name only in [`Commit::finish`].
    pub fn commit_up_to(
        &mut self,
        end: u64,
        note: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        if self.output.is_held() {
            return Ok(false);
        }
        let out = self
            .output
            .bytes_out()
            .map_err(|e| self.explain(e.into()))?;
        match out >= end {
            true => note().map(|()| true),
            false => Ok(false),
        }
    }

    /// Waits until all records are read or on disk, gives a file its name or uploads an object, and
    /// then calls `note`.
    pub fn finish(&mut self, note: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.bring_out()?;
        note()
    }

    fn bring_out(&mut self) -> anyhow::Result<()> {
        let out = match (self.output.is_held(), self.is_noted) {
            (true, _) => self.output.finish(),
            (false, true) => self.output.wait_until_read(&self.stop),
            (false, false) => return self.flush(),
        };
        out.map_err(|e| self.explain(e))
    }

    fn explain(&self, e: anyhow::Error) -> anyhow::Error {
        match self.is_noted && error::reader_left(&e) {
            true => Failure::new(Status::Failed, READER_LEFT).into(),
            false => e,
        }
    }
}

const READER_LEFT: &str = "the reader closed stdout early. The records that it did not read are \
    not saved as exported. Run the same command again";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::Read;
    use std::thread;

    /// An output into a pipe, and the reading end of the pipe.
    fn pipe() -> (Output, File) {
        let (reader, writer) = std::io::pipe().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        let output = Output::file(path.as_ref()).unwrap();
        drop(writer);
        (output, std::os::fd::OwnedFd::from(reader).into())
    }

    #[test]
    fn a_note_is_made_when_the_pipe_is_read_to_its_end() {
        let (mut output, mut reader) = pipe();
        let mut commit = Commit::new(&mut output, &Stop::default(), true);
        commit.write_line(b"one").unwrap();
        let reading = thread::spawn(move || {
            let mut text = [0; 4];
            reader.read_exact(&mut text).unwrap();
            (reader, text)
        });
        let mut is_noted = false;
        let note = || {
            is_noted = true;
            Ok(())
        };
        assert!(commit.commit(note).unwrap());
        assert!(is_noted);
        assert_eq!(reading.join().unwrap().1, *b"one\n");
    }

    #[test]
    fn a_reader_that_left_gets_no_note() {
        for is_noted in [true, false] {
            let (mut output, reader) = pipe();
            let mut commit = Commit::new(&mut output, &Stop::default(), is_noted);
            commit.write_line(b"one").unwrap();
            drop(reader);
            let error = commit.commit(|| panic!("noted")).unwrap_err();
            assert_eq!(error::reader_left(&error), !is_noted, "{error:#}");
            assert_eq!(Status::of(&error) == Status::Failed, is_noted, "{error:#}");
        }
    }

    #[test]
    fn what_was_read_is_noted_without_a_wait() {
        let (mut output, mut reader) = pipe();
        let mut commit = Commit::new(&mut output, &Stop::default(), true);
        commit.write_line(b"one").unwrap();
        commit.write_line(b"two").unwrap();
        assert!(!commit.commit_up_to(4, || panic!("noted")).unwrap());
        reader.read_exact(&mut [0; 5]).unwrap();
        assert!(commit.commit_up_to(4, || Ok(())).unwrap());
        assert!(!commit.commit_up_to(8, || panic!("noted")).unwrap());
        drop(reader);
        assert!(commit.commit_up_to(4, || panic!("noted")).is_err());
    }

    #[test]
    fn a_stop_ends_the_wait_without_a_note() {
        let (mut output, _reader) = pipe();
        let stop = Stop::default();
        let mut commit = Commit::new(&mut output, &stop, true);
        commit.write_line(b"one").unwrap();
        stop.request(Status::Terminated);
        let error = commit.commit(|| panic!("noted")).unwrap_err();
        assert_eq!(Status::of(&error), Status::Terminated);
    }

    #[test]
    fn a_file_is_noted_when_it_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut output = Output::file(&path).unwrap();
        let mut commit = Commit::new(&mut output, &Stop::default(), true);
        commit.write_record(&1).unwrap();
        assert!(!commit.commit(|| panic!("noted")).unwrap());
        assert!(!path.exists());
        let mut is_noted = false;
        let note = || {
            assert_eq!(fs::read(&path).unwrap(), b"1\n");
            is_noted = true;
            Ok(())
        };
        commit.finish(note).unwrap();
        assert!(is_noted);
    }

    #[test]
    fn bytes_records_and_lines_leave_as_they_are_and_are_counted() {
        let (mut output, mut reader) = pipe();
        let mut commit = Commit::new(&mut output, &Stop::default(), false);
        assert_eq!(commit.bytes(), 0);
        commit.write_all(b"one\ntw").unwrap();
        commit.write_all(b"o\n").unwrap();
        commit.write_record(&["three"]).unwrap();
        commit.write_line(b"four").unwrap();
        commit.flush().unwrap();
        assert_eq!(commit.bytes(), 8 + 10 + 5);
        drop(output);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n[\"three\"]\nfour\n");
    }

    /// Closes the reading end of a pipe, and then writes to the pipe until the first error. Returns
    /// the status of this error.
    fn left(is_noted: bool, write: impl Fn(&mut Commit<'_>) -> anyhow::Result<()>) -> Status {
        let (mut output, reader) = pipe();
        drop(reader);
        let mut commit = Commit::new(&mut output, &Stop::default(), is_noted);
        let error = (0..100).find_map(|_| write(&mut commit).err()).unwrap();
        Status::of(&error)
    }

    #[test]
    fn each_way_to_write_says_that_the_reader_left() {
        let long = [b'x'; 40_000];
        for (is_noted, expected) in [(true, Status::Failed), (false, Status::Io)] {
            assert_eq!(left(is_noted, |c| c.write_line(&long)), expected);
            assert_eq!(left(is_noted, |c| c.write_all(&long)), expected);
            let text = "x".repeat(40_000);
            assert_eq!(left(is_noted, |c| c.write_record(&text)), expected);
            let flushed = |c: &mut Commit<'_>| c.write_line(b"x").and_then(|()| c.flush());
            assert_eq!(left(is_noted, flushed), expected);
        }
    }
}
