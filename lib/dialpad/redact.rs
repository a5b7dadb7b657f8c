//! Finds personal data that redaction has left in a text. The service replaces names, numbers,
//! addresses and the like by tokens such as `****NAME****`, but not always. This module finds only
//! what is certainly personal data: e-mail addresses and long numbers.

use memchr::memchr_iter;

/// A number counts as long if it has at least this many digits: a telephone number without its area
/// code has seven.
const DIGITS: usize = 7;

/// The kind of personal data in the text; `None` if none is found.
pub(super) fn personal(text: &str) -> Option<&'static str> {
    if has_email(text) {
        return Some("an e-mail address");
    }
    has_number(text).then_some("a long number")
}

fn has_email(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    memchr_iter(b'@', bytes).any(|at| {
        let domain: Vec<u8> = bytes[at + 1..]
            .iter()
            .copied()
            .take_while(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
            .collect();
        let dot = domain
            .iter()
            .rposition(|byte| *byte == b'.' && byte != domain.last().unwrap_or(&b' '));
        let is_domain = dot.is_some_and(|dot| dot > 0 && domain.len() - dot > 2);
        is_domain && at > 0 && (is_word(&bytes[at - 1]) || bytes[at - 1] == b'_')
    })
}

/// Whether there are seven digits with at most two separators between one digit and the next.
fn has_number(text: &str) -> bool {
    let (mut digits, mut gap) = (0, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                gap = 0;
                if digits >= DIGITS {
                    return true;
                }
            }
            b' ' | b'-' | b'.' | b'(' | b')' | b'/' if gap < 2 => gap += 1,
            _ => (digits, gap) = (0, 0),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_personal_is_known_and_tokens_are_not() {
        for text in [
            "write to pat.doe+x@mail.example.co, please",
            "münchen@b\u{fc}ro.example",
            "call 214-555-0143",
            "(214) 555 0143",
            "card 4111111111111111",
            "+12145550143",
        ] {
            assert!(personal(text).is_some(), "{text}");
        }
        for text in [
            "",
            "I am ****NAME**** at ****EMAIL****, number ****NUMERIC****",
            "@support help, a @ b.example, x@home",
            "from 9 to 17, on 2 or 3 of 12",
            "order 123456",
        ] {
            assert_eq!(personal(text), None, "{text}");
        }
    }
}
