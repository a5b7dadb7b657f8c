//! What lines are, with none of the care for speed.

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The result of an input whose records are all kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Naive {
    pub kept: Vec<u8>,
    /// The lines that are no records, from 1, and where they begin.
    pub rejects: Vec<(u64, u64)>,
    /// Lines, records, records kept, bytes.
    pub counts: [u64; 4],
}

/// Reads all of an input at once.
pub fn read(input: &[u8]) -> Naive {
    let mut seen = Naive {
        kept: Vec::new(),
        rejects: Vec::new(),
        counts: [0, 0, 0, input.len() as u64],
    };
    let mut offset = 0;
    for whole in input.split_inclusive(|byte| *byte == b'\n') {
        let start = offset;
        offset += whole.len() as u64;
        seen.counts[0] += 1;
        let line = whole.strip_prefix(BOM).unwrap_or(whole);
        let start = start + (whole.len() - line.len()) as u64;
        if line.trim_ascii().is_empty() {
            continue;
        }
        seen.counts[1] += 1;
        let is_record = std::str::from_utf8(line).is_ok_and(|text| {
            serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value.is_object())
        });
        if !is_record {
            seen.rejects.push((seen.counts[0], start));
            continue;
        }
        seen.counts[2] += 1;
        seen.kept.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            seen.kept.push(b'\n');
        }
    }
    seen
}
