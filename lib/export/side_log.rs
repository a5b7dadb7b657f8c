//! A side log: a file of lines beside the state, for data that grows with every run. The state
//! stores how many bytes of the file are valid.
//!
//! The next run cuts off lines that were appended but not committed with the state. So the log and
//! the state always match, even after a kill, or if a user has not renamed the file of
//! `--state-out` to the file of `--state`. A log changes only at its end. To rewrite a log, a run
//! starts the next generation of the log in a new file; older generations are removed when no state
//! needs them. Each line has a [checksum](crate::os::checked_line), except lines from older
//! versions of callpipe.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::error;
use crate::os::{checked_line, files, private};

/// The mark that the state stores about a log: it says which part of the log is valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideLogMark {
    /// The number in the name of the file.
    pub generation: u64,
    /// The number of valid bytes, from the start of the file.
    pub bytes: u64,
}

/// An open log.
#[derive(Debug)]
pub struct SideLog {
    writer: BufWriter<File>,
    path: PathBuf,
    mark: SideLogMark,
}

/// The path of a side log: the path of the state, followed by `.NAME.GENERATION`.
fn path_of(state: &Path, name: &str, generation: u64) -> PathBuf {
    let mut path = state.as_os_str().to_owned();
    path.push(format!(".{name}.{generation}"));
    PathBuf::from(path)
}

impl SideLog {
    /// Opens the log and cuts off everything after `mark`. Returns an error with status 65 if the
    /// file is shorter than `mark` says.
    pub fn open(state: &Path, name: &str, mark: SideLogMark) -> anyhow::Result<SideLog> {
        let path = path_of(state, name, mark.generation);
        let place = || path.display().to_string();
        let mut file = private::open(&path).with_context(place)?;
        let length = file.metadata().with_context(place)?.len();
        if length == 0 {
            // If the file is new, its name must be synced, too.
            files::sync_parent(&path).with_context(place)?;
        }
        if length < mark.bytes {
            return Err(error::bad_input(format!(
                "it belongs to {} and is shorter than recorded there: restore it, or use a new \
                 state",
                state.display()
            )))
            .with_context(place);
        }
        files::cut(&file, mark.bytes).with_context(place)?;
        file.seek(SeekFrom::End(0)).with_context(place)?;
        Ok(SideLog {
            writer: BufWriter::new(file),
            path,
            mark,
        })
    }

    /// An empty side log of the generation after `mark`.
    pub fn begin_next(state: &Path, name: &str, mark: SideLogMark) -> anyhow::Result<SideLog> {
        let next = SideLogMark {
            generation: mark.generation + 1,
            bytes: 0,
        };
        SideLog::open(state, name, next)
    }

    /// Removes all generations of a side log, except those in `kept`.
    pub fn remove_others(state: &Path, name: &str, kept: &[u64]) -> anyhow::Result<()> {
        let prefix = path_of(state, name, 0);
        let Some(prefix) = prefix.file_name().and_then(|name| name.to_str()) else {
            return Ok(());
        };
        let prefix = prefix.trim_end_matches('0');
        let parent = state
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        for entry in fs::read_dir(parent.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            let name = entry.file_name();
            let generation = name.to_str().and_then(|name| name.strip_prefix(prefix));
            let generation = generation.and_then(|digits| {
                digits
                    .parse::<u64>()
                    .ok()
                    .filter(|number| number.to_string() == digits)
            });
            if generation.is_some_and(|generation| !kept.contains(&generation)) {
                files::remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Adds a line of words. The line becomes valid when a state is saved with the mark that the
    /// next [`SideLog::sync`] returns.
    pub fn append(&mut self, line: &str) -> anyhow::Result<()> {
        let place = || format!("writing {}", self.path.display());
        let mut line = line.to_owned();
        checked_line::seal_words(&mut line);
        line.push('\n');
        self.writer.write_all(line.as_bytes()).with_context(place)?;
        self.mark.bytes += line.len() as u64;
        Ok(())
    }

    /// Syncs the log, and returns the mark that the state must store.
    pub fn sync(&mut self) -> anyhow::Result<SideLogMark> {
        let place = || format!("writing {}", self.path.display());
        self.writer.flush().with_context(place)?;
        files::sync_data(self.writer.get_ref()).with_context(place)?;
        Ok(self.mark)
    }

    /// The lines of the log so far, from byte `from` on. The iterator returns an error with status
    /// 65 for a line that is not UTF-8 or whose checksum is wrong.
    pub fn lines(&mut self, from: u64) -> anyhow::Result<SideLogLines> {
        let place = || self.path.display().to_string();
        self.writer.flush().with_context(place)?;
        let mut file = File::open(&self.path).with_context(place)?;
        file.seek(SeekFrom::Start(from)).with_context(place)?;
        let length = self.mark.bytes.saturating_sub(from);
        Ok(SideLogLines {
            file: BufReader::new(file.take(length)),
            at: from,
            path: self.path.clone(),
        })
    }
}

/// The lines of a log, without their checksums. An error names the file, and the offset where the
/// line begins.
#[derive(Debug)]
pub struct SideLogLines {
    file: BufReader<io::Take<File>>,
    at: u64,
    path: PathBuf,
}

impl SideLogLines {
    /// The offset of the byte after the last returned line.
    pub fn position(&self) -> u64 {
        self.at
    }

    fn read(&mut self) -> anyhow::Result<Option<String>> {
        let mut line = String::new();
        let length = self.file.read_line(&mut line)?;
        let words = checked_line::verify_words(line.trim_end_matches(['\n', '\r']))
            .map_err(|_| {
                error::bad_input(
                    "the checksum of the line that begins there is wrong: it was damaged or edited; \
                     restore it, or use a new state",
                )
            })?;
        self.at += length as u64;
        Ok((length > 0).then(|| words.to_owned()))
    }
}

impl Iterator for SideLogLines {
    type Item = anyhow::Result<String>;

    fn next(&mut self) -> Option<anyhow::Result<String>> {
        let line = self.read();
        line.with_context(|| format!("{}, byte {}", self.path.display(), self.at))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    fn lines(log: &mut SideLog) -> Vec<String> {
        log.lines(0).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn what_no_state_counts_never_was() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("S");
        let mut log = SideLog::open(&state, "x", SideLogMark::default()).unwrap();
        log.append("one").unwrap();
        let mark = log.sync().unwrap();
        log.append("two").unwrap();
        log.sync().unwrap();
        drop(log);
        let mut log = SideLog::open(&state, "x", mark).unwrap();
        assert_eq!(lines(&mut log), ["one"]);
        log.append("three").unwrap();
        assert_eq!(lines(&mut log), ["one", "three"]);
    }

    #[test]
    fn one_that_is_too_short_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mark = SideLogMark {
            generation: 0,
            bytes: 4,
        };
        let error = SideLog::open(&dir.path().join("S"), "x", mark).unwrap_err();
        assert_eq!(Status::of(&error), Status::BadInput);
    }

    #[test]
    fn a_line_that_is_no_text_is_an_error_of_the_input() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("S");
        files::write_atomic(&dir.path().join("S.x.0"), b"one\n\xff\n").unwrap();
        let mark = SideLogMark {
            generation: 0,
            bytes: 6,
        };
        let mut log = SideLog::open(&state, "x", mark).unwrap();
        let mut lines = log.lines(0).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "one");
        let error = lines.next().unwrap().unwrap_err();
        assert_eq!(Status::of(&error), Status::BadInput);
        assert!(format!("{error:#}").contains("S.x.0"), "{error:#}");
    }

    #[test]
    fn old_generations_go_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("S");
        for name in [
            "S", "S.lock", "S.x.1", "S.x.2", "S.x.10", "S.x.+3", "S.x.old", "S.y.1", "T.x.1",
        ] {
            crate::os::files::write_atomic(&dir.path().join(name), b"").unwrap();
        }
        SideLog::remove_others(&state, "x", &[2]).unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "S", "S.lock", "S.x.+3", "S.x.2", "S.x.old", "S.y.1", "T.x.1"
            ]
        );
    }

    #[test]
    fn a_flipped_digit_is_an_error_and_lines_of_older_versions_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("S");
        files::write_atomic(&dir.path().join("S.x.0"), b"7 a\n").unwrap();
        let mark = SideLogMark {
            generation: 0,
            bytes: 4,
        };
        let mut log = SideLog::open(&state, "x", mark).unwrap();
        log.append("8 b").unwrap();
        let mark = log.sync().unwrap();
        assert_eq!(lines(&mut log), ["7 a", "8 b"]);
        let mut bytes = fs::read(dir.path().join("S.x.0")).unwrap();
        bytes[4] = b'9';
        files::write_atomic(&dir.path().join("S.x.0"), &bytes).unwrap();
        let mut log = SideLog::open(&state, "x", mark).unwrap();
        let error = log.lines(4).unwrap().next().unwrap().unwrap_err();
        assert_eq!(Status::of(&error), Status::BadInput);
        assert!(format!("{error:#}").contains("S.x.0, byte 4"), "{error:#}");
    }
}
