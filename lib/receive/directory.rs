//! The files in `--dir`.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::os::{files, private};

/// The directory of a receiver, on one file system.
#[derive(Clone, Debug)]
pub(crate) struct ReceiveDirectory {
    root: PathBuf,
}

impl ReceiveDirectory {
    /// Names it; nothing is touched.
    pub(crate) fn new(root: &Path) -> ReceiveDirectory {
        let root = root.to_owned();
        ReceiveDirectory { root }
    }

    /// Creates what is missing, for the user alone.
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

    /// Inbox, receipts, coverage, uses, batches.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("receive.db")
    }

    /// Which records are in the lake: a file for each day of record time.
    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Records by type, date and hour.
    pub(crate) fn lake(&self) -> PathBuf {
        self.root.join("lake")
    }

    /// Whole call recordings.
    pub(crate) fn recordings(&self) -> PathBuf {
        self.root.join("recordings")
    }

    /// A line for each recording.
    pub(crate) fn recording_lines(&self) -> PathBuf {
        self.root.join("recordings.ndjson")
    }

    /// Bodies that are no records, as they came.
    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// What is no record, and why.
    pub(crate) fn rejects(&self) -> PathBuf {
        self.root.join("rejects.ndjson")
    }

    /// Held for one publishing at a time, by whichever process publishes.
    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("publisher.lock")
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}
