//! The tokens of jq's language.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JqToken<'t> {
    /// A name, or a keyword.
    Name(&'t str),
    /// A name after a dot.
    Field(&'t str),
    /// A variable with its dollar sign.
    Variable(&'t str),
    /// A format with its @.
    Format(&'t str),
    Number(&'t str),
    /// The first quote of a string.
    Quote,
    Symbol(&'t str),
    /// Not a token of the language.
    Unknown,
    End,
}

/// Symbols, sorted by length, the longest first.
const SYMBOLS: [&str; 34] = [
    "?//", "//=", "|=", "+=", "-=", "*=", "/=", "%=", "==", "!=", "<=", ">=", "//", "..", ".", "?",
    "=", ";", ",", ":", "|", "+", "-", "*", "/", "%", "<", ">", "(", ")", "[", "]", "{", "}",
];

pub(super) const KEYWORDS: [&str; 18] = [
    "as", "def", "module", "import", "include", "if", "then", "else", "elif", "reduce", "foreach",
    "end", "and", "or", "try", "catch", "label", "break",
];

/// The first token of a text, the number of bytes before it, and its length.
pub(super) fn first(text: &str) -> (JqToken<'_>, usize, usize) {
    let before = space(text);
    let rest = &text[before..];
    let (token, length) = token(rest);
    (token, before, length)
}

fn token(rest: &str) -> (JqToken<'_>, usize) {
    let word = |from: usize| from + name(&rest[from..]);
    match rest.as_bytes() {
        [] => (JqToken::End, 0),
        [b'"', ..] => (JqToken::Quote, 1),
        [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => {
            let end = path(rest);
            (JqToken::Name(&rest[..end]), end)
        }
        [b'.', b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => {
            let end = word(1);
            (JqToken::Field(&rest[1..end]), end)
        }
        [b'$', b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => {
            let end = 1 + path(&rest[1..]);
            (JqToken::Variable(&rest[..end]), end)
        }
        [b'@', b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9', ..] => {
            let end = word(1);
            (JqToken::Format(&rest[..end]), end)
        }
        [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => {
            let end = number(rest.as_bytes());
            (JqToken::Number(&rest[..end]), end)
        }
        _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => (JqToken::Symbol(symbol), symbol.len()),
            None => (JqToken::Unknown, 0),
        },
    }
}

/// The length of the white space and comments at the start of a text.
fn space(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start_matches([' ', '\r', '\n', '\t']).len();
        if !text[at..].starts_with('#') {
            return at;
        }
        at += comment(&text.as_bytes()[at..]);
    }
}

/// The length of a comment in bytes. A comment ends at the line end, unless there is a backslash
/// before the line end.
fn comment(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match &text[at..] {
            [] => return at,
            [b'\\', b'\r', b'\n', ..] => at += 3,
            [b'\\', b'\\' | b'\n', ..] => at += 2,
            [b'\n', ..] => return at + 1,
            _ => at += 1,
        }
    }
}

fn name(text: &str) -> usize {
    let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

/// The length of a name that may contain `::`.
fn path(text: &str) -> usize {
    let mut end = name(text);
    while let Some(rest) = text[end..].strip_prefix("::")
        && rest.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
    {
        end += 2 + name(rest);
    }
    end
}

fn number(text: &[u8]) -> usize {
    let digits = |from: usize| {
        text[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut end = digits(0);
    if text.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        match digits(end + 1 + sign) {
            0 => {}
            exponent => end += 1 + sign + exponent,
        }
    }
    end
}
