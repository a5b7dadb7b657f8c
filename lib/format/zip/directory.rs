//! The central directory of an archive, and the headers before the data of the members.

use zip::CompressionMethod;
use zip::read::ZipFileEntry;
use zip::unstable::read::ZipIterableFiles;

use super::error::{ArchiveError, bad, directory_error};
use super::limits::ZipLimits;
use super::ranges::Ranges;
use super::window::ZipWindow;

pub(super) const LOCAL_HEADER: &[u8] = b"PK\x03\x04";

const ENTRY: &[u8] = b"PK\x01\x02";

/// A member as the central directory describes it.
#[derive(Debug)]
pub struct Member {
    /// The name, for messages and records. No file may be opened or created by this name. Control
    /// characters are replaced, so that the name stays on one line.
    pub name: String,
    /// The inflated size in bytes.
    pub size: u64,
    /// The checksum of the inflated bytes.
    pub crc32: u32,
    entry: ZipFileEntry<'static>,
}

impl Member {
    fn new(entry: ZipFileEntry<'static>) -> Result<Member, ArchiveError> {
        let name = entry.name().map_err(directory_error)?;
        Ok(Member {
            name: name.replace(char::is_control, "\u{fffd}"),
            size: entry.size(),
            crc32: entry.crc32(),
            entry,
        })
    }

    /// Whether the member is a directory. A directory with data counts as a file, because otherwise
    /// its data would be lost.
    pub fn is_directory(&self) -> bool {
        self.entry.is_dir() && self.size == 0
    }

    fn is_deflated(&self) -> Result<bool, ArchiveError> {
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

/// Where the bytes of a member are in the archive, with the expected size and checksum. An
/// [`Unpacker`](super::Unpacker) in any thread needs only this to inflate the member.
#[derive(Clone, Copy, Debug)]
pub struct MemberData {
    pub(super) start: u64,
    pub(super) compressed_size: u64,
    pub(super) size: u64,
    pub(super) crc32: u32,
    pub(super) deflated: bool,
}

/// An iterator over the members in the central directory.
#[derive(Debug)]
pub struct MemberWalk<'a> {
    entries: &'a mut ZipIterableFiles<ZipWindow>,
    pub(super) headers: ZipWindow,
    limits: ZipLimits,
    claimed: Ranges,
    total: u64,
    /// The offset of the directory; `None` until the first entry of the directory has been read.
    directory: Option<u64>,
    last_entry: Option<u64>,
    first_header: u64,
}

impl MemberData {
    /// The inflated size according to the directory.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The number of bytes of the member in the archive. A stored member is not compressed.
    pub fn compressed_size(&self) -> u64 {
        self.compressed_size
    }
}

impl<'a> MemberWalk<'a> {
    pub(super) fn new(
        entries: &'a mut ZipIterableFiles<ZipWindow>,
        headers: ZipWindow,
        limits: &ZipLimits,
    ) -> MemberWalk<'a> {
        MemberWalk {
            entries,
            headers,
            limits: limits.clone(),
            claimed: Ranges::default(),
            total: 0,
            directory: None,
            last_entry: None,
            first_header: u64::MAX,
        }
    }

    /// The next member; `None` after the last one. After an error, the caller must not call this
    /// again.
    pub fn next_member(&mut self) -> Result<Option<Member>, ArchiveError> {
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

    /// Finds the bytes of a member. An error if the member is damaged, not supported or over a
    /// limit. The caller calls this only once for each member: a second call fails, because the
    /// bytes already belong to a member.
    pub fn locate(&mut self, member: &Member) -> Result<MemberData, ArchiveError> {
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
        self.claimed
            .claim(header, end)
            .map_err(|words| ArchiveError::Bad(words.to_owned()))?;
        self.total = total;
        Ok(MemberData {
            start,
            compressed_size,
            size: member.size,
            crc32: member.crc32,
            deflated,
        })
    }

    /// The offset of a member's data. Reads the header before the data, because the length of this
    /// header is only in the header itself.
    fn data_start(&mut self, member: &Member, header: u64) -> Result<u64, ArchiveError> {
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
                    "its own header has the name {}",
                    String::from_utf8_lossy(&local).escape_debug()
                ));
            }
        }
        Ok(name_start + u64::from(name) + u64::from(extra))
    }

    /// The name of a member in its entry of the directory. [`Member::name`] can be another name,
    /// because an extra field can contain a Unicode name.
    fn stored_name(&mut self, member: &Member) -> Result<&[u8], ArchiveError> {
        let at = member.entry.central_header_start();
        let length = match self.headers.at(at + 28, 2)? {
            [low, high] => u16::from_le_bytes([*low, *high]),
            _ => 0,
        };
        Ok(self.headers.at(at + 46, usize::from(length))?)
    }

    /// Checks that the directory lists all members. Some programs count members modulo 65 536, and
    /// two concatenated ZIPs look like one ZIP with extra bytes before it. In both cases members
    /// would be lost without an error.
    fn nothing_is_left_out(&mut self) -> Result<(), ArchiveError> {
        let end = self.directory_end()?;
        if end > 0 && self.headers.at(end, 4)? == ENTRY {
            return bad("its directory holds more members than it declares");
        }
        if self.first_header > 0 && self.headers.at(0, 4)? == LOCAL_HEADER {
            return bad(
                "it begins with a member that its directory does not list: two ZIPs in one file?",
            );
        }
        Ok(())
    }

    /// The end of the last entry of the directory; 0 if there are no entries.
    pub(super) fn directory_end(&mut self) -> Result<u64, ArchiveError> {
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
}
