//! Inflates the bytes of a member. At the member's end, verifies its size and checksum.

use std::fmt;
use std::sync::Arc;

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

use super::directory::MemberData;
use super::error::{ArchiveError, bad};
use super::window::{self, ZipBytes, ZipWindow};

/// Inflates the members of one archive, one after the other, with the same buffers.
pub struct Unpacker {
    input: ZipWindow,
    inflate: Decompress,
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

impl Unpacker {
    /// An unpacker for the archive in `bytes`. Several unpackers can read one archive.
    pub fn new(bytes: Arc<dyn ZipBytes>) -> Unpacker {
        Unpacker {
            input: ZipWindow::new(bytes, window::DATA),
            inflate: Decompress::new(false),
        }
    }

    /// Starts to inflate a member.
    pub fn open(&mut self, data: MemberData) -> MemberContents<'_> {
        self.inflate.reset(false);
        MemberContents {
            unpacker: self,
            data,
            taken: 0,
            given: 0,
            crc: Hasher::new(),
            ended: !data.deflated,
        }
    }
}

/// The inflated bytes of one member.
#[derive(Debug)]
pub struct MemberContents<'a> {
    unpacker: &'a mut Unpacker,
    data: MemberData,
    /// The number of bytes read from the archive.
    taken: u64,
    /// The number of inflated bytes returned.
    given: u64,
    crc: Hasher,
    /// Whether the deflate stream has ended; always true for a stored member.
    ended: bool,
}

impl MemberContents<'_> {
    /// The inflated size according to the directory. [`MemberContents::read`] never returns more
    /// bytes.
    pub fn size(&self) -> u64 {
        self.data.size
    }

    /// Fills `out` with the next bytes of the member, and returns their number. Returns 0 at the
    /// member's end, after its size and checksum were compared with the directory. Until it returns
    /// 0, the bytes that it has returned are not verified. `out` must not be empty before the
    /// member's end.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, ArchiveError> {
        let left = usize::try_from(self.data.size - self.given).unwrap_or(usize::MAX);
        let room = out.len().min(left);
        let out = &mut out[..room];
        let mut filled = 0;
        while filled < out.len() {
            let count = self.step(&mut out[filled..])?;
            if count == 0 && self.ended {
                break;
            }
            filled += count;
        }
        self.crc.update(&out[..filled]);
        self.given += filled as u64;
        if filled == 0 {
            self.prove()?;
        }
        Ok(filled)
    }

    fn step(&mut self, out: &mut [u8]) -> Result<usize, ArchiveError> {
        if self.data.deflated && self.ended {
            return Ok(0);
        }
        let left = self.data.compressed_size - self.taken;
        let input = match left {
            0 => &[],
            _ => self.unpacker.input.some(self.data.start + self.taken)?,
        };
        if input.is_empty() && left > 0 {
            return bad("the file became shorter while it was read");
        }
        let input = &input[..usize::try_from(left).map_or(input.len(), |n| n.min(input.len()))];
        if !self.data.deflated {
            let count = input.len().min(out.len());
            out[..count].copy_from_slice(&input[..count]);
            self.taken += count as u64;
            return Ok(count);
        }
        let inflate = &mut self.unpacker.inflate;
        let before = (inflate.total_in(), inflate.total_out());
        let Ok(status) = inflate.decompress(input, out, FlushDecompress::None) else {
            return bad("its compressed data are damaged");
        };
        let used = inflate.total_in() - before.0;
        let count = inflate.total_out() - before.1;
        self.taken += used;
        self.ended = status == Status::StreamEnd;
        if used == 0 && count == 0 && !self.ended {
            return bad("its compressed data are cut off");
        }
        Ok(count as usize)
    }

    fn prove(&mut self) -> Result<(), ArchiveError> {
        while !self.ended {
            if self.step(&mut [0])? > 0 {
                return bad(format!(
                    "it holds more than the {} bytes that the directory says",
                    self.data.size
                ));
            }
        }
        if !self.data.deflated && self.taken < self.data.compressed_size {
            return bad(format!(
                "it holds {} bytes, the directory says {}",
                self.data.compressed_size, self.data.size
            ));
        }
        if self.given < self.data.size {
            return bad(format!(
                "it holds {} bytes, the directory says {}",
                self.given, self.data.size
            ));
        }
        let crc32 = self.crc.clone().finalize();
        if crc32 != self.data.crc32 {
            return bad(format!(
                "its checksum is {crc32:08x}, the directory says {:08x}",
                self.data.crc32
            ));
        }
        Ok(())
    }
}
