//! ZIP archives, read member by member in constant memory.
//!
//! The only user of `zip`, and of `flate2` and `crc32fast`. `zip` walks the
//! directory at the archive's end, one entry at a time: its `ZipArchive` would
//! hold all of them and, of members with one name, keep only the last. The
//! members are inflated here, from positioned reads on a shared file, which is
//! a fifth faster and lets several be inflated at once.
//!
//! An archive is not trusted. What a member declares in the directory is an
//! upper bound while it is inflated and must be true at its end, checksum
//! included; its bytes must lie inside the file and belong to no other member;
//! its two names must agree; and [`Limits`] bounds what may be declared.

mod inflate;
mod limits;
mod ranges;
mod window;

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;

use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::{ZipIterable, ZipIterableFiles};

pub use inflate::{Contents, Unpacker};
pub use limits::{Limits, Size};

use ranges::Ranges;
use window::Window;

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
const DIRECTORY_END: &[u8] = b"PK\x05\x06";
const DIRECTORY_END_64: &[u8] = b"PK\x06\x06";
const DIRECTORY_END_64_LOCATOR: &[u8] = b"PK\x06\x07";

/// Why an archive or a member cannot be read.
#[derive(Debug)]
pub enum Error {
    /// The file could not be read: nothing is known of what it holds.
    Io(io::Error),
    /// What it holds is not sound, or is refused; in words.
    Bad(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(e) => e.fmt(f),
            Error::Bad(text) => f.write_str(text),
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        Error::Io(e)
    }
}

impl From<Error> for anyhow::Error {
    fn from(e: Error) -> anyhow::Error {
        match e {
            Error::Io(e) => e.into(),
            Error::Bad(text) => crate::error::bad_input(text),
        }
    }
}

fn bad<T>(text: impl Into<String>) -> Result<T, Error> {
    Err(Error::Bad(text.into()))
}

/// A ZIP whose directory has been found.
#[derive(Debug)]
pub struct Archive {
    file: Arc<File>,
    entries: ZipIterable<Window>,
}

impl Archive {
    /// Finds the directory at the end of `file`. As `unzip` does, this overlooks
    /// bytes in front of the archive (a self-extractor) and behind it.
    pub fn open(file: File) -> Result<Archive, Error> {
        Archive::at(file, ArchiveOffset::Detect)
    }

    fn at(file: File, archive_offset: ArchiveOffset) -> Result<Archive, Error> {
        let file = Arc::new(file);
        let mut start = Window::new(Arc::clone(&file), 4);
        let start = start.at(0, 4)?;
        let window = Window::new(Arc::clone(&file), window::DIRECTORY);
        match ZipIterable::try_new(window, Config { archive_offset }) {
            Ok(entries) => Ok(Archive { file, entries }),
            Err(ZipError::InvalidArchive(_)) if start.is_empty() => bad("empty, not a ZIP"),
            Err(ZipError::InvalidArchive(cause)) if start == LOCAL_HEADER => bad(format!(
                "cut off: it begins as a ZIP and has no valid directory at its end ({cause})"
            )),
            Err(ZipError::InvalidArchive(cause)) => bad(format!("not a ZIP ({cause})")),
            Err(e) => Err(directory_error(e)),
        }
    }

    /// What inflates members of this archive. Several may work at once.
    pub fn unpacker(&self) -> Unpacker {
        Unpacker::new(Arc::clone(&self.file))
    }

    /// The members from the first one, in the order of the directory.
    pub fn members(&mut self, limits: &Limits) -> Result<Members<'_>, Error> {
        let count = self.entries.len();
        if count as u64 > limits.max_members {
            return bad(format!(
                "{count} members, over --max-members {}",
                limits.max_members
            ));
        }
        Ok(Members {
            headers: Window::new(Arc::clone(&self.file), window::HEADERS),
            entries: self.entries.files().map_err(directory_error)?,
            limits: limits.clone(),
            claimed: Ranges::default(),
            total: 0,
            directory: None,
            last_entry: None,
            first_header: u64::MAX,
        })
    }
}

fn directory_error(e: ZipError) -> Error {
    match e {
        ZipError::Io(e) if e.kind() != io::ErrorKind::UnexpectedEof => Error::Io(e),
        e => Error::Bad(format!("its directory is damaged: {e}")),
    }
}

/// A member as the directory describes it.
#[derive(Debug)]
pub struct Member {
    /// Its name for people and records, never a path to open. Control
    /// characters are replaced, so that it stays on one line.
    pub name: String,
    /// Its size when inflated.
    pub size: u64,
    /// The checksum of its bytes when inflated.
    pub crc32: u32,
    entry: ZipFileEntry<'static>,
}

impl Member {
    fn new(entry: ZipFileEntry<'static>) -> Result<Member, Error> {
        let name = entry.name().map_err(directory_error)?;
        Ok(Member {
            name: name.replace(char::is_control, "\u{fffd}"),
            size: entry.size(),
            crc32: entry.crc32(),
            entry,
        })
    }

    /// Whether it is a directory. One that holds bytes is a member like any
    /// other: they would be lost.
    pub fn is_directory(&self) -> bool {
        self.entry.is_dir() && self.size == 0
    }

    fn is_deflated(&self) -> Result<bool, Error> {
        #[allow(deprecated, reason = "there is no other way to see the number")]
        match self.entry.compression() {
            CompressionMethod::Stored => Ok(false),
            CompressionMethod::Deflated => Ok(true),
            CompressionMethod::Unsupported(method) => bad(format!(
                "compression method {method} ({}) is not supported, only stored and deflate are",
                CompressionMethod::name_from_u16(method).to_lowercase()
            )),
            other => bad(format!("compression method {other} is not supported")),
        }
    }
}

/// Where a member's bytes are and what they must come to. All that an
/// [`Unpacker`] needs, on whatever thread.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    start: u64,
    compressed_size: u64,
    /// The size when inflated, which is a hard limit.
    pub size: u64,
    crc32: u32,
    deflated: bool,
}

/// A walk along the directory.
#[derive(Debug)]
pub struct Members<'a> {
    entries: &'a mut ZipIterableFiles<Window>,
    headers: Window,
    limits: Limits,
    claimed: Ranges,
    total: u64,
    /// Where the directory begins, once its first entry has been read.
    directory: Option<u64>,
    last_entry: Option<u64>,
    first_header: u64,
}

impl Members<'_> {
    /// The next member; `None` after the last. After an error there is no next.
    pub fn next_member(&mut self) -> Result<Option<Member>, Error> {
        let Some(entry) = self.entries.next() else {
            self.nothing_is_left_out()?;
            return Ok(None);
        };
        let member = Member::new(entry.map_err(directory_error)?)?;
        let at = member.entry.central_header_start();
        self.directory.get_or_insert(at);
        self.last_entry = Some(at);
        self.first_header = self.first_header.min(member.entry.header_start());
        Ok(Some(member))
    }

    /// Where the member's bytes are, if they may be read. Each member once: a
    /// second time its bytes are taken already.
    pub fn locate(&mut self, member: &Member) -> Result<Data, Error> {
        if member.entry.encrypted() {
            return bad("encrypted, which is not supported");
        }
        let deflated = member.is_deflated()?;
        let compressed_size = member.entry.compressed_size();
        let total = self.total.saturating_add(member.size);
        self.limits.check(member.size, compressed_size, total)?;
        let header = member.entry.header_start();
        let start = self.data_start(member, header)?;
        let end = start.saturating_add(compressed_size);
        if self.directory.is_none_or(|directory| end > directory) {
            return bad("its data reach beyond the members' part of the file");
        }
        if !self.claimed.claim(header, end) {
            return bad("its data overlap another member's");
        }
        self.total = total;
        Ok(Data {
            start,
            compressed_size,
            size: member.size,
            crc32: member.crc32,
            deflated,
        })
    }

    /// Reads the header in front of the data: only it knows its own length.
    fn data_start(&mut self, member: &Member, header: u64) -> Result<u64, Error> {
        let fixed = self.headers.at(header, 30)?;
        if fixed.len() < 30 || !fixed.starts_with(LOCAL_HEADER) {
            return bad("there is no member where the directory says");
        }
        let [name, extra] = [26, 28].map(|at| u16::from_le_bytes([fixed[at], fixed[at + 1]]));
        let name_start = header + 30;
        let local = self.headers.at(name_start, usize::from(name))?;
        if local != member.entry.name_raw() {
            let local = local.to_owned();
            if local != self.stored_name(member)? {
                return bad(format!(
                    "its own header names it {}",
                    String::from_utf8_lossy(&local).escape_debug()
                ));
            }
        }
        Ok(name_start + u64::from(name) + u64::from(extra))
    }

    /// The name in the directory before a Unicode one in an extra field replaced it.
    fn stored_name(&mut self, member: &Member) -> Result<&[u8], Error> {
        let at = member.entry.central_header_start();
        let length = match self.headers.at(at + 28, 2)? {
            [low, high] => u16::from_le_bytes([*low, *high]),
            _ => 0,
        };
        Ok(self.headers.at(at + 46, usize::from(length))?)
    }

    /// Some writers count members modulo 65 536, and two ZIPs in one file are
    /// one with a strange beginning: either would lose members without a word.
    fn nothing_is_left_out(&mut self) -> Result<(), Error> {
        let end = self.directory_end()?;
        if end > 0 && self.headers.at(end, 4)? == DIRECTORY_ENTRY {
            return bad("its directory holds more members than it declares");
        }
        if self.first_header > 0 && self.headers.at(0, 4)? == LOCAL_HEADER {
            return bad(
                "it begins with a member that its directory does not list: two ZIPs in one file?",
            );
        }
        Ok(())
    }

    fn directory_end(&mut self) -> Result<u64, Error> {
        let Some(at) = self.last_entry else {
            return Ok(0);
        };
        let lengths = self.headers.at(at + 28, 6)?;
        let variable: u64 = lengths
            .chunks_exact(2)
            .map(|pair| u64::from(u16::from_le_bytes([pair[0], pair[1]])))
            .sum();
        Ok(at + 46 + variable)
    }

    /// Checks that the records behind the directory end where the file ends.
    fn nothing_follows(&mut self, length: u64) -> Result<(), Error> {
        let mut at = self.directory_end()?;
        loop {
            let record = self.headers.at(at, 22)?;
            let two = |from: usize| u16::from_le_bytes([record[from], record[from + 1]]);
            match record.get(..4) {
                Some(DIRECTORY_END) if record.len() == 22 => {
                    at += 22 + u64::from(two(20));
                    break;
                }
                Some(DIRECTORY_END_64_LOCATOR) => at += 20,
                Some(DIRECTORY_END_64) if record.len() == 22 => {
                    let size: [u8; 8] = std::array::from_fn(|i| record[4 + i]);
                    at = at
                        .saturating_add(12)
                        .saturating_add(u64::from_le_bytes(size));
                }
                _ => return bad("its directory does not end as a directory does"),
            }
        }
        match at.cmp(&length) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => bad("cut off in its last bytes"),
            std::cmp::Ordering::Less => bad(format!("{} bytes follow its end", length - at)),
        }
    }
}

/// What a sound archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Members that are no directories.
    pub members: u64,
    /// Their bytes when inflated.
    pub bytes: u64,
}

/// Proves an archive as a whole: the file is it from the first byte to the last,
/// and every member has the size and the checksum that the directory says.
/// `each` sees every member that is no directory once it is proven.
pub fn verify(
    file: &File,
    limits: &Limits,
    mut each: impl FnMut(&Member),
) -> anyhow::Result<Summary> {
    let length = file.metadata()?.len();
    let mut archive = Archive::at(file.try_clone()?, ArchiveOffset::Known(0))?;
    let mut unpacker = archive.unpacker();
    let mut members = archive.members(limits)?;
    let mut summary = Summary::default();
    let mut sink = vec![0; 256 * 1024];
    while let Some(member) = members.next_member()? {
        let mut prove = || -> Result<(), Error> {
            let mut contents = unpacker.open(members.locate(&member)?);
            while contents.read(&mut sink)? > 0 {}
            Ok(())
        };
        prove().map_err(|e| match e {
            Error::Bad(text) => Error::Bad(format!("member {}: {text}", member.name)),
            Error::Io(e) => Error::Io(e),
        })?;
        if !member.is_directory() {
            summary.members += 1;
            summary.bytes += member.size;
            each(&member);
        }
    }
    members.nothing_follows(length)?;
    Ok(summary)
}
