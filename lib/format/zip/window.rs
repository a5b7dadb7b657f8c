//! Reads the bytes of an archive through a buffer, so that several small reads near each other need
//! only one system call.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The size of the buffer for the central directory, in bytes. Its entries are consecutive and have
/// about 150 bytes each.
pub(super) const DIRECTORY: usize = 64 * 1024;

/// The size of the buffer for the headers before the members' data, in bytes.
pub(super) const HEADERS: usize = 16 * 1024;

/// The size of the buffer for the members' data, in bytes. A larger buffer is not faster.
pub(super) const DATA: usize = 256 * 1024;

/// The bytes of an archive. Several threads can read them.
pub trait ZipBytes: Debug + Send + Sync {
    /// Reads bytes from `offset` on into `buffer`. Returns their number, which is 0 only at the end
    /// of the archive.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The size of the archive in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// Reads with `pread`, which does not move the position of the file.
impl ZipBytes for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// A reader of an archive that keeps one part of the archive in memory.
#[derive(Debug)]
pub(super) struct ZipWindow {
    bytes: Arc<dyn ZipBytes>,
    buffer: Vec<u8>,
    /// The offset in the archive of the bytes `buffer[..filled]`.
    start: u64,
    filled: usize,
    position: u64,
}

impl ZipWindow {
    pub(super) fn new(bytes: Arc<dyn ZipBytes>, size: usize) -> ZipWindow {
        ZipWindow {
            bytes,
            buffer: vec![0; size],
            start: 0,
            filled: 0,
            position: 0,
        }
    }

    /// Returns `length` bytes from `offset` on; fewer only at the end of the archive.
    pub(super) fn at(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        if self.buffered(offset).len() < length {
            self.load(offset, length)?;
        }
        let bytes = self.buffered(offset);
        Ok(&bytes[..length.min(bytes.len())])
    }

    /// Returns the bytes in memory from `offset` on. If there are none, reads some first. The
    /// result is empty only at the end of the archive.
    pub(super) fn some(&mut self, offset: u64) -> io::Result<&[u8]> {
        if self.buffered(offset).is_empty() {
            self.load(offset, 1)?;
        }
        Ok(self.buffered(offset))
    }

    fn buffered(&self, offset: u64) -> &[u8] {
        match offset.checked_sub(self.start) {
            Some(skip) if skip < self.filled as u64 => &self.buffer[skip as usize..self.filled],
            _ => &[],
        }
    }

    fn load(&mut self, offset: u64, at_least: usize) -> io::Result<()> {
        if self.buffer.len() < at_least {
            self.buffer.resize(at_least, 0);
        }
        self.start = offset;
        self.filled = 0;
        while self.filled < at_least {
            let at = offset.saturating_add(self.filled as u64);
            match self.bytes.read_at(&mut self.buffer[self.filled..], at) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // The offset is larger than any file can be, so it is past the end of this file.
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl Read for ZipWindow {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.some(self.position)?;
        let count = bytes.len().min(out.len());
        out[..count].copy_from_slice(&bytes[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for ZipWindow {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.size()?.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
