//! Notes about unlisted ZIPs in a directory: a file for each run that has not succeeded. A run
//! holds a lock on its file until the run ends.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::unlisted::{NotePlace, OtherNotes};
use crate::os::files;
use crate::os::locks::{self, LockOutcome};
use crate::os::unsynced;

/// The start and the end of the file name of a note, with a number between them.
const PREFIX: &str = ".callpipe-";
const SUFFIX: &str = ".unlisted";

/// Stores the notes about unlisted ZIPs of a lake in a directory.
#[derive(Debug)]
pub(super) struct DirectoryNotes {
    root: PathBuf,
    own: Option<OwnNotes>,
}

#[derive(Debug)]
struct OwnNotes {
    path: PathBuf,
    file: File,
    /// The length of the file in bytes: `length` counts the last line, `before` does not.
    before: u64,
    length: u64,
}

impl DirectoryNotes {
    pub(super) fn new(root: &Path) -> DirectoryNotes {
        DirectoryNotes {
            root: root.to_owned(),
            own: None,
        }
    }
}

impl NotePlace for DirectoryNotes {
    fn others(&self) -> anyhow::Result<OtherNotes> {
        let place = || format!("reading {}", self.root.display());
        let mut others = OtherNotes::new();
        for entry in fs::read_dir(&self.root).with_context(place)? {
            let path = entry.with_context(place)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_own = self.own.as_ref().is_some_and(|own| own.path == path);
            if is_own || !name.starts_with(PREFIX) || !name.ends_with(SUFFIX) {
                continue;
            }
            let text = left(&path).with_context(|| format!("reading {}", path.display()))?;
            others.extend(text.map(|text| (name.into_owned(), text)));
        }
        Ok(others)
    }

    fn add(&mut self, zip: &str) -> anyhow::Result<()> {
        let own = match &mut self.own {
            Some(own) => own,
            None => self.own.insert(create(&self.root)?),
        };
        let line = format!("{zip}\n");
        own.before = own.length;
        own.length += line.len() as u64;
        let written = own.file.write_all(line.as_bytes());
        let written = written.and_then(|()| files::sync_data(&own.file));
        let written = written.with_context(|| format!("writing {}", own.path.display()));
        if written.is_err() {
            self.take_back();
        }
        written
    }

    fn take_back(&mut self) {
        let Some(own) = &mut self.own else {
            return;
        };
        own.length = own.before;
        if own.length > 0 {
            let _ = files::cut(&own.file, own.length);
        } else {
            let _ = unsynced::remove(&own.path);
            self.own = None;
        }
    }

    fn remove_other(&self, name: &str) -> anyhow::Result<()> {
        remove(&self.root.join(name))
    }

    fn remove_own(&mut self) -> anyhow::Result<()> {
        match self.own.take() {
            Some(own) => remove(&own.path),
            None => Ok(()),
        }
    }
}

fn create(root: &Path) -> anyhow::Result<OwnNotes> {
    let mut number = 1_u64;
    loop {
        let path = root.join(format!("{PREFIX}{number}{SUFFIX}"));
        let place = || format!("writing {}", path.display());
        if let Some(file) = unsynced::create_new(&path).with_context(place)? {
            locks::try_lock(&file).with_context(place)?;
            files::sync_each(&[root])?;
            return Ok(OwnNotes {
                path,
                file,
                before: 0,
                length: 0,
            });
        }
        number += 1;
    }
}

/// Reads the text of another run's note; `None` if that run has not ended, or if the note was
/// removed.
fn left(path: &Path) -> io::Result<Option<String>> {
    let is_gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if is_gone(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    match locks::try_lock(&file)? {
        LockOutcome::Held => Ok(None),
        LockOutcome::Locked | LockOutcome::Unsupported => io::read_to_string(file).map(Some),
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match unsynced::remove(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("removing {}", path.display())),
    }
}
