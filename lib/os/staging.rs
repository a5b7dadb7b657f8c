//! A directory for files that do not have their final names yet. It is beside the final files.
//!
//! Beside the directory is a lock file, which is locked while the run is alive. So a later run can
//! distinguish the directory of a killed run from the directory of a running one. The files in the
//! directory have numbers as names, so that a file pattern for the data never matches them. This
//! module removes only files with such names from the directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::NamedTempFile;

use crate::os::files;

/// The name of the directory is the name of the lock file followed by this suffix.
const SUFFIX: &str = ".d";

/// A staging directory. When this value is dropped, the directory and its numbered files are
/// removed.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    /// The lock file. It is removed only after the directory.
    _lock: NamedTempFile,
}

impl Staging {
    /// Creates a staging directory in `directory`, and removes staging directories of killed runs.
    pub fn new(directory: &Path) -> anyhow::Result<Staging> {
        clear(directory)?;
        let lock = files::temp_beside(&directory.join("x"))?;
        let mut path = lock.path().as_os_str().to_owned();
        path.push(SUFFIX);
        let path = PathBuf::from(path);
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Staging { path, _lock: lock })
    }

    /// The path of the staging directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // If an error leaves files here, a later run removes them.
        let _ = remove(&self.path);
    }
}

/// Removes the staging directories of killed runs. [`Staging::new`] does this, too.
pub fn clear(directory: &Path) -> anyhow::Result<()> {
    remove_leftovers(directory).with_context(|| format!("tidying {}", directory.display()))
}

/// Removes each staging directory whose lock file is gone. A run creates the lock file before the
/// directory, and removes it after the directory.
fn remove_leftovers(directory: &Path) -> io::Result<()> {
    files::remove_leftovers(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let lock = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        let Some(lock) = lock.filter(|lock| files::is_temp_name(lock.as_ref())) else {
            continue;
        };
        let is_ours = |there: fs::Metadata| there.is_dir() && files::is_own(&there);
        if !entry.metadata().is_ok_and(is_ours) || fs::exists(directory.join(lock))? {
            continue;
        }
        remove(&entry.path()).or_else(excuse)?;
    }
    Ok(())
}

/// Returns the error of a removal, unless the error is harmless.
fn excuse(e: io::Error) -> io::Result<()> {
    match e.kind() {
        // Another run removed the directory first, or the directory contains files that no run
        // made.
        io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty => Ok(()),
        _ => Err(e),
    }
}

/// Removes the files whose names are numbers, and then the directory.
fn remove(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_number = name
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if is_number && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn what_a_killed_run_left_goes_and_what_another_writes_stays() {
        let dir = tempfile::tempdir().unwrap();
        let alive = Staging::new(dir.path()).unwrap();
        fs::File::create(alive.path().join("1")).unwrap();
        // The directory that a run leaves after kill -9.
        let killed = dir.path().join(".callpipe-Ab1def.tmp.d");
        fs::create_dir(&killed).unwrap();
        for file in [killed.join("1"), killed.with_extension("")] {
            fs::File::create(file).unwrap();
        }
        let other = Staging::new(dir.path()).unwrap();
        assert!(alive.path().join("1").exists() && !killed.exists());
        assert_eq!(count(dir.path()), 4);
        drop(other);
        drop(alive);
        assert_eq!(count(dir.path()), 0);
        // No run makes directories with these names.
        for other in [".callpipe-conf.d", ".callpipe-abcdef.tmp.d/deep"] {
            fs::create_dir_all(dir.path().join(other)).unwrap();
            fs::File::create(dir.path().join(other).join("1")).unwrap();
        }
        drop(Staging::new(dir.path()).unwrap());
        assert_eq!(count(dir.path()), 2);
        assert!(dir.path().join(".callpipe-conf.d/1").exists());
        assert!(dir.path().join(".callpipe-abcdef.tmp.d/deep/1").exists());
    }

    #[test]
    fn a_directory_that_another_run_removes_or_uses_is_no_fault() {
        let kinds = [
            (io::ErrorKind::NotFound, true),
            (io::ErrorKind::DirectoryNotEmpty, true),
            (io::ErrorKind::PermissionDenied, false),
        ];
        for (kind, is_excused) in kinds {
            assert_eq!(excuse(kind.into()).is_ok(), is_excused, "{kind}");
        }
    }

    #[test]
    fn only_numbered_files_and_directories_of_this_user_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let leftover = dir.path().join(".callpipe-abcdef.tmp.d");
        fs::create_dir(&leftover).unwrap();
        for name in ["1", "notes"] {
            fs::File::create(leftover.join(name)).unwrap();
        }
        clear(dir.path()).unwrap();
        assert!(leftover.join("notes").exists() && !leftover.join("1").exists());
        fs::remove_file(leftover.join("notes")).unwrap();
        // Only the superuser may change the owner of a directory.
        if std::os::unix::fs::chown(&leftover, Some(65_534), None).is_ok() {
            clear(dir.path()).unwrap();
            assert!(leftover.exists());
        }
    }
}
