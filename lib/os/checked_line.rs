//! Lines that contain a checksum: the CRC-32 of the rest of the line, in eight hexadecimal digits.
//! Lines without a checksum are from an older version of callpipe and count as undamaged.
//!
//! In a JSON object, the checksum is the last key, `"crc"`. In a line of words, it is at the end,
//! after a tab.

use std::fmt;

/// The error for a line whose checksum is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineDamage;

impl fmt::Display for LineDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its checksum \"crc\" is wrong: it was damaged or edited")
    }
}

const KEY: &[u8] = b",\"crc\":\"";

/// The length in bytes of the end of an object with a checksum: the key, eight digits, and `"}`.
const LENGTH: usize = KEY.len() + 8 + 2;

/// Adds the checksum to a JSON object that has at least one key.
pub fn seal(line: &mut Vec<u8>) {
    let crc = crc32fast::hash(line);
    if line.pop_if(|last| *last == b'}').is_some() {
        line.extend(KEY);
        line.extend(format!("{crc:08x}\"}}").as_bytes());
    }
}

/// Checks a JSON object against its checksum, if it has one.
pub fn verify(line: &[u8]) -> Result<(), LineDamage> {
    // Inside a JSON string, the quotes would be escaped. So the found bytes are a key.
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

/// Adds the checksum to a line of words.
pub(crate) fn seal_words(line: &mut String) {
    line.push_str(&words_ending(line));
}

/// Returns the words of a line, without the checksum. Returns an error if the checksum is wrong.
pub(crate) fn verify_words(line: &str) -> Result<&str, LineDamage> {
    match line.rsplit_once('\t') {
        None => Ok(line),
        Some((words, _)) if line[words.len()..] == words_ending(words) => Ok(words),
        Some(_) => Err(LineDamage),
    }
}

fn words_ending(words: &str) -> String {
    format!("\t{:08x}", crc32fast::hash(words.as_bytes()))
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

    #[test]
    fn of_words_no_flipped_bit_is_taken_for_good_and_old_lines_are() {
        let plain = "17 a-b 2 1795176060000";
        let mut line = plain.to_owned();
        assert_eq!(verify_words(&line), Ok(plain));
        seal_words(&mut line);
        assert_eq!(verify_words(&line), Ok(plain));
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut damaged = line.clone().into_bytes();
                damaged[at] ^= 1 << bit;
                // If the tab is damaged, the line looks like an old line whose last word is not a
                // number.
                let text = String::from_utf8_lossy(&damaged);
                if let Ok(words) = verify_words(&text) {
                    assert!(!words.contains('\t') && words.len() > plain.len());
                }
            }
        }
    }

    #[test]
    fn the_damage_is_said() {
        assert!(LineDamage.to_string().contains("checksum"));
    }
}
