//! Compresses and decompresses with Zstandard. Only this module uses the crate zstd.

use std::fmt;
use std::io::{self, Read};

use zstd::bulk::{Compressor, Decompressor};
use zstd::stream::read::Decoder;
use zstd::zstd_safe;

/// The level for fast compression. The output is larger by half than with the default level. zstd
/// has negative numbers for its fast levels.
const FAST: i32 = -3;

/// Compresses parts of a text. Each part becomes a frame that contains its size and a checksum.
/// Concatenated frames decompress to the concatenated parts.
pub struct Frames {
    compressor: Compressor<'static>,
    frame: Vec<u8>,
}

impl Frames {
    /// Compresses with zstd's default level.
    pub fn new() -> io::Result<Frames> {
        Frames::with_level(zstd::DEFAULT_COMPRESSION_LEVEL)
    }

    /// Compresses fast, for data that is read once and deleted soon.
    pub(crate) fn fast() -> io::Result<Frames> {
        Frames::with_level(FAST)
    }

    fn with_level(level: i32) -> io::Result<Frames> {
        let mut compressor = Compressor::new(level)?;
        compressor.include_checksum(true)?;
        Ok(Frames {
            compressor,
            frame: Vec::new(),
        })
    }

    /// Compresses one part, and returns its frame.
    pub fn frame(&mut self, piece: &[u8]) -> io::Result<&[u8]> {
        self.frame.clear();
        self.frame.reserve(zstd_safe::compress_bound(piece.len()));
        self.compressor.compress_to_buffer(piece, &mut self.frame)?;
        Ok(&self.frame)
    }
}

/// Decompresses one frame. An error if the decompressed text does not have exactly `length` bytes.
pub(crate) fn text_of(frame: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let wrong_length = || io::Error::new(io::ErrorKind::InvalidData, "it has another length");
    // The length in the header is checked before memory is allocated for the text.
    if zstd_safe::get_frame_content_size(frame).ok().flatten() != Some(length as u64) {
        return Err(wrong_length());
    }
    let mut text = Vec::new();
    text.try_reserve_exact(length)?;
    Decompressor::new()?.decompress_to_buffer(frame, &mut text)?;
    match text.len() == length {
        true => Ok(text),
        false => Err(wrong_length()),
    }
}

/// A reader that decompresses the frames in `input`.
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

    #[test]
    fn a_damaged_frame_or_another_length_is_an_error() {
        let text: Vec<u8> = (0..9000)
            .map(|n: u32| n.to_string())
            .collect::<String>()
            .into();
        let frame = Frames::fast().unwrap().frame(&text).unwrap().to_vec();
        assert!(text_of(&frame, text.len()).unwrap() == text);
        for at in 0..frame.len() {
            let mut damaged = frame.clone();
            damaged[at] ^= 4;
            // Some bits of the frame's header have no meaning.
            let read = text_of(&damaged, text.len());
            assert!(read.is_err() || at < 6 && read.unwrap() == text, "{at}");
        }
        for length in [0, 1, text.len() - 1, text.len() + 1, usize::MAX] {
            assert!(text_of(&frame, length).is_err());
        }
        assert!(text_of(&frame[..frame.len() - 1], text.len()).is_err());
        assert!(text_of(b"{}", 5).is_err());
    }
}
