//! The input: a ZIP in a file or a pipe, or lines that name ZIPs.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::format::zip::Archive;
use crate::json::lines::record;
use crate::os::blocking::Blocking;
use crate::os::unnamed;

const ZIP: &[u8] = b"PK";

/// The content of stdin.
#[derive(Debug)]
pub enum ZipInput {
    /// A ZIP, in a file that can be read at any position.
    Zip(File),
    /// Lines that name ZIPs, from the first byte of stdin on.
    Lines(io::Chain<Cursor<Vec<u8>>, Blocking<File>>),
}

impl ZipInput {
    /// Detects the content of `stdin` by its first bytes: a ZIP begins with `PK`. If the command
    /// line names stdin as a ZIP (`is_named`), a ZIP can also begin with other bytes. But if stdin
    /// begins like a JSON line, stdin is a ZIP only if it is a file that has the directory of a
    /// ZIP. A ZIP in a pipe is copied to a file without a name in `spool_dir`, because the
    /// directory of a ZIP is at its end.
    pub fn new(stdin: File, is_named: bool, spool_dir: &Path) -> anyhow::Result<ZipInput> {
        if stdin.metadata().context("stdin")?.is_file() {
            let mut head = [0; ZIP.len()];
            let begins = stdin.read_exact_at(&mut head, 0).is_ok() && head == ZIP;
            if begins || is_named && Archive::open(Arc::new(stdin.try_clone()?)).is_ok() {
                return Ok(ZipInput::Zip(stdin));
            }
        }
        let mut stdin = Blocking(stdin);
        let mut head = Vec::new();
        (&mut stdin)
            .take(ZIP.len() as u64)
            .read_to_end(&mut head)
            .context("reading stdin")?;
        let is_json = matches!(head.first(), None | Some(b'{' | 0xef)) || record(&head).is_empty();
        if head != ZIP && (is_json || !is_named) {
            return Ok(ZipInput::Lines(Cursor::new(head).chain(stdin)));
        }
        spool(&head, stdin, spool_dir).map(ZipInput::Zip)
    }
}

/// Opens the file at a path. If the file is not regular, for example because the argument is `<(…)`
/// in a shell, it is first copied to a file in `spool_dir`, like a ZIP in a pipe on stdin.
pub(super) fn open(path: &Path, spool_dir: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if kind.is_file() {
        return Ok(file);
    }
    spool(&[], Blocking(file), spool_dir).map_err(|e| io::Error::other(format!("{e:#}")))
}

fn spool(head: &[u8], mut pipe: Blocking<File>, directory: &Path) -> anyhow::Result<File> {
    let place = || {
        format!(
            "copying a pipe to {} (see --spool-dir)",
            directory.display()
        )
    };
    let mut file = unnamed::create_in(directory).with_context(place)?;
    io::copy(&mut head.chain(&mut pipe), &mut file).with_context(place)?;
    file.rewind().with_context(place)?;
    Ok(file)
}
