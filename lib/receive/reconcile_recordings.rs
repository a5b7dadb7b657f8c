//! Adds the recordings that exports have and the stream lacked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use crate::error;
use crate::json::bad_line::BadLine;
use crate::json::lines;
use crate::json::object::Object;
use crate::lake::recording;
use crate::os::digest::Hashing;
use crate::os::{files, unsynced};
use crate::receive::directory::ReceiveDirectory;
use crate::receive::store::Store;

/// A line of `unzip-jsonl --wav-dir`.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchRecording {
    path: PathBuf,
    sha256: String,
    dialog_id: Option<String>,
    member: Option<String>,
    #[serde(skip)]
    line: Object,
}

impl BatchRecording {
    /// Parses a line.
    pub(crate) fn parse(line: &str) -> Result<BatchRecording, BadLine> {
        let mut recording: BatchRecording = serde_json::from_str(line)
            .map_err(|_| BadLine::new("no line of unzip-jsonl --with-source or --wav-dir"))?;
        recording.line = Object::parse(line.as_bytes())?;
        Ok(recording)
    }

    fn hash(&self) -> anyhow::Result<[u8; 32]> {
        let digits = self.sha256.as_bytes();
        let byte = |at: usize| {
            let text = str::from_utf8(digits.get(2 * at..2 * at + 2)?).ok()?;
            u8::from_str_radix(text, 16).ok()
        };
        let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
        bytes
            .filter(|_| digits.len() == 64)
            .and_then(|bytes| bytes.try_into().ok())
            .with_context(|| format!("{}: sha256 is not valid", self.path.display()))
    }
}

/// Copies a recording into the directory unless the directory already has it. Returns true if the
/// recording was copied. The caller must hold the publisher's lock.
pub(crate) fn fill(
    directory: &ReceiveDirectory,
    store: &mut Store,
    recording: &BatchRecording,
) -> anyhow::Result<bool> {
    let sha256 = recording.hash()?;
    let member = recording.member.as_deref().unwrap_or_default();
    let named = member.rsplit(['/', '\\']).next().unwrap_or_default();
    let dialog_id = recording.dialog_id.as_deref().filter(|id| !id.is_empty());
    let dialog_id = dialog_id.unwrap_or_else(|| named.trim_end_matches(".wav"));
    if store.has_recording(dialog_id, &sha256)? {
        return Ok(false);
    }
    let name = recording::file_name(&format!("{dialog_id}.wav"));
    let target = directory.recordings().join(&name);
    let place = || format!("copying {}", recording.path.display());
    let mut source = File::open(&recording.path).with_context(place)?;
    let mut copy = Hashing::new(files::temp_beside(&target)?);
    io::copy(&mut source, &mut copy).with_context(place)?;
    let (temp, found) = copy.finish();
    if found != recording.sha256 {
        let text = format!(
            "{}: its contents have another sha256",
            recording.path.display()
        );
        return Err(error::bad_input(text));
    }
    let path = recording::keep(temp, &directory.recordings(), &name, &found)?;
    let mut line = recording.line.clone();
    line.set("path", &*path.to_string_lossy())?;
    let lines = directory.recording_lines();
    // If a batch of pushes is unfinished, the lines of its interrupted attempt are removed first.
    // The next attempt of this batch cuts off only what follows the line that is written now, and
    // then writes the removed lines again.
    if let Some(batch) = store.unfinished_stream()? {
        files::cut_back(&lines, batch.recordings_length)?;
    }
    // Perhaps an interrupted run has written the line already.
    if !has_line(&lines, &path)? {
        append(&lines, &line)?;
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let place = || format!("reading {}", lines.display());
    let length = lines.metadata().with_context(place)?.len();
    store.note_recording(&file, dialog_id, &sha256, length)?;
    Ok(true)
}

fn has_line(lines: &Path, path: &Path) -> anyhow::Result<bool> {
    let wanted = serde_json::to_string(&*path.to_string_lossy())?;
    match fs::read_to_string(lines) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        other => {
            let text = other.with_context(|| format!("reading {}", lines.display()))?;
            Ok(text.contains(&format!("\"path\":{wanted}")))
        }
    }
}

fn append(path: &Path, line: &Object) -> anyhow::Result<()> {
    let place = || format!("writing {}", path.display());
    let mut text = Vec::new();
    lines::write(&mut text, line)?;
    let mut file = unsynced::append(path).with_context(place)?;
    io::Write::write_all(&mut file, &text).with_context(place)?;
    files::sync_data(&file).with_context(place)?;
    files::sync_parent(path).with_context(place)
}
