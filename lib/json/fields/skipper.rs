//! Skips and validates JSON text.
//!
//! Most of a line is skipped, so this module determines the speed of a filter. It tests sixteen
//! bytes of a string at once, stores the open brackets as bits of a number, and decodes nothing. A
//! method returns `None` if the text is not JSON, or nests too deeply; the module `reason` finds
//! out why.

#[cfg(target_arch = "x86_64")]
use safe_arch::{
    bitor_m128i, cmp_eq_mask_i8_m128i, load_unaligned_m128i, min_u8_m128i, move_mask_i8_m128i,
    set_splat_i8_m128i,
};
#[cfg(not(target_arch = "x86_64"))]
use wide::u8x16;

use crate::json::depth::MAX_DEPTH;

/// A position in a JSON text.
pub(super) struct JsonSkipper<'l> {
    bytes: &'l [u8],
    at: usize,
    /// The number of open brackets.
    depth: usize,
}

/// A string as it is written, without its quotes.
pub(super) struct RawString<'l> {
    pub(super) bytes: &'l [u8],
    pub(super) has_escapes: bool,
}

impl<'l> JsonSkipper<'l> {
    pub(super) fn new(text: &'l str) -> JsonSkipper<'l> {
        JsonSkipper {
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
        }
    }

    /// The offset of the next byte.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Skips white space, and returns the next byte without consuming it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        self.at = space(self.bytes, self.at);
        self.bytes.get(self.at).copied()
    }

    /// Whether only white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Consumes an opening bracket. If the closing bracket follows at once, consumes it, too, and
    /// returns false.
    pub(super) fn open(&mut self, close: u8) -> Option<bool> {
        self.at += 1;
        self.depth += 1;
        let is_empty = self.peek()? == close;
        if is_empty {
            self.at += 1;
            self.depth -= 1;
        }
        (self.depth <= MAX_DEPTH).then_some(!is_empty)
    }

    /// Consumes a comma or the closing bracket. Returns true for a comma.
    pub(super) fn next_or_close(&mut self, close: u8) -> Option<bool> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b',' {
            return Some(true);
        }
        self.depth -= 1;
        (byte == close).then_some(false)
    }

    /// Consumes the name of a field and its colon.
    pub(super) fn name(&mut self) -> Option<RawString<'l>> {
        let from = space(self.bytes, self.at) + 1;
        let end = name(self.bytes, self.at)?;
        self.at = end.after_colon;
        Some(RawString {
            bytes: self.bytes.get(from..end.quote)?,
            has_escapes: end.has_escapes,
        })
    }

    /// Skips a value, and validates it.
    pub(super) fn value(&mut self) -> Option<()> {
        // `at` is a local copy, so that it stays in a register.
        let (bytes, mut at) = (self.bytes, self.at);
        let most = MAX_DEPTH - self.depth;
        // One bit for each open bracket: 1 if it opened an object. The lowest bit is for the
        // innermost bracket.
        let (mut in_object, mut depth) = (0_u128, 0);
        loop {
            at = space(bytes, at);
            at = match *bytes.get(at)? {
                b'"' => string(bytes, at + 1)?.0 + 1,
                bracket @ (b'{' | b'[') => {
                    at = space(bytes, at + 1);
                    if depth == most {
                        return None;
                    }
                    if *bytes.get(at)? == bracket + 2 {
                        at + 1
                    } else {
                        depth += 1;
                        in_object = in_object << 1 | u128::from(bracket == b'{');
                        if bracket == b'{' {
                            at = name(bytes, at)?.after_colon;
                        }
                        continue;
                    }
                }
                b'-' | b'0'..=b'9' => number(bytes, at)?,
                b't' => word(bytes, at, b"true")?,
                b'f' => word(bytes, at, b"false")?,
                b'n' => word(bytes, at, b"null")?,
                _ => return None,
            };
            loop {
                if depth == 0 {
                    self.at = at;
                    return Some(());
                }
                at = space(bytes, at);
                match (*bytes.get(at)?, in_object & 1 == 1) {
                    (b',', true) => {
                        at = name(bytes, at + 1)?.after_colon;
                        break;
                    }
                    (b',', false) => {
                        at += 1;
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        at += 1;
                        in_object >>= 1;
                        depth -= 1;
                    }
                    _ => return None,
                }
            }
        }
    }
}

/// Where the name of a field ends: at the closing quote, and after the colon.
struct NameEnd {
    quote: usize,
    after_colon: usize,
    has_escapes: bool,
}

#[inline(always)]
fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

#[inline(always)]
fn name(bytes: &[u8], at: usize) -> Option<NameEnd> {
    let at = space(bytes, at);
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let (quote, has_escapes) = string(bytes, at + 1)?;
    let at = space(bytes, quote + 1);
    (*bytes.get(at)? == b':').then_some(NameEnd {
        quote,
        after_colon: at + 1,
        has_escapes,
    })
}

/// The position of the closing quote of the string whose opening quote is directly before `at`, and
/// whether the string has escape sequences.
#[inline(always)]
fn string(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let at = special(bytes, at)?;
    match bytes[at] {
        b'"' => Some((at, false)),
        _ => Some((escaped(bytes, at)?, true)),
    }
}

/// The position of the closing quote of a string. `at` is the position of the first escape sequence
/// in the string.
#[inline(never)]
fn escaped(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += match bytes.get(at..)? {
            [b'"', ..] => return Some(at),
            [b'\\', b'u', digits @ ..] => {
                let is_hex = digits.get(..4)?.iter().all(u8::is_ascii_hexdigit);
                is_hex.then_some(6)?
            }
            [b'\\', next, ..] => b"\"\\/bfnrt".contains(next).then_some(2)?,
            _ => return None,
        };
        at = special(bytes, at)?;
    }
}

/// The position of the next special byte of a string: a quote, a backslash or a control character.
#[inline(always)]
fn special(bytes: &[u8], mut at: usize) -> Option<usize> {
    if let Some(chunk) = bytes.get(at..)?.first_chunk() {
        // The first 16 bytes are tested in one step, because most strings end within 16 bytes.
        let found = specials(chunk);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += 16;
    }
    special_far(bytes, at)
}

#[inline(never)]
fn special_far(bytes: &[u8], mut at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let (pairs, _) = rest.as_chunks::<32>();
    for pair in pairs {
        let (first, second) = pair.split_at(16);
        let found = specials(first.first_chunk()?) | specials(second.first_chunk()?) << 16;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += 32;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    Some(at + bytes[at..].iter().position(is_special)?)
}

/// One bit for each byte of `chunk`: 1 for a quote, a backslash or a control character.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn specials(chunk: &[u8; 16]) -> u32 {
    let chunk = load_unaligned_m128i(chunk);
    let is = |byte: u8| cmp_eq_mask_i8_m128i(chunk, set_splat_i8_m128i(byte.cast_signed()));
    let is_control = {
        let most = set_splat_i8_m128i(0x1f);
        cmp_eq_mask_i8_m128i(min_u8_m128i(chunk, most), chunk)
    };
    let is_special = bitor_m128i(bitor_m128i(is(b'"'), is(b'\\')), is_control);
    move_mask_i8_m128i(is_special).cast_unsigned()
}

/// One bit for each byte of `chunk`: 1 for a quote, a backslash or a control character.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn specials(chunk: &[u8; 16]) -> u32 {
    let chunk = u8x16::new(*chunk);
    let is = |byte: u8| chunk.simd_eq(u8x16::splat(byte));
    let is_control = chunk.min(u8x16::splat(0x1f)).simd_eq(chunk);
    (is(b'"') | is(b'\\') | is_control).to_bitmask()
}

fn number(bytes: &[u8], mut at: usize) -> Option<usize> {
    let digits = |from: usize| {
        let mut to = from;
        while let Some(b'0'..=b'9') = bytes.get(to) {
            to += 1;
        }
        (to > from).then_some(to)
    };
    at += usize::from(bytes[at] == b'-');
    at = match bytes.get(at)? {
        b'0' => at + 1,
        _ => digits(at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(sign))?;
    }
    Some(at)
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    bytes[at..].starts_with(word).then_some(at + word.len())
}
