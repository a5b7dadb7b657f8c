//! Values as text: as JSON, and in the formats whose names begin with `@`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jaq_json::{Error, Val, ValR};

use super::context::room;
use super::number;
use super::text::{json, shown};

/// The names of the formats.
const FORMATS: [&str; 10] = [
    "text", "json", "csv", "tsv", "html", "uri", "urid", "sh", "base64", "base64d",
];

/// Decodes base64 with or without padding. Unused bits at the end are ignored.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A string unchanged, any other value as JSON.
pub(super) fn text(value: &Val) -> Result<String, Error> {
    match value {
        Val::TStr(string) | Val::BStr(string) => {
            room(string.len())?;
            Ok(String::from_utf8_lossy(string).into_owned())
        }
        _ => json(value),
    }
}

/// The text of a value in the format `name`.
pub(super) fn format(value: &Val, name: &Val) -> ValR {
    let Val::TStr(name) = name else {
        return Err(Error::str(format_args!(
            "{} is not a valid format",
            shown(name)
        )));
    };
    let name = String::from_utf8_lossy(name);
    // A format writes at most six bytes for one byte of the value.
    room(6 * number::size(value))?;
    let text = match &*name {
        "text" => return string(value),
        "json" => json(value)?,
        "csv" | "tsv" => row(value, &name)?,
        "html" => escape(&text(value)?, |char| match char {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '\'' => Some("&apos;"),
            '"' => Some("&quot;"),
            _ => None,
        }),
        "uri" => uri(&text(value)?),
        "urid" => from_uri(&text(value)?).ok_or_else(|| {
            Error::str(format_args!("{} is not a valid uri encoding", shown(value)))
        })?,
        "sh" => shell(value)?,
        "base64" => BASE64.encode(text(value)?),
        "base64d" => {
            let text = text(value)?;
            let data = text.split('=').next().unwrap_or_default();
            let decoded = BASE64.decode(data).map_err(|_| {
                Error::str(format_args!("{} is not valid base64 data", shown(value)))
            })?;
            decode_utf8(&decoded)
        }
        _ => return Err(Error::str(format_args!("{name} is not a valid format"))),
    };
    debug_assert!(FORMATS.contains(&&*name));
    Ok(Val::from(text))
}

/// Like [`text`], but without copying a string.
pub(super) fn string(value: &Val) -> ValR {
    match value {
        Val::TStr(_) => Ok(value.clone()),
        _ => text(value).map(Val::from),
    }
}

fn escape(text: &str, how: impl Fn(char) -> Option<&'static str>) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match (how(char), char) {
            (Some(text), _) => escaped.push_str(text),
            // In every format that escapes characters, jq writes NUL as `\0`.
            (None, '\0') => escaped.push_str("\\0"),
            (None, char) => escaped.push(char),
        }
    }
    escaped
}

fn row(value: &Val, format: &str) -> Result<String, Error> {
    let Val::Arr(cells) = value else {
        let what = format!("cannot be {format}-formatted, only array");
        return Err(Error::str(format_args!("{} {what}", shown(value))));
    };
    let cell = |cell: &Val| match cell {
        Val::Null => Ok(String::new()),
        Val::Num(_) if number::float(cell)?.is_nan() => Ok(String::new()),
        Val::Bool(_) | Val::Num(_) => json(cell),
        Val::TStr(_) | Val::BStr(_) if format == "csv" => {
            let quoted = escape(&text(cell)?, |char| (char == '"').then_some("\"\""));
            Ok(format!("\"{quoted}\""))
        }
        Val::TStr(_) | Val::BStr(_) => Ok(escape(&text(cell)?, |char| match char {
            '\t' => Some("\\t"),
            '\r' => Some("\\r"),
            '\n' => Some("\\n"),
            '\\' => Some("\\\\"),
            _ => None,
        })),
        _ => Err(Error::str(format_args!(
            "{} is not valid in a csv row",
            shown(cell)
        ))),
    };
    let cells: Result<Vec<String>, Error> = cells.iter().map(cell).collect();
    Ok(cells?.join(if format == "csv" { "," } else { "\t" }))
}

fn shell(value: &Val) -> Result<String, Error> {
    let word = |word: &Val| match word {
        Val::TStr(_) | Val::BStr(_) => Ok(format!(
            "'{}'",
            escape(&text(word)?, |char| (char == '\'').then_some("'\\''"))
        )),
        Val::Arr(_) | Val::Obj(_) => Err(Error::str(format_args!(
            "{} can not be escaped for shell",
            shown(word)
        ))),
        _ => json(word),
    };
    match value {
        Val::Arr(words) => {
            let words: Result<Vec<String>, Error> = words.iter().map(word).collect();
            Ok(words?.join(" "))
        }
        _ => word(value),
    }
}

/// Bytes as text. As in jq, each invalid sequence of bytes becomes one U+FFFD. If the text ends
/// inside a character, all bytes from the start of this character on are one invalid sequence.
fn decode_utf8(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    while let Some(first) = bytes.first() {
        let length = match first {
            0x00..=0x7f => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 0,
        };
        let rest = bytes.get(1..length.min(bytes.len())).unwrap_or_default();
        let is_next = |byte: &&u8| matches!(byte, 0x80..=0xbf);
        let mut taken = 1 + rest.iter().take_while(is_next).count();
        if bytes.len() < length {
            taken = bytes.len();
        }
        let (character, after) = bytes.split_at(taken);
        match std::str::from_utf8(character) {
            Ok(character) => text.push_str(character),
            Err(_) => text.push(char::REPLACEMENT_CHARACTER),
        }
        bytes = after;
    }
    text
}

fn uri(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn from_uri(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let hex = std::str::from_utf8(more.get(..2)?).ok()?;
        if !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = &more[2..];
    }
    String::from_utf8(bytes).ok()
}
