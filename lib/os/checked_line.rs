//! Lines of JSON that carry their checksum.
//!
//! The checksum is the last key of the object, `"crc"`: the CRC-32 of the object as
//! it was without that key, eight hexadecimal digits. Lines without it are older, and
//! are good.

use std::fmt;

/// A line whose checksum is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineDamage;

impl fmt::Display for LineDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its checksum \"crc\" is wrong: it was damaged or edited")
    }
}

const KEY: &[u8] = b",\"crc\":\"";

/// The text after the object: the key, eight digits, and the end.
const LENGTH: usize = KEY.len() + 8 + 2;

/// Adds the checksum to an object that has at least one key.
pub fn seal(line: &mut Vec<u8>) {
    let crc = crc32fast::hash(line);
    if line.pop_if(|last| *last == b'}').is_some() {
        line.extend(KEY);
        line.extend(format!("{crc:08x}\"}}").as_bytes());
    }
}

/// Compares an object with its checksum, if it has one.
pub fn verify(line: &[u8]) -> Result<(), LineDamage> {
    // Unescaped quotes: this is no part of a text.
    if memchr::memmem::find(line, b"\"crc\":").is_none() {
        return Ok(());
    }
    let line = line.trim_ascii_end();
    let at = line.len().checked_sub(LENGTH).ok_or(LineDamage)?;
    let digits = line[at..].strip_prefix(KEY).ok_or(LineDamage)?;
    let mut object = line[..at].to_vec();
    object.push(b'}');
    let crc = format!("{:08x}\"}}", crc32fast::hash(&object));
    match digits == crc.as_bytes() {
        true => Ok(()),
        false => Err(LineDamage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_is_seen_and_a_line_without_a_checksum_is_good() {
        let plain = br#"{"at":"\"crc\":","n":17}"#;
        let mut line = plain.to_vec();
        assert_eq!(verify(&line), Ok(()));
        seal(&mut line);
        assert!(
            line.ends_with(b",\"crc\":\"254a398f\"}"),
            "{:?}",
            str::from_utf8(&line)
        );
        assert_eq!(verify(&line), Ok(()));
        serde_json::from_slice::<serde_json::Value>(&line).unwrap();
        for at in 0..plain.len() - 1 {
            for bit in 0..8 {
                let mut damaged = line.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(verify(&damaged), Err(LineDamage), "{at} {bit}");
            }
        }
        let digit = line.len() - 3;
        line[digit] ^= 1;
        assert_eq!(verify(&line), Err(LineDamage));
    }
}
