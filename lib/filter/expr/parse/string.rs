//! Strings.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;

use super::lex::JqToken;
use super::parser::{Parsed, Parser, SyntaxError};

/// The character that replaces half of a surrogate pair.
const REPLACEMENT: char = '\u{fffd}';

impl<'t> Parser<'t> {
    /// Parses a string. An error if the next token is not a quote.
    pub(super) fn string(&mut self, format: Option<&'t str>) -> Parsed<'t, Term<&'t str>> {
        if self.peek() != JqToken::Quote {
            return self.expected("a string");
        }
        self.skip();
        let mut parts = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
            if plain > 0 {
                parts.push(StrPart::Str(&rest[..plain]));
            }
            let rest = &rest[plain..];
            self.at += plain;
            if rest.starts_with('"') {
                self.at += 1;
                return Ok(Term::Str(format, parts));
            }
            if rest.starts_with("\\(") {
                self.at += 2;
                parts.push(StrPart::Term(self.query()?));
                self.symbol(")", "closing parenthesis")?;
                continue;
            }
            match escape(rest) {
                Some((char, length)) => {
                    parts.push(StrPart::Char(char));
                    self.at += length;
                }
                None if rest.is_empty() => return self.expected("a closing quote"),
                None => {
                    return Err(SyntaxError {
                        expected: "an escape sequence of JSON",
                        at: rest,
                    });
                }
            }
        }
    }
}

/// The character of an escape sequence, and the sequence's length.
fn escape(text: &str) -> Option<(char, usize)> {
    let char = match *text.as_bytes().get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((char, 2))
}

fn unicode(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let hex = text.get(at..at + 6)?.strip_prefix("\\u")?;
        let is_hex = hex.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u16::from_str_radix(hex, 16).ok())?
    };
    match unit(0)? {
        // jq refuses a lone first half of a surrogate pair, and reads a lone second half as U+FFFD.
        high @ 0xd800..=0xdbff => {
            let mut chars = char::decode_utf16([high, unit(6)?]);
            Some((chars.next()?.ok()?, 12))
        }
        unit => Some((char::from_u32(unit.into()).unwrap_or(REPLACEMENT), 6)),
    }
}
