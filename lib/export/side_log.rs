//! What is too much for a state file and grows with every run: lines in a file
//! beside it, of which the state says how many bytes count.
//!
//! What was appended and not committed with the state is cut off by the next run,
//! so that both are always in step, whatever was killed and whether or not a
//! `--state-out` was ever moved to its place. A log is never changed but at its
//! end; to write it anew is to begin the next generation, a file of its own, and
//! the older ones go when no state needs them any more.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::error;
use crate::os::{files, private};

/// As much of a log as counts: goes into the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideLogMark {
    /// Which file.
    pub generation: u64,
    /// How many bytes of it.
    pub bytes: u64,
}

/// An open log.
#[derive(Debug)]
pub struct SideLog {
    writer: BufWriter<File>,
    path: PathBuf,
    mark: SideLogMark,
}

/// Where generation `generation` of the log `name` of a state lies.
fn path_of(state: &Path, name: &str, generation: u64) -> PathBuf {
    let mut path = state.as_os_str().to_owned();
    path.push(format!(".{name}.{generation}"));
    PathBuf::from(path)
}

impl SideLog {
    /// Opens what `mark` says and cuts off the rest; status 65 if there is less.
    pub fn open(state: &Path, name: &str, mark: SideLogMark) -> anyhow::Result<SideLog> {
        let path = path_of(state, name, mark.generation);
        let place = || path.display().to_string();
        let mut file = private::open(&path).with_context(place)?;
        let length = file.metadata().with_context(place)?.len();
        if length == 0 {
            // It may be new: its name belongs on the disk, too.
            files::sync_parent(&path).with_context(place)?;
        }
        if length < mark.bytes {
            return Err(error::bad_input(format!(
                "it belongs to {} and is shorter than that says: put it back, or begin with another state",
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

    /// Removes the generations of a side log that are not `kept`.
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

    /// Adds a line, which is no part of the side log before [`SideLog::sync`].
    pub fn append(&mut self, line: &str) -> anyhow::Result<()> {
        let place = || format!("writing {}", self.path.display());
        self.writer.write_all(line.as_bytes()).with_context(place)?;
        self.writer.write_all(b"\n").with_context(place)?;
        self.mark.bytes += line.len() as u64 + 1;
        Ok(())
    }

    /// Brings everything onto the disk, and says what the state has to say.
    pub fn sync(&mut self) -> anyhow::Result<SideLogMark> {
        let place = || format!("writing {}", self.path.display());
        self.writer.flush().with_context(place)?;
        files::sync_data(self.writer.get_ref()).with_context(place)?;
        Ok(self.mark)
    }

    /// Its lines so far, from byte `from` on. Status 65 for one that is no text.
    pub fn lines(&mut self, from: u64) -> anyhow::Result<SideLogLines> {
        let place = || self.path.display().to_string();
        self.writer.flush().with_context(place)?;
        let mut file = File::open(&self.path).with_context(place)?;
        file.seek(SeekFrom::Start(from)).with_context(place)?;
        let length = self.mark.bytes.saturating_sub(from);
        Ok(SideLogLines {
            lines: BufReader::new(file.take(length)).lines(),
            path: self.path.clone(),
        })
    }
}

/// Lines of a log. An error names the file.
#[derive(Debug)]
pub struct SideLogLines {
    lines: io::Lines<BufReader<io::Take<File>>>,
    path: PathBuf,
}

impl Iterator for SideLogLines {
    type Item = anyhow::Result<String>;

    fn next(&mut self) -> Option<anyhow::Result<String>> {
        let line = self.lines.next()?;
        Some(line.with_context(|| self.path.display().to_string()))
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
}
