//! Files and directories that only their user can access.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

use crate::os::files::PRIVATE;

/// Opens a file to read and write it. A new one is empty, and only its user can access it.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path)
}

/// A directory that only its user can access. Dropping it deletes it.
#[derive(Debug)]
pub(crate) struct PrivateDirectory(TempDir);

impl PrivateDirectory {
    /// Creates one in `parent`.
    pub(crate) fn create(parent: &Path) -> anyhow::Result<PrivateDirectory> {
        let made = tempfile::Builder::new()
            .prefix("callpipe-")
            .tempdir_in(parent);
        made.map(PrivateDirectory)
            .with_context(|| format!("creating a directory in {}", parent.display()))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Creates a directory and its parents; only their user can access them.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The suite's own directory under `home`, where caches are. It is created if it is missing. An
/// error says why it cannot be used.
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

/// Why a path is not safe for a secret: other users could have written or read it.
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
