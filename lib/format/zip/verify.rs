//! Verifies a complete archive.

use std::cmp::Ordering;
use std::fs::File;
use std::sync::Arc;

use zip::read::ArchiveOffset;

use super::archive::Archive;
use super::directory::{Member, MemberWalk};
use super::error::{ArchiveError, bad};
use super::inflate::Unpacker;
use super::limits::ZipLimits;
use super::window::ZipBytes;

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const END_64_LOCATOR: &[u8] = b"PK\x06\x07";

/// The number of members of a valid archive, and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of members, without directories.
    pub members: u64,
    /// The inflated size of these members, in bytes.
    pub bytes: u64,
}

/// Verifies an archive. The archive must fill the file from the first byte to the last, and the
/// size and checksum of every member must match the directory. Calls `each` for every verified
/// member that is not a directory.
pub fn verify(
    file: &File,
    limits: &ZipLimits,
    mut each: impl FnMut(&Member),
) -> anyhow::Result<Summary> {
    let length = file.metadata()?.len();
    let file: Arc<dyn ZipBytes> = Arc::new(file.try_clone()?);
    let mut unpacker = Unpacker::new(Arc::clone(&file));
    let mut archive = Archive::at(file, ArchiveOffset::Known(0))?;
    let mut members = archive.members(limits)?;
    let mut summary = Summary::default();
    let mut sink = vec![0; 256 * 1024];
    while let Some(member) = members.next_member()? {
        let mut prove = || -> Result<(), ArchiveError> {
            let mut contents = unpacker.open(members.locate(&member)?);
            while contents.read(&mut sink)? > 0 {}
            Ok(())
        };
        prove().map_err(|e| match e {
            ArchiveError::Bad(text) => ArchiveError::Bad(format!("member {}: {text}", member.name)),
            ArchiveError::Io(e) => ArchiveError::Io(e),
        })?;
        if !member.is_directory() {
            summary.members += 1;
            summary.bytes += member.size;
            each(&member);
        }
    }
    nothing_follows(&mut members, length)?;
    Ok(summary)
}

/// Checks that nothing follows the end record of the archive in the file, which has `length` bytes.
fn nothing_follows(members: &mut MemberWalk<'_>, length: u64) -> Result<(), ArchiveError> {
    let mut at = members.directory_end()?;
    loop {
        let record = members.headers.at(at, 22)?;
        let two = |from: usize| u16::from_le_bytes([record[from], record[from + 1]]);
        match record.get(..4) {
            Some(END) if record.len() == 22 => {
                at += 22 + u64::from(two(20));
                break;
            }
            Some(END_64_LOCATOR) => at += 20,
            Some(END_64) if record.len() == 22 => {
                let size: [u8; 8] = std::array::from_fn(|i| record[4 + i]);
                at = at
                    .saturating_add(12)
                    .saturating_add(u64::from_le_bytes(size));
            }
            _ => return bad("the end of its directory is not valid"),
        }
    }
    match at.cmp(&length) {
        Ordering::Equal => Ok(()),
        Ordering::Greater => bad("cut off in its last bytes"),
        Ordering::Less => bad(format!("{} bytes follow its end", length - at)),
    }
}
