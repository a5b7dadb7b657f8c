//! Files and directories that only the user who owns them can access.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use crate::os::files::{self, PRIVATE};
use crate::os::locks::{self, LockOutcome};

/// Opens a file to read and write it; creates it if it does not exist. Only its user can access a
/// new file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
}

/// The start of the name of a [`PrivateDirectory`], and the number of random characters after it.
const PREFIX: &str = "callpipe-private-";
const RANDOM: usize = 16;

/// A directory that only its user can access. When this value is dropped, the directory is deleted.
/// Until then the directory is locked, so that a later run recognises directories of killed runs.
#[derive(Debug)]
pub(crate) struct PrivateDirectory {
    made: TempDir,
    // Dropped after `made`, so the directory is locked until it is deleted.
    _lock: File,
}

impl PrivateDirectory {
    /// Creates a private directory in `parent`, and deletes private directories of killed runs.
    pub(crate) fn create(parent: &Path) -> anyhow::Result<PrivateDirectory> {
        let place = || format!("creating a directory in {}", parent.display());
        if let Err(e) = remove_leftovers(parent) {
            log::debug!(
                "{}: cannot remove a directory of a killed run: {e}",
                parent.display()
            );
        }
        loop {
            let made = tempfile::Builder::new()
                .prefix(PREFIX)
                .rand_bytes(RANDOM)
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir_in(parent)
                .with_context(place)?;
            let lock = File::open(made.path()).with_context(place)?;
            let outcome = locks::try_lock(&lock).with_context(place)?;
            // Another run may have deleted the directory as a leftover before this run locked it.
            if outcome != LockOutcome::Held && made.path().exists() {
                return Ok(PrivateDirectory { made, _lock: lock });
            }
        }
    }

    /// The path of the directory.
    pub(crate) fn path(&self) -> &Path {
        self.made.path()
    }
}

/// Deletes the private directories in `parent` that no run has locked, and the files in them.
/// Returns an error if such a directory contains another directory.
fn remove_leftovers(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if random.is_none_or(|random| random.len() != RANDOM) {
            continue;
        }
        let there = entry.metadata()?;
        if !there.is_dir() || !files::is_own(&there) {
            continue;
        }
        let directory = File::open(entry.path())?;
        if locks::try_lock(&directory)? != LockOutcome::Locked {
            continue;
        }
        for file in fs::read_dir(entry.path())? {
            let file = file?;
            if file.file_type()?.is_file() {
                fs::remove_file(file.path())?;
            }
        }
        fs::remove_dir(entry.path())?;
    }
    Ok(())
}

/// Creates a directory and its missing parents. Only their user can access the new directories.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The directory `callpipe` in the cache directory `home`, created if it is missing. The error text
/// says why the directory cannot be used.
pub(crate) fn cache_directory(home: &Path) -> Result<PathBuf, String> {
    let directory = home.join("callpipe");
    let wrong = match create_directory(&directory) {
        Err(e) => Some(e.to_string()),
        Ok(()) => distrust(&directory).unwrap_or_else(|e| Some(e.to_string())),
    };
    match wrong {
        Some(why) => Err(format!("{}: {why}", directory.display())),
        None => Ok(directory),
    }
}

/// The reason why a path is not safe for a secret, for example that other users can access it;
/// `None` if the path is safe.
pub(crate) fn distrust(path: &Path) -> io::Result<Option<String>> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(Some("is a symbolic link".to_owned()));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Ok(Some("belongs to another user".to_owned()));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Ok(Some(format!(
            "other users can access it (mode {mode:03o}); run chmod go= on it"
        )));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_and_what_another_uses_stays() {
        let dir = tempfile::tempdir().unwrap();
        let alive = PrivateDirectory::create(dir.path()).unwrap();
        files::write_atomic(&alive.path().join("state.exported.1"), b"x").unwrap();
        let leftover = |name: &str, file: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            files::write_atomic(&path.join(file), b"x").unwrap();
            path
        };
        let killed = leftover("callpipe-private-0123456789abcdef", ".callpipe-Ab1def.tmp");
        let others = [
            leftover("callpipe-private-notes", "x"),
            leftover("callpipe-0123456789abcdef", "x"),
        ];
        let next = PrivateDirectory::create(dir.path()).unwrap();
        assert!(!killed.exists() && alive.path().join("state.exported.1").exists());
        assert!(others.iter().all(|other| other.join("x").exists()));
        // A leftover with a directory in it is not deleted, because no run makes such a directory.
        let odd = leftover("callpipe-private-0123456789abcdef", "x");
        fs::create_dir(odd.join("deep")).unwrap();
        let last = PrivateDirectory::create(dir.path()).unwrap();
        assert!(odd.join("deep").exists() && !odd.join("x").exists());
        drop((alive, next, last));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn nobody_else_may_look_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let private = PrivateDirectory::create(dir.path()).unwrap();
        let mode = fs::metadata(private.path()).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
