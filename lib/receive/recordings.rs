//! Names pushed recordings, and writes lines about them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::lake::recording;
use crate::os::digest::hex;
use crate::os::files;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::store::inbox_rows::NewRecording;
use crate::receive::store::{Store, stored_pushes::StoredPush};
use crate::time::Timestamp;

const EXTENSION: &str = ".wav";

/// The last part of a recording's ORN (the header `X-OML-ORN`).
fn member(orn: &str) -> &str {
    orn.rsplit(['/', '\\', ':']).next().unwrap_or(orn)
}

/// The preferred name of a recording's file. The name comes from the ORN; without an ORN from the
/// correlation id, and without both from the hash. It is possible that another file already has
/// this name.
fn wanted_name(orn: Option<&str>, correlation_id: Option<&str>, sha256: &str) -> String {
    let named = orn.map(member).filter(|name| !name.is_empty());
    let named = named.or(correlation_id.filter(|id| !id.is_empty()));
    let name = named.unwrap_or(sha256);
    match recording::is_recording(name) {
        true => recording::file_name(name),
        false => recording::file_name(&format!("{name}{EXTENSION}")),
    }
}

/// The dialog id in a file name: the name without its extension.
fn dialog_id(name: &str) -> &str {
    match recording::is_recording(name) {
        true => &name[..name.len() - EXTENSION.len()],
        false => name,
    }
}

/// Renames a staged recording to its final name; the caller must sync the directory. If the
/// recording exists already with the same bytes, the staged file is removed instead.
pub(crate) fn place(
    store: &Store,
    directory: &ReceiveDirectory,
    staged: &Path,
    (orn, correlation_id): (Option<&str>, Option<&str>),
    sha256: &[u8; 32],
) -> anyhow::Result<NewRecording> {
    let hash = hex(sha256);
    let name = wanted_name(orn, correlation_id, &hash);
    let new = |file: &str| NewRecording {
        file: file.to_owned(),
        dialog_id: dialog_id(&wanted_name(orn, correlation_id, &hash)).to_owned(),
    };
    // The hashes of known files are in the database, so these files need not be read again.
    for known in recording::names(&name, &hash) {
        let is_same = store.recording_hash(&known)?.as_deref() == Some(&sha256[..]);
        if is_same && directory.recordings().join(&known).is_file() {
            files::remove(staged)?;
            return Ok(new(&known));
        }
    }
    let path = recording::keep_staged(staged, &directory.recordings(), &name, &hash)?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(new(&file))
}

/// A line of `recordings.ndjson`.
#[derive(Debug, Serialize)]
pub(crate) struct RecordingLine {
    path: String,
    bytes: i64,
    sha256: String,
    group: Option<String>,
    account: Option<String>,
    timestamp: Option<String>,
    dialog_id: Option<String>,
    source: &'static str,
    member: Option<String>,
    orn: Option<String>,
    received_at: Timestamp,
    /// `odd` if the file does not start like a WAV file, or if the size in its header is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    wav: Option<&'static str>,
}

/// The line about a recording that was pushed.
pub(crate) fn line(
    directory: &ReceiveDirectory,
    push: &StoredPush,
    file: &str,
) -> anyhow::Result<RecordingLine> {
    let path = directory.recordings().join(file);
    let member = push.orn.as_deref().map(member);
    let dialog = member.map(dialog_id).filter(|id| !id.is_empty());
    let is_wav = is_wav(&path).with_context(|| format!("reading {}", path.display()))?;
    Ok(RecordingLine {
        bytes: push.bytes,
        sha256: hex(push.sha256.as_deref().unwrap_or_default()),
        group: push.path.split('/').next().map(str::to_owned),
        account: None,
        timestamp: dialog.and_then(timestamp).map(str::to_owned),
        dialog_id: dialog.map(str::to_owned),
        source: "stream",
        member: member.map(str::to_owned),
        orn: push.orn.clone(),
        received_at: push.received_at,
        wav: (!is_wav).then_some("odd"),
        path: path.to_string_lossy().into_owned(),
    })
}

/// The time in a dialog id: its second part, if that is a number.
fn timestamp(dialog_id: &str) -> Option<&str> {
    let middle = dialog_id.split('.').nth(1)?;
    let is_number = !middle.is_empty() && middle.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(middle)
}

/// Whether a file starts like a WAV file. The size in its header must be right, or be 0 or the
/// highest number, as in a stream. A file that was moved away counts as a WAV file.
fn is_wav(path: &Path) -> std::io::Result<bool> {
    let mut file = match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        other => other?,
    };
    let length = file.metadata()?.len();
    let mut head = [0; 12];
    let mut read = 0;
    while read < head.len() {
        match file.read(&mut head[read..])? {
            0 => return Ok(false),
            count => read += count,
        }
    }
    let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let fits = matches!(size, 0 | u32::MAX) || u64::from(size) + 8 == length;
    Ok(&head[..4] == b"RIFF" && &head[8..] == b"WAVE" && fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_from_the_orn_and_stays_in_its_directory() {
        let orn = "storage:store:u:wcr:s3:eu:2026/11/01/00/ab.1763012220333.cd.wav";
        assert_eq!(
            wanted_name(Some(orn), Some("c"), "h"),
            "ab.1763012220333.cd.wav"
        );
        assert_eq!(timestamp(dialog_id(member(orn))), Some("1763012220333"));
        assert_eq!(wanted_name(Some("a/../.."), None, "h"), "__.wav");
        assert_eq!(wanted_name(None, Some("../x"), "h"), "x.wav");
        assert_eq!(wanted_name(None, None, "h"), "h.wav");
        assert_eq!(wanted_name(Some("odd"), None, "h"), "odd.wav");
    }

    #[test]
    fn r16_a_wav_is_known_by_its_head_and_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for (bytes, is) in [
            (&b"RIFF\x06\0\0\0WAVE.."[..], true),
            (b"RIFF\0\0\0\0WAVE..", true),
            (b"RIFF\xff\xff\xff\xffWAVE..", true),
            (b"RIFF\x07\0\0\0WAVE..", false),
            (b"RIFX\x06\0\0\0WAVE..", false),
            (b"RIFF", false),
        ] {
            files::write_atomic(&path, bytes).unwrap();
            assert_eq!(is_wav(&path).unwrap(), is, "{bytes:?}");
        }
    }
}
