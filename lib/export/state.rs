//! The state of a program between runs: a small JSON file. It is replaced as a whole, used by one
//! run at a time, and valid only for the settings that it was made with.
//!
//! ```text
//! {"program":"…","version":1,"saved_at":"…","settings":{…},"data":{…},"crc":"xxxxxxxx"}
//! ```
//!
//! The [checksum](crate::os::checked_line) at the end of the state covers everything before it. A
//! state without a checksum is from an older version of callpipe, or a user edited it and removed
//! the checksum.
//!
//! With `--state S`, the file S is read and replaced. With `--state-out S.next`, S is only read,
//! and the new state is written to S.next. A script renames S.next to S after the records are
//! loaded. The lock is a file beside S, because each save replaces S. A state in a bucket has a
//! lease instead of the lock. Such a state is written only if no other process has changed it since
//! it was read.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::service::BucketService;
use crate::cli::named_files::NamedFiles;
use crate::cli::output::Output;
use crate::error;
use crate::export::leased_state::{LeasedState, SideObjects};
use crate::export::state_form::{ReadState, StateForm};
use crate::export::versioned_object::VersionedObject;
use crate::net::connection::Connection;
use crate::os::{files, locks, private, replaceable};
use crate::time::Timestamp;

/// The flags of a program with a state.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "State")]
pub struct StateArgs {
    /// Continue where the last run with FILE stopped; save the new position in FILE. The position
    /// is saved only after the records are on disk, or the reader of stdout has read them. Only one
    /// run at a time can use FILE; a second one exits with status 75. FILE may be an object
    /// s3://BUCKET/KEY. In the name of --output, `{state}` is replaced by the time of the save and
    /// a checksum of FILE, or by `start` if FILE does not exist. So after a killed run, the next
    /// run writes the same output file again, and each record is in one output file.
    #[arg(long, value_name = "FILE", value_parser = FileOrObject::parser())]
    pub state: Option<FileOrObject>,

    /// Do not change the file of --state; write the new position to FILE instead. FILE is complete
    /// after every run that exits with 0. Rename FILE to the file of --state when the records are
    /// loaded. Use this flag if the program that reads the records may fail. FILE may be an object
    /// s3://BUCKET/KEY.
    #[arg(long, value_name = "FILE", value_parser = FileOrObject::parser(), requires = "state")]
    pub state_out: Option<FileOrObject>,
}

impl StateArgs {
    /// The files and objects that these flags name.
    pub fn name_files(&self, files: &mut NamedFiles) {
        let file = |place: &Option<FileOrObject>| place.as_ref()?.file().cloned();
        let state = file(&self.state);
        files.write("--state", &state);
        files.write(
            "the lock of --state",
            state.as_deref().map(lock_of).as_ref(),
        );
        files.write("--state-out", &file(&self.state_out));
        for (option, place) in [("--state", &self.state), ("--state-out", &self.state_out)] {
            if let Some(url) = place.as_ref().and_then(FileOrObject::object) {
                files.write_object(option, url.to_string());
            }
        }
    }
}

/// The tools to access a state in a bucket.
#[derive(Clone)]
pub struct StateAccess<'a> {
    /// The network connection.
    pub connection: &'a Connection,
    /// A number that is different in every process.
    pub seed: u64,
    /// The environment, with settings and credentials.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The directory for copies of side logs.
    pub temp_dir: PathBuf,
}

impl fmt::Debug for StateAccess<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateAccess in {}", self.temp_dir.display())
    }
}

impl StateAccess<'_> {
    fn service(&self) -> anyhow::Result<Arc<BucketService>> {
        BucketService::from_env(self.connection, self.seed, self.env).map(Arc::new)
    }
}

/// The state of one program, locked until this value is dropped.
#[derive(Debug)]
pub struct State {
    source: StateSource,
    target: StateTarget,
    is_direct: bool,
    form: StateForm,
    /// The name of the state that was read; `start` if there was none.
    name: String,
}

/// The place from which the state was read.
#[derive(Debug)]
enum StateSource {
    /// A file, and the lock beside it.
    File { path: PathBuf, _lock: File },
    /// An object, and its lease.
    Object(LeasedState),
}

/// The place to which the new state is written.
#[derive(Debug)]
enum StateTarget {
    File(PathBuf),
    Object(VersionedObject),
}

impl State {
    /// Locks the state and reads it. Returns `None` without `--state`, and no data if the state
    /// does not exist yet. Returns an error with status 75 if another run has the lock, 65 if the
    /// content is not a state of this program, or 2 if the state was made with other settings. The
    /// settings in `later` are newer than some states: a state without them is accepted.
    pub fn open<D: DeserializeOwned>(
        args: &StateArgs,
        program: &'static str,
        version: u32,
        settings: Map<String, Value>,
        later: &'static [&'static str],
        access: &StateAccess<'_>,
    ) -> anyhow::Result<Option<(State, Option<D>)>> {
        let Some(place) = &args.state else {
            return Ok(None);
        };
        let form = StateForm {
            program,
            version,
            settings,
            later,
        };
        let (state, data) = match place {
            FileOrObject::File(path) => State::of_file(path, args, form, access)?,
            FileOrObject::Object(_) => State::of_object(place, args, form, access)?,
        };
        Ok(Some((state, data)))
    }

    fn of_file<D: DeserializeOwned>(
        path: &Path,
        args: &StateArgs,
        form: StateForm,
        access: &StateAccess<'_>,
    ) -> anyhow::Result<(State, Option<D>)> {
        let path = files::real(path);
        let place = || path.display().to_string();
        if path.exists() && !path.is_file() {
            return Err(error::usage("not a regular file")).with_context(place);
        }
        files::create_parent(&path)?;
        let lock = lock(&path).with_context(place)?;
        let target = match &args.state_out {
            None => file_target(path.clone())?,
            Some(out) => out_target(out, access)?,
        };
        let read = match std::fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            text => Some(
                text.map_err(Into::into)
                    .and_then(|text| form.read(&text))
                    .with_context(place)?,
            ),
        };
        let (name, data) = split(read);
        let is_direct = matches!(&target, StateTarget::File(out) if *out == path);
        let state = State {
            source: StateSource::File { path, _lock: lock },
            target,
            is_direct,
            form,
            name,
        };
        Ok((state, data))
    }

    fn of_object<D: DeserializeOwned>(
        place: &FileOrObject,
        args: &StateArgs,
        form: StateForm,
        access: &StateAccess<'_>,
    ) -> anyhow::Result<(State, Option<D>)> {
        let FileOrObject::Object(url) = place else {
            return Err(error::usage(format!("{place}: no address in a bucket")));
        };
        let service = access.service()?;
        let mut leased = LeasedState::take(&service, url, &access.temp_dir)?;
        let found = service.get(url)?;
        let is_direct = args.state_out.is_none();
        let target = match &args.state_out {
            None => {
                let etag = found.as_ref().map(|found| found.etag.clone());
                StateTarget::Object(VersionedObject::new(&service, url, etag))
            }
            Some(out) => out_target(out, access)?,
        };
        let read = match found {
            None => None,
            Some(found) => {
                let mut read = form.read(&found.bytes).with_context(|| url.to_string())?;
                leased.fetch(std::mem::take(&mut read.files))?;
                Some(read)
            }
        };
        let (name, data) = split(read);
        let state = State {
            source: StateSource::Object(leased),
            target,
            is_direct,
            form,
            name,
        };
        Ok((state, data))
    }

    /// Opens `output`, if its name contains `{state}`. The name of the state that was read replaces
    /// `{state}`; if there was no state, `start` replaces it. So two runs that continue from one
    /// state write the same file or object.
    pub fn name_output(&self, output: &mut Output) -> anyhow::Result<()> {
        output.fill_name(&self.name)
    }

    /// Checks that this run still has the lease of a state in a bucket. The caller does this before
    /// [`Output::finish`]. Returns an error with status 75 if another run has taken the lease: that
    /// run may have written the same records already, perhaps to the same object.
    pub fn confirm(&self) -> anyhow::Result<()> {
        match &self.source {
            StateSource::Object(leased) => leased.confirm(),
            StateSource::File { .. } => Ok(()),
        }
    }

    /// The start of the paths of the side logs. Each of these paths continues with
    /// `.NAME.GENERATION`. For a state in a bucket, the side logs at these paths are copies, and
    /// [`State::save`] writes them to the bucket.
    pub fn path(&self) -> PathBuf {
        match &self.source {
            StateSource::File { path, .. } => path.clone(),
            StateSource::Object(leased) => leased.path(),
        }
    }

    /// Whether [`State::save`] replaces the state that was read. With `--state-out`, only a later
    /// `mv` replaces that state.
    pub fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// Saves the state, and waits until it is on disk or in the bucket. Returns an error with
    /// status 75 if another run has replaced the object in the bucket meanwhile.
    pub fn save<D: Serialize>(&self, data: &D, now: Timestamp) -> anyhow::Result<()> {
        let logs = match &self.source {
            StateSource::File { .. } => SideObjects::new(),
            StateSource::Object(leased) => leased.publish()?,
        };
        let bytes = self.form.write(data, &logs, now)?;
        match &self.target {
            StateTarget::File(path) => files::write_atomic(path, &bytes)?,
            StateTarget::Object(object) if !object.replace(&bytes)? => {
                let lost = match &self.source {
                    StateSource::Object(leased) => leased.lost(),
                    StateSource::File { .. } => {
                        error::try_later("another run has changed it meanwhile")
                    }
                };
                return Err(lost.context(object.url().to_string()));
            }
            StateTarget::Object(_) => {}
        }
        if let StateSource::Object(leased) = &self.source {
            leased.tidy(logs, self.is_direct);
        }
        Ok(())
    }
}

/// The name of the state that was read, and its data.
fn split<D>(read: Option<ReadState<D>>) -> (String, Option<D>) {
    match read {
        None => (NO_STATE.to_owned(), None),
        Some(read) => (read.name, Some(read.data)),
    }
}

/// The name that replaces `{state}` when there is no state yet.
const NO_STATE: &str = "start";

/// Prepares the target of `--state-out`. Deletes the state that an earlier run left there, so that
/// no script uses the old state if this run fails.
fn out_target(out: &FileOrObject, access: &StateAccess<'_>) -> anyhow::Result<StateTarget> {
    match out {
        FileOrObject::File(out) => {
            let out = files::real(out);
            files::remove(&out)?;
            file_target(out)
        }
        FileOrObject::Object(url) => {
            let service = access.service()?;
            service.delete(url)?;
            Ok(StateTarget::Object(VersionedObject::new(
                &service, url, None,
            )))
        }
    }
}

/// Checks that a new state can replace the file `target`. The caller does this before it prints
/// records, because an error costs no work then.
fn file_target(target: PathBuf) -> anyhow::Result<StateTarget> {
    replaceable::check(&target)?;
    drop(files::temp_beside(&target)?);
    files::tidy_beside(&target);
    Ok(StateTarget::File(target))
}

/// The path of the lock file beside a state.
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
            state: Some(FileOrObject::File(dir.path().join("a/S"))),
            state_out: out.map(|out| FileOrObject::File(dir.path().join(out))),
        };
        let connection = Connection::manual(NOW);
        let access = StateAccess {
            connection: &connection,
            seed: 1,
            env: &|_| None,
            temp_dir: dir.path().to_owned(),
        };
        Ok(State::open(&args, "x", 2, settings(url), &[], &access)?.unwrap())
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
        // With one digit changed, the text is still JSON, but not the state that was saved.
        let flipped = good.replace("\"data\":7", "\"data\":8");
        files::write_atomic(&path, flipped.as_bytes()).unwrap();
        let error = open(&dir, None, "u").unwrap_err();
        assert_eq!(Status::of(&error), Status::BadInput);
        assert!(
            format!("{error:#}").contains("remove its \"crc\""),
            "{error:#}"
        );
        // A state as older versions wrote it.
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

    #[test]
    fn a_state_that_cannot_be_read_is_not_a_new_one() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        open(&dir, None, "u").unwrap().0.save(&7, NOW).unwrap();
        let path = dir.path().join("a/S");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        // The superuser can read the file in spite of its mode.
        if std::fs::read(&path).is_err() {
            assert!(open(&dir, None, "u").is_err());
        }
    }

    #[test]
    fn a_state_knows_its_path_and_whether_it_is_its_own_target() {
        let dir = tempfile::tempdir().unwrap();
        let (state, _) = open(&dir, None, "u").unwrap();
        assert!(state.is_direct());
        assert_eq!(state.path(), files::real(&dir.path().join("a/S")));
        drop(state);
        assert!(!open(&dir, Some("a/next"), "u").unwrap().0.is_direct());
    }

    #[test]
    fn a_setting_that_is_newer_than_the_state_is_no_difference() {
        let form = |url: &str| StateForm {
            program: "x",
            version: 1,
            settings: settings(url),
            later: &["base_url"],
        };
        let none = StateForm {
            settings: Map::new(),
            ..form("u")
        };
        let write = |form: &StateForm| form.write(&7, &Default::default(), NOW).unwrap();
        let (old, new) = (write(&none), write(&form("v")));
        assert_eq!(form("u").read::<u64>(&old).unwrap().data, 7);
        assert!(form("u").read::<u64>(&new).is_err());
        let strict = StateForm {
            later: &[],
            ..form("u")
        };
        assert!(strict.read::<u64>(&old).is_err());
    }
}
