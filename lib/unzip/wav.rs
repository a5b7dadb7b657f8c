//! Recordings on their way to a file each.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::BLOCK;
use super::ending::Ending;
use crate::archive::{Contents, Member};
use crate::digest::Hashing;
use crate::{recording, store};

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

/// Writes a recording to a file in `directory`. The file has its name, and there
/// is a line about it, only once its checksum is proven.
pub(super) fn write<'a>(
    directory: &Path,
    source: &'a str,
    member: &'a Member,
    mut contents: Contents<'_>,
    buffer: &mut Vec<u8>,
) -> Result<Written<'a>, Ending> {
    let name = recording::file_name(&member.name);
    let mut temp = Hashing::new(store::temp_beside(&directory.join(&name))?);
    if buffer.len() < BLOCK {
        buffer.resize(BLOCK, 0);
    }
    loop {
        let count = contents.read(&mut buffer[..BLOCK])?;
        if count == 0 {
            break;
        }
        temp.write_all(&buffer[..count])
            .with_context(|| format!("writing {}", directory.join(&name).display()))?;
    }
    let (temp, sha256) = temp.finish();
    let path = recording::keep(temp, directory, &name, &sha256)?;
    let parts = recording::Name::parse(&member.name);
    Ok(Written {
        path: path.to_string_lossy().into_owned(),
        bytes: member.size,
        sha256,
        group: parts.map(|parts| parts.group),
        account: parts.map(|parts| parts.account),
        timestamp: parts.map(|parts| parts.timestamp),
        dialog_id: parts.map(|parts| parts.dialog_id),
        source,
        member: &member.name,
    })
}
