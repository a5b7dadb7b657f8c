//! Bodies of pushes. The bodies of a commit share one compressed frame, or a few. Records resemble
//! each other, so a shared frame takes a third of the time and half of the space that a frame for
//! each push takes.

use std::io;

use crate::format::zstandard::{self, Frames};

/// The most bytes of text in a frame. A longer body is stored in its own row.
const FRAME: usize = 1 << 20;

/// Packs bodies into frames.
#[derive(Debug)]
pub(super) struct BodyPacker {
    frames: Frames,
    text: Vec<u8>,
}

/// The bodies of a commit.
#[derive(Debug, Default)]
pub(super) struct PackedBodies {
    pub(super) frames: Vec<PackedFrame>,
    /// Where the body of each push starts in its frame; `None` if the body is in no frame.
    pub(super) starts: Vec<Option<usize>>,
}

/// Several bodies in one compressed frame.
#[derive(Debug)]
pub(super) struct PackedFrame {
    /// The positions of the frame's first and last push in the commit.
    pub(super) first: usize,
    pub(super) last: usize,
    /// The length of the text in bytes.
    pub(super) length: usize,
    pub(super) frame: Vec<u8>,
}

/// The text of a frame that was read.
#[derive(Debug)]
pub(super) struct UnpackedFrame {
    /// The numbers of the first and the last push in the frame. Each body between these two that
    /// has at most [`FRAME`] bytes is in the frame, too.
    first: i64,
    last: i64,
    text: Vec<u8>,
}

impl BodyPacker {
    /// A packer without bodies. Fails if there is too little memory.
    pub(super) fn new() -> io::Result<BodyPacker> {
        Ok(BodyPacker {
            frames: Frames::fast()?,
            text: Vec::new(),
        })
    }

    /// Packs the bodies of the pushes of a commit; `None` stands for a recording.
    pub(super) fn pack<'b>(
        &mut self,
        bodies: impl Iterator<Item = Option<&'b [u8]>>,
    ) -> io::Result<PackedBodies> {
        let mut packed = PackedBodies::default();
        self.text.clear();
        let mut places = None;
        for (at, body) in bodies.enumerate() {
            let Some(body) = body.filter(|body| body.len() <= FRAME) else {
                packed.starts.push(None);
                continue;
            };
            if self.text.len() + body.len() > FRAME {
                packed.frames.extend(self.close(places.take())?);
            }
            packed.starts.push(Some(self.text.len()));
            self.text.extend_from_slice(body);
            places = Some((places.map_or(at, |(first, _)| first), at));
        }
        packed.frames.extend(self.close(places)?);
        Ok(packed)
    }

    /// Compresses the collected text into a frame; `None` if no body was collected.
    fn close(&mut self, places: Option<(usize, usize)>) -> io::Result<Option<PackedFrame>> {
        let Some((first, last)) = places else {
            return Ok(None);
        };
        let packed = PackedFrame {
            first,
            last,
            length: self.text.len(),
            frame: self.frames.frame(&self.text)?.to_vec(),
        };
        self.text.clear();
        Ok(Some(packed))
    }
}

impl UnpackedFrame {
    /// Decompresses the frame of the pushes `first` to `last`, with `length` bytes of text.
    pub(super) fn new(
        first: i64,
        last: i64,
        length: i64,
        frame: &[u8],
    ) -> io::Result<UnpackedFrame> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(UnpackedFrame {
            first,
            last,
            text: zstandard::text_of(frame, length)?,
        })
    }

    /// Whether the push with this number belongs to the frame.
    pub(super) fn has(&self, number: i64) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// The `length` bytes from byte `start` of the text on; `None` if the text is shorter.
    pub(super) fn body(&self, start: i64, length: i64) -> Option<Vec<u8>> {
        let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
        let body = self.text.get(start..start.checked_add(length)?);
        body.map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_at_most_a_mebibyte_and_a_longer_body_none() {
        let (half, whole) = (vec![b'h'; FRAME / 2], vec![b'w'; FRAME]);
        let too_long = vec![0; FRAME + 1];
        let bodies = [
            None,
            Some(&half[..]),
            Some(&too_long),
            Some(&half),
            Some(b"x"),
            Some(&whole),
            None,
            Some(b""),
        ];
        let mut packer = BodyPacker::new().unwrap();
        for _ in 0..2 {
            let packed = packer.pack(bodies.into_iter()).unwrap();
            let starts = [None, Some(0), None, Some(FRAME / 2), Some(0), Some(0), None];
            assert_eq!(packed.starts[..7], starts);
            assert_eq!(packed.starts[7], Some(FRAME));
            let frames = packed
                .frames
                .iter()
                .map(|one| (one.first, one.last, one.length));
            let expected = [(1, 3, FRAME), (4, 4, 1), (5, 7, FRAME)];
            assert_eq!(frames.collect::<Vec<_>>(), expected);
            let first = zstandard::text_of(&packed.frames[0].frame, FRAME).unwrap();
            assert!(first == [b'h'; FRAME]);
        }
        let none = packer
            .pack([None, Some(&too_long[..])].into_iter())
            .unwrap();
        assert!(none.frames.is_empty());
    }
}
