//! The paths in `--dir`.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::os::{files, private};

/// The directory of a receiver, on one file system.
#[derive(Clone, Debug)]
pub(crate) struct ReceiveDirectory {
    root: PathBuf,
}

impl ReceiveDirectory {
    /// The directory at a path; this does not access the disk.
    pub(crate) fn new(root: &Path) -> ReceiveDirectory {
        let root = root.to_owned();
        ReceiveDirectory { root }
    }

    /// Creates the directories that are missing. Only the current user can access a new directory.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        for directory in [
            self.root.clone(),
            self.keys(),
            self.lake(),
            self.recordings(),
        ] {
            let place = || format!("creating {}", directory.display());
            if !directory.is_dir() {
                private::create_directory(&directory).with_context(place)?;
                files::sync_parent(&directory).with_context(place)?;
            }
        }
        Ok(())
    }

    /// The database: the inbox, receipts, coverage, batches, and the paths that clients used.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("receive.db")
    }

    /// The keys of the records in the lake: a file for each day of record time.
    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The records by type, date and hour.
    pub(crate) fn lake(&self) -> PathBuf {
        self.root.join("lake")
    }

    /// The call recordings.
    pub(crate) fn recordings(&self) -> PathBuf {
        self.root.join("recordings")
    }

    /// The file with a line for each recording.
    pub(crate) fn recording_lines(&self) -> PathBuf {
        self.root.join("recordings.ndjson")
    }

    /// The bodies of pushes that contain no record. They are unchanged, but inflated if they were
    /// gzip.
    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// The rejected parts of pushes, each with the reason.
    pub(crate) fn rejects(&self) -> PathBuf {
        self.root.join("rejects.ndjson")
    }

    /// The lock of the publishing process.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("publisher.lock")
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}
