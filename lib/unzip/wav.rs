//! Writes each recording to a file.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::blocks::BLOCK;
use crate::format::zip::MemberContents;
use crate::lake::recording;
use crate::os::digest::Hashing;
use crate::os::files;
use crate::os::unsynced::NamedTempFile;
use crate::unzip::error::MemberError;

/// A recording in a temporary file, with a verified checksum.
#[derive(Debug)]
pub(super) struct Unpacked {
    temp: NamedTempFile,
    bytes: u64,
    sha256: String,
}

/// The line about a recording.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    path: String,
    bytes: u64,
    sha256: String,
    group: Option<&'a str>,
    account: Option<&'a str>,
    timestamp: Option<&'a str>,
    dialog_id: Option<&'a str>,
    source: &'a str,
    member: &'a str,
}

/// Writes a recording to a temporary file in `directory`. Stops if `go_on` returns an error.
pub(super) fn unpack(
    directory: &Path,
    member: &str,
    mut contents: MemberContents<'_>,
    buffer: &mut Vec<u8>,
    mut go_on: impl FnMut() -> io::Result<()>,
) -> Result<Unpacked, MemberError> {
    let path = directory.join(recording::file_name(member));
    let mut temp = Hashing::new(files::temp_beside(&path)?);
    if buffer.len() < BLOCK {
        buffer.resize(BLOCK, 0);
    }
    loop {
        go_on()?;
        let count = contents.read(&mut buffer[..BLOCK])?;
        if count == 0 {
            break;
        }
        temp.write_all(&buffer[..count])
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let (temp, sha256) = temp.finish();
    Ok(Unpacked {
        temp,
        bytes: contents.size(),
        sha256,
    })
}

/// Gives the recording its final name. Call this before the line about the recording is printed,
/// and in the order of the members: if two recordings have the same name, the first recording gets
/// the name.
pub(super) fn keep<'a>(
    unpacked: Unpacked,
    directory: &Path,
    source: &'a str,
    member: &'a str,
) -> anyhow::Result<Written<'a>> {
    let name = recording::file_name(member);
    let path = recording::keep(unpacked.temp, directory, &name, &unpacked.sha256)?;
    let parts = recording::RecordingName::parse(member);
    Ok(Written {
        path: path.to_string_lossy().into_owned(),
        bytes: unpacked.bytes,
        sha256: unpacked.sha256,
        group: parts.map(|parts| parts.group),
        account: parts.map(|parts| parts.account),
        timestamp: parts.map(|parts| parts.timestamp),
        dialog_id: parts.map(|parts| parts.dialog_id),
        source,
        member,
    })
}
