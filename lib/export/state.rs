//! The state of a program between runs: a small JSON file that is replaced as a whole, used by one
//! run at a time, and valid only for the settings that it was made with.
//!
//! ```text
//! {"program":"…","version":1,"saved_at":"…","settings":{…},"data":{…},"crc":"xxxxxxxx"}
//! ```
//!
//! The [checksum](crate::os::checked_line) at its end covers the rest. A state without one is
//! older, or was edited on purpose.
//!
//! `--state S` is read and replaced. With `--state-out S.next`, S is only read, and the new state
//! goes to S.next: a script commits it with `mv` after the records are loaded. The lock is a file
//! beside S, because each save replaces S.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cli::named_files::NamedFiles;
use crate::error;
use crate::os::checked_line::{self, LineDamage};
use crate::os::{files, locks, private, replaceable};
use crate::time::Timestamp;

/// The flags of a program with a state.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "State")]
pub struct StateArgs {
    /// Continue where the last run with FILE stopped, and save the new position there. The
    /// position is saved only after the records were read or written to disk. Only one run
    /// at a time can use FILE; a second one exits with status 75.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Do not change --state; write the new position to FILE instead. FILE is complete
    /// after every run that exits with 0. Move it to --state when the records are loaded.
    /// Use this if the program that reads the records may fail.
    #[arg(long, value_name = "FILE", requires = "state")]
    pub state_out: Option<PathBuf>,
}

impl StateArgs {
    /// The files that these flags name.
    pub fn name_files(&self, files: &mut NamedFiles) {
        files.write("--state", &self.state);
        files.write(
            "the lock of --state",
            self.state.as_deref().map(lock_of).as_ref(),
        );
        files.write("--state-out", &self.state_out);
    }
}

/// The locked state of one program; dropping it releases the lock.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    target: PathBuf,
    program: &'static str,
    version: u32,
    settings: Map<String, Value>,
    later: &'static [&'static str],
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct Content<S, D> {
    program: String,
    version: u32,
    saved_at: Timestamp,
    settings: S,
    data: D,
}

impl State {
    /// Locks the state and reads it; `None` without `--state`, and no data if the file does not
    /// exist yet. Status 75 if another run holds it, 65 if it is not a state of this program, 2 if
    /// it was made with other settings. A state without one of the settings in `later` is older
    /// than that setting, and is accepted.
    pub fn open<D: DeserializeOwned>(
        args: &StateArgs,
        program: &'static str,
        version: u32,
        settings: Map<String, Value>,
        later: &'static [&'static str],
    ) -> anyhow::Result<Option<(State, Option<D>)>> {
        let Some(path) = &args.state else {
            return Ok(None);
        };
        let path = files::real(path);
        let place = || path.display().to_string();
        if path.exists() && !path.is_file() {
            return Err(error::usage("not a regular file")).with_context(place);
        }
        files::create_parent(&path)?;
        let lock = lock(&path).with_context(place)?;
        let target = match &args.state_out {
            None => path.clone(),
            Some(out) => {
                let out = files::real(out);
                // What a failed run left there must not be committed by this one.
                files::remove(&out)?;
                out
            }
        };
        // Before records leave: afterwards it would be too late to fail.
        replaceable::check(&target)?;
        drop(files::temp_beside(&target)?);
        files::tidy_beside(&target);
        let state = State {
            target,
            program,
            version,
            settings,
            later,
            _lock: lock,
            path,
        };
        let data = state
            .read()
            .with_context(|| state.path.display().to_string())?;
        Ok(Some((state, data)))
    }

    /// Where it is read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a saved state counts at once, without a `mv`.
    pub fn is_direct(&self) -> bool {
        self.path == self.target
    }

    /// Replaces the state. It is on the disk when this returns.
    pub fn save<D: Serialize>(&self, data: &D, now: Timestamp) -> anyhow::Result<()> {
        let mut bytes = serde_json::to_vec(&Content {
            program: self.program.to_owned(),
            version: self.version,
            saved_at: now,
            settings: &self.settings,
            data,
        })?;
        checked_line::seal(&mut bytes);
        bytes.push(b'\n');
        files::write_atomic(&self.target, &bytes)
    }

    fn read<D: DeserializeOwned>(&self) -> anyhow::Result<Option<D>> {
        let text = match std::fs::read(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let broken = |e: serde_json::Error| {
            error::bad_input(format!(
                "the state cannot be read ({e}): restore a copy, or remove it to start again"
            ))
        };
        let damaged = |damage: LineDamage| {
            error::bad_input(format!(
                "the state cannot be trusted ({damage}): restore a copy, or remove it to start \
                 again; if you edited it, remove its \"crc\""
            ))
        };
        let content: Content<Map<String, Value>, Value> =
            serde_json::from_slice(&text).map_err(broken)?;
        checked_line::verify(&text).map_err(damaged)?;
        if content.program != self.program {
            return Err(error::bad_input(format!(
                "it is the state of {}, not of {}",
                content.program, self.program
            )));
        }
        if content.version > self.version {
            return Err(error::usage(format!(
                "it was written by a newer {} (version {} of its form, not {})",
                self.program, content.version, self.version
            )));
        }
        self.compare(&content.settings)?;
        serde_json::from_value(content.data)
            .map(Some)
            .map_err(broken)
    }

    fn compare(&self, known: &Map<String, Value>) -> anyhow::Result<()> {
        let names = self.settings.keys().chain(known.keys());
        let show = |value: Option<&Value>| match value {
            None | Some(Value::Null) => "none".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let is_older = |name: &str| self.later.contains(&name) && !known.contains_key(name);
        for name in names.filter(|name| !is_older(name)) {
            let (ours, theirs) = (self.settings.get(name), known.get(name));
            if show(ours) != show(theirs) {
                return Err(error::usage(format!(
                    "this state was made with {name} = {}, not {}: use the same value, or another \
                     --state",
                    show(theirs),
                    show(ours)
                )));
            }
        }
        Ok(())
    }
}

/// The lock of a state.
fn lock_of(state: &Path) -> PathBuf {
    let mut name = files::real(state).into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

fn lock(state: &Path) -> anyhow::Result<File> {
    let file = private::open(&lock_of(state))?;
    locks::require(&file)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    fn settings(url: &str) -> Map<String, Value> {
        Map::from_iter([("base_url".to_owned(), url.into())])
    }

    fn open(
        dir: &tempfile::TempDir,
        out: Option<&str>,
        url: &str,
    ) -> anyhow::Result<(State, Option<u64>)> {
        let args = StateArgs {
            state: Some(dir.path().join("a/S")),
            state_out: out.map(|out| dir.path().join(out)),
        };
        Ok(State::open(&args, "x", 2, settings(url), &[])?.unwrap())
    }

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    #[test]
    fn what_was_saved_is_read_back_under_the_same_settings_only() {
        let dir = tempfile::tempdir().unwrap();
        let (state, data) = open(&dir, None, "u").unwrap();
        assert_eq!(data, None);
        state.save(&7, NOW).unwrap();
        drop(state);
        assert_eq!(open(&dir, None, "u").unwrap().1, Some(7));
        let other = open(&dir, None, "v").unwrap_err();
        assert_eq!(Status::of(&other), Status::Usage);
        assert!(
            format!("{other:#}").contains("base_url = u, not v"),
            "{other:#}"
        );
    }

    #[test]
    fn with_an_out_file_the_state_itself_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        files::write_atomic(&dir.path().join("a/next"), b"stale").unwrap();
        let (state, _) = open(&dir, Some("a/next"), "u").unwrap();
        assert!(
            !dir.path().join("a/next").exists(),
            "nobody commits a stale one"
        );
        state.save(&7, NOW).unwrap();
        drop(state);
        assert_eq!(open(&dir, None, "u").unwrap().1, None);
        std::fs::rename(dir.path().join("a/next"), dir.path().join("a/S")).unwrap();
        assert_eq!(open(&dir, None, "u").unwrap().1, Some(7));
    }

    #[test]
    fn a_broken_state_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = open(&dir, None, "u").unwrap();
        state.save(&7, NOW).unwrap();
        drop(state);
        let path = dir.path().join("a/S");
        let good = std::fs::read_to_string(&path).unwrap();
        for bad in [
            "",
            "7",
            "{",
            &good[..good.len() / 2],
            &good.replace('7', "\"x\""),
        ] {
            files::write_atomic(&path, bad.as_bytes()).unwrap();
            let error = open(&dir, None, "u").unwrap_err();
            assert_eq!(Status::of(&error), Status::BadInput, "{bad}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), *bad);
        }
        // One digit is another: it is still JSON, and yet not what was saved.
        let flipped = good.replace("\"data\":7", "\"data\":8");
        files::write_atomic(&path, flipped.as_bytes()).unwrap();
        let error = open(&dir, None, "u").unwrap_err();
        assert_eq!(Status::of(&error), Status::BadInput);
        assert!(
            format!("{error:#}").contains("remove its \"crc\""),
            "{error:#}"
        );
        // As older versions wrote it.
        let good = format!("{}}}\n", &good[..good.find(",\"crc\"").unwrap()]);
        let write = |text: String| files::write_atomic(&path, text.as_bytes()).unwrap();
        write(good.clone());
        assert_eq!(open(&dir, None, "u").unwrap().1, Some(7));
        write(good.replace("\"x\"", "\"y\""));
        assert!(format!("{:#}", open(&dir, None, "u").unwrap_err()).contains("the state of y"));
        write(good.replace("\"version\":2", "\"version\":3"));
        let newer = open(&dir, None, "u").unwrap_err();
        assert_eq!(Status::of(&newer), Status::Usage);
    }
}
