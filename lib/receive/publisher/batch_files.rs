//! The two files that a batch appends to, and the quarantine. A repeated batch first removes what
//! its last attempt appended.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::export::rejects::RejectEntry;
use crate::json::lines;
use crate::os::{files, unsynced};
use crate::receive::directory::ReceiveDirectory;
use crate::receive::recordings::RecordingLine;
use crate::receive::store::batches::Batch;
use crate::receive::store::stored_pushes::StoredPush;

/// The files that one batch writes to.
pub(super) struct BatchFiles {
    rejects: Option<File>,
    recordings: Option<File>,
    directory: ReceiveDirectory,
    taken: HashSet<String>,
    quarantined: bool,
}

impl BatchFiles {
    /// The lengths of `rejects.ndjson` and `recordings.ndjson` in bytes.
    pub(super) fn lengths(directory: &ReceiveDirectory) -> anyhow::Result<(u64, u64)> {
        let length = |path: &Path| match path.metadata() {
            Ok(file) => Ok(file.len()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(e).with_context(|| format!("reading {}", path.display())),
        };
        Ok((
            length(&directory.rejects())?,
            length(&directory.recording_lines())?,
        ))
    }

    /// Prepares the files: removes what an interrupted attempt of the batch appended to them.
    pub(super) fn open(directory: &ReceiveDirectory, batch: &Batch) -> anyhow::Result<BatchFiles> {
        for (path, length) in [
            (directory.rejects(), batch.rejects_length),
            (directory.recording_lines(), batch.recordings_length),
        ] {
            files::cut_back(&path, length)?;
        }
        Ok(BatchFiles {
            rejects: None,
            recordings: None,
            directory: directory.clone(),
            taken: HashSet::new(),
            quarantined: false,
        })
    }

    /// Returns true at the first call for a recording, and false at later calls: a batch writes one
    /// line for each recording.
    pub(super) fn takes(&mut self, file: &str) -> bool {
        self.taken.insert(file.to_owned())
    }

    /// Appends the line about a recording.
    pub(super) fn add_recording(&mut self, line: &RecordingLine) -> anyhow::Result<()> {
        append(
            &mut self.recordings,
            &self.directory.recording_lines(),
            line,
        )
    }

    /// Appends a reject: part number `at` of a push.
    pub(super) fn add_reject(
        &mut self,
        push: &StoredPush,
        at: u64,
        raw: &[u8],
        error: &str,
    ) -> anyhow::Result<()> {
        let source = format!("{}#{}", push.path, push.number);
        log::warn!("{source}:{at}: {error}");
        let entry = RejectEntry::new(&source, at, error, raw);
        append(&mut self.rejects, &self.directory.rejects(), &entry)
    }

    /// Stores a body that contains no record.
    pub(super) fn quarantine(
        &mut self,
        directory: &ReceiveDirectory,
        number: i64,
        body: &[u8],
    ) -> anyhow::Result<()> {
        let parent = directory.quarantine();
        if !self.quarantined {
            crate::os::private::create_directory(&parent)
                .with_context(|| format!("creating {}", parent.display()))?;
            files::sync_each(&[directory.root()])?;
            self.quarantined = true;
        }
        files::write_atomic(&parent.join(format!("{number}.body")), body)
    }

    /// Syncs `rejects.ndjson` and `recordings.ndjson` if the batch has written to them.
    pub(super) fn sync(&self) -> anyhow::Result<()> {
        for (file, path) in [
            (&self.rejects, self.directory.rejects()),
            (&self.recordings, self.directory.recording_lines()),
        ] {
            if file.is_some() {
                files::sync_each(&[&path, self.directory.root()])?;
            }
        }
        Ok(())
    }
}

fn append<T: serde::Serialize>(
    file: &mut Option<File>,
    path: &Path,
    line: &T,
) -> anyhow::Result<()> {
    let place = || format!("writing {}", path.display());
    let file = match file {
        Some(file) => file,
        None => file.insert(unsynced::append(path).with_context(place)?),
    };
    let mut text = Vec::new();
    lines::write(&mut text, line)?;
    file.write_all(&text).with_context(place)
}
