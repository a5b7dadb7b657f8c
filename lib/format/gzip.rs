//! Decompresses gzip, with a limit for the output.

use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;

/// The reason why decompressing failed.
#[derive(Debug)]
pub(crate) enum GzipFailure {
    /// The decompressed text is longer than the limit.
    TooLong,
    /// The input is not gzip, or its end is missing.
    Damaged,
    /// Writing the output failed.
    Output(io::Error),
}

/// Decompresses `input` into `output`, at most `limit` bytes. Returns the number of decompressed
/// bytes.
pub(crate) fn inflate(
    input: impl Read,
    limit: u64,
    output: &mut impl Write,
) -> Result<u64, GzipFailure> {
    let mut decoder = MultiGzDecoder::new(input);
    let mut block = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        let count = decoder.read(&mut block).map_err(|_| GzipFailure::Damaged)?;
        if count == 0 {
            return Ok(total);
        }
        total += count as u64;
        if total > limit {
            return Err(GzipFailure::TooLong);
        }
        output
            .write_all(&block[..count])
            .map_err(GzipFailure::Output)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_comes_out_is_bounded() {
        let bomb = gzip(&vec![0; 10 << 20]);
        let mut out = Vec::new();
        let inflated = inflate(&bomb[..], 1 << 20, &mut out);
        assert!(matches!(inflated, Err(GzipFailure::TooLong)));
        assert!(out.len() <= 1 << 20);
    }

    #[test]
    fn all_parts_and_nothing_less() {
        let two = [gzip(b"one"), gzip(b"two")].concat();
        let mut out = Vec::new();
        assert_eq!(inflate(&two[..], 6, &mut out).unwrap(), 6);
        assert_eq!(out, b"onetwo");
        let cut = inflate(&two[..two.len() - 1], 6, &mut Vec::new());
        assert!(matches!(cut, Err(GzipFailure::Damaged)));
        let plain = inflate(&b"{}"[..], 6, &mut Vec::new());
        assert!(matches!(plain, Err(GzipFailure::Damaged)));
    }
}
