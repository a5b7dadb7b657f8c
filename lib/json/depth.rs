//! The nesting depth of a JSON text, computed without decoding it.

use crate::json::bad_line::BadLine;

/// The deepest nesting of a record. Programs that read the output, such as jq 1.6, limit the
/// nesting or overflow their stack.
pub(crate) const MAX_DEPTH: usize = 128;

/// Refuses a JSON text that nests deeper than 128 levels.
pub fn check(json: &str) -> Result<(), BadLine> {
    check_to(json, MAX_DEPTH)
}

/// Refuses a JSON text that nests deeper than `most` levels.
pub(crate) fn check_to(json: &str, most: usize) -> Result<(), BadLine> {
    // For nearly every line it is enough to count all opening brackets, even the brackets in
    // strings.
    if openers(json.as_bytes()) > most && depth(json) > most {
        return Err(BadLine::new(format!("nested deeper than {most} levels")));
    }
    Ok(())
}

/// The number of `[` and `{` in a text. These two bytes differ in one bit. A chunk has 192 bytes,
/// so its count fits into one byte, and the compiler can test 16 bytes at a time.
fn openers(bytes: &[u8]) -> usize {
    let count = |chunk: &[u8]| chunk.iter().map(|b| u8::from(b | 0x20 == b'{')).sum::<u8>();
    bytes
        .chunks(192)
        .map(|chunk| usize::from(count(chunk)))
        .sum()
}

/// The nesting depth of a JSON text.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_has_a_limit_and_brackets_in_strings_do_not_count() {
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(check(&nested(MAX_DEPTH - 1)).is_ok());
        let error = check(&nested(MAX_DEPTH)).unwrap_err();
        assert_eq!(error.to_string(), "nested deeper than 128 levels");
        assert!(check(&"[".repeat(1_000_000)).is_err());
        assert!(check(&format!(r#"{{"a":"\"{}"}}"#, "[".repeat(1000))).is_ok());
        assert!(check(&format!("[{}]", "[],".repeat(1000))).is_ok());
    }

    #[test]
    fn all_openers_are_counted_and_nothing_else() {
        for length in [0, 1, 191, 192, 193, 1000] {
            assert_eq!(openers(&b"[".repeat(length)), length);
            assert_eq!(openers(&b"{".repeat(length)), length);
        }
        let others: Vec<u8> = (0..=255).filter(|b| !b"[{".contains(b)).collect();
        assert_eq!(openers(&others), 0);
    }
}
