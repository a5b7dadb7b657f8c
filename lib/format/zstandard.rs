//! Compresses with Zstandard. Only this module uses zstd.

use std::fmt;
use std::io::{self, Read};

use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;

/// Compresses parts of a text. Each becomes a frame with its size and a checksum. Concatenated
/// frames decompress to the concatenated parts.
pub struct Frames {
    compressor: Compressor<'static>,
    frame: Vec<u8>,
}

impl Frames {
    /// With zstd's default level.
    pub fn new() -> io::Result<Frames> {
        let mut compressor = Compressor::new(zstd::DEFAULT_COMPRESSION_LEVEL)?;
        compressor.include_checksum(true)?;
        Ok(Frames {
            compressor,
            frame: Vec::new(),
        })
    }

    /// The frame of one part.
    pub fn frame(&mut self, piece: &[u8]) -> io::Result<&[u8]> {
        self.frame.clear();
        self.frame
            .reserve(zstd::zstd_safe::compress_bound(piece.len()));
        self.compressor.compress_to_buffer(piece, &mut self.frame)?;
        Ok(&self.frame)
    }
}

/// Decompresses frames to text.
pub(crate) fn reader<'a>(input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(Box::new(Decoder::new(input)?))
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_behind_each_other_are_one_text() {
        let mut frames = Frames::new().unwrap();
        let pieces = [&b"one "[..], b"", &[b'x'; 100_000], b"two"];
        let file = pieces.map(|piece| frames.frame(piece).unwrap().to_vec());
        let text = zstd::stream::decode_all(&file.concat()[..]).unwrap();
        assert!(text == pieces.concat());
        assert!(file[2].len() < 1000);
    }
}
