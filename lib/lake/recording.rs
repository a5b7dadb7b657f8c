//! Whole call recordings: parses their names, and gives each recording a file name on disk.
//!
//! The vendor names recordings `{groupId}~{accountId}~{dialogTimestamp}~{dialogId}.wav`. The file
//! name of a recording on disk is made only of the last part of the member's path, with unsafe
//! characters replaced, and of a hash if necessary. No directory in the ZIP is part of the path on
//! disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::error::{Failure, Status};
use crate::os::digest::{self, Hashing};
use crate::os::files;
use crate::os::unsynced::{self, NamedTempFile};

const EXTENSION: &str = ".wav";

/// The longest file name that usual file systems allow, in bytes.
const LONGEST: usize = 255;

/// Whether a member is a recording: its name ends with `.wav`, in upper or lower case.
pub fn is_recording(member: &str) -> bool {
    let bytes = member.as_bytes();
    let tail = bytes.len().saturating_sub(EXTENSION.len());
    bytes[tail..].eq_ignore_ascii_case(EXTENSION.as_bytes())
}

/// The parts of a recording's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingName<'a> {
    /// The vendor calls this part `groupId` and does not explain it: it may be the OCP group, or
    /// the id that the dialogs of one call share (`group` in their records). This part is passed on
    /// unchanged. In both cases, the id of the dialog joins a recording to its records.
    pub group: &'a str,
    /// The account.
    pub account: &'a str,
    /// When the dialog began, in the vendor's notation.
    pub timestamp: &'a str,
    /// The id of the dialog, as in its call detail records. It may contain dots.
    pub dialog_id: &'a str,
}

impl RecordingName<'_> {
    /// Parses a member's name; `None` if the name has another form.
    pub fn parse(member: &str) -> Option<RecordingName<'_>> {
        let name = last_part(member);
        if !is_recording(name) {
            return None;
        }
        let mut parts = name[..name.len() - EXTENSION.len()].split('~');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let name = RecordingName {
            group: part()?,
            account: part()?,
            timestamp: part()?,
            dialog_id: part()?,
        };
        parts.next().is_none().then_some(name)
    }
}

fn last_part(member: &str) -> &str {
    member.rsplit(['/', '\\']).next().unwrap_or(member)
}

/// A safe file name for a recording, even if the member's name contains a path. The member must be
/// a [recording](is_recording).
pub fn file_name(member: &str) -> String {
    let name = last_part(member);
    let (stem, extension) = name.split_at(name.len() - EXTENSION.len());
    let mut stem = stem.replace(char::is_control, "_").replace("..", "__");
    if stem.ends_with('.') {
        stem.pop();
        stem.push('_');
    }
    if stem.is_empty() || stem.starts_with('.') {
        stem.insert(0, '_');
    }
    let name = stem + extension;
    if name.len() <= LONGEST {
        return name;
    }
    let hash = digest::sha256(member.as_bytes());
    tagged(&name, &hash[..16])
}

/// Puts `tag` before the extension, and shortens the name if it becomes too long.
fn tagged(name: &str, tag: &str) -> String {
    let (stem, extension) = name.split_at(name.len() - EXTENSION.len());
    let room = LONGEST - EXTENSION.len() - 1 - tag.len();
    let cut = (0..=room.min(stem.len())).rfind(|at| stem.is_char_boundary(*at));
    format!("{}-{tag}{extension}", &stem[..cut.unwrap_or(0)])
}

/// Gives a complete recording its name in `directory`. If a file with the same bytes exists, that
/// file is kept. If the name belongs to a file with other bytes, the new name contains the hash of
/// the new recording, and is the same in every run.
pub fn keep(
    temp: NamedTempFile,
    directory: &Path,
    name: &str,
    sha256: &str,
) -> anyhow::Result<PathBuf> {
    let mut temp = Some(temp);
    let put = |path: &Path| match temp.take() {
        None => Ok(true),
        Some(file) => {
            temp = unsynced::name_new(file, path)?;
            Ok(temp.is_none())
        }
    };
    let (path, is_new) = place(directory, name, sha256, put)?;
    if is_new {
        files::sync_each(&[directory])?;
    }
    Ok(path)
}

/// Like [`keep`], for a file that is synced and on the same file system as `directory`. The new
/// name is not synced, so the caller must sync the directory.
pub(crate) fn keep_staged(
    staged: &Path,
    directory: &Path,
    name: &str,
    sha256: &str,
) -> anyhow::Result<PathBuf> {
    let put = |path: &Path| unsynced::rename_new(staged, path);
    let (path, is_new) = place(directory, name, sha256, put)?;
    if !is_new {
        files::remove(staged)?;
    }
    Ok(path)
}

/// The names that a recording can get, in the order in which they are tried.
pub(crate) fn names(name: &str, sha256: &str) -> [String; 3] {
    [
        name.to_owned(),
        tagged(name, &sha256[..12]),
        tagged(name, sha256),
    ]
}

/// Tries the [`names`] of a recording one after the other. If a name is free, calls `put` with its
/// path; if `put` returns true, returns the path and true. If a file with this name has the same
/// content, returns its path and false.
fn place(
    directory: &Path,
    name: &str,
    sha256: &str,
    mut put: impl FnMut(&Path) -> io::Result<bool>,
) -> anyhow::Result<(PathBuf, bool)> {
    for name in names(name, sha256) {
        let path = directory.join(name);
        let place = || format!("writing {}", path.display());
        if !path.exists() && put(&path).with_context(place)? {
            return Ok((path, true));
        }
        if path.is_file() && hash_of(&path).with_context(place)? == sha256 {
            return Ok((path, false));
        }
    }
    let text = format!(
        "{}: other files have all names that this recording may get: use another directory",
        directory.join(name).display()
    );
    Err(Failure::new(Status::Io, text).into())
}

fn hash_of(path: &Path) -> io::Result<String> {
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut File::open(path)?, &mut hashing)?;
    Ok(hashing.finish().1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    #[test]
    fn a_name_has_four_parts_and_ids_have_dots() {
        let name =
            RecordingName::parse("exports/_/g/acme-prod~1f~1763012220333~a.1763.b.wav").unwrap();
        assert_eq!(name.group, "acme-prod");
        assert_eq!(name.account, "1f");
        assert_eq!(name.timestamp, "1763012220333");
        assert_eq!(name.dialog_id, "a.1763.b");
        for other in [
            "x.wav",
            "a~b~c.wav",
            "a~b~c~d~e.wav",
            "a~~c~d.wav",
            "a~b~c~d.mp3",
            "",
        ] {
            assert_eq!(RecordingName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn no_member_leaves_its_directory() {
        for (member, file) in [
            ("a/b~c.wav", "b~c.wav"),
            ("../../etc/x.wav", "x.wav"),
            ("c:\\dir\\x.WAV", "x.WAV"),
            ("..wav", "_.wav"),
            ("a..b..wav", "a__b_.wav"),
            (".wav", "_.wav"),
            ("a/.hidden.wav", "_.hidden.wav"),
            ("x\n\u{0}y.wav", "x__y.wav"),
        ] {
            assert_eq!(file_name(member), file);
        }
    }

    fn written(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let mut temp = crate::os::files::temp_beside(&directory.join("x")).unwrap();
        temp.write_all(bytes).unwrap();
        keep(temp, directory, name, &digest::sha256(bytes)).unwrap()
    }

    #[test]
    fn other_bytes_get_another_name_and_the_same_bytes_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let first = written(dir.path(), "x.wav", b"one");
        let second = written(dir.path(), "x.wav", b"two");
        assert_eq!(first, dir.path().join("x.wav"));
        assert_eq!(second, dir.path().join("x-3fc4ccfe7458.wav"));
        assert_eq!(written(dir.path(), "x.wav", b"one"), first);
        assert_eq!(written(dir.path(), "x.wav", b"two"), second);
        assert_eq!(std::fs::read(first).unwrap(), b"one");
        assert_eq!(std::fs::read(second).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    proptest! {
        #[test]
        fn a_file_name_is_always_one_plain_part(stem in "(\\PC|[./\\\\~\u{0}\n]){0,300}") {
            let name = file_name(&format!("{stem}.wav"));
            prop_assert!(name.len() <= 255 && !name.starts_with('.') && !name.contains(".."));
            prop_assert!(!name.contains(['/', '\\', '\0', '\n']));
            let tagged = tagged(&name, &"0".repeat(64));
            prop_assert!(tagged.len() <= 255, "{}", tagged);
        }
    }
}
