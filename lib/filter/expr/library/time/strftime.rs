//! Formats times like `strftime` of the C library, in the C locale.

use super::calendar::{CalendarTime, seconds_of};
use super::names::{MONTHS, WEEKDAYS};

/// The longest text in bytes. A longer text would not fit into jq's buffer.
const LONGEST: usize = 4095;

/// The time zone that applies at a time.
pub(super) struct ZoneAtTime {
    /// The offset in seconds east of UTC.
    pub(super) offset: i64,
    pub(super) name: String,
}

/// The flags, width and modifier of a conversion, which are between its `%` and its letter.
#[derive(Clone, Copy, Default)]
struct Flags {
    pad: Option<u8>,
    is_upper: bool,
    changes_case: bool,
    width: usize,
    modifier: Option<u8>,
}

/// The time as text in this format; `None` if the text becomes too long.
pub(super) fn format(at: &CalendarTime, zone: &ZoneAtTime, format: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        text.push_str(&rest[..percent]);
        let (flags, letter, length) = conversion(&rest.as_bytes()[percent..]);
        let spec = rest[percent..].get(..length);
        let is_known = letter.is_some_and(|letter| field(at, zone, flags, letter, &mut text));
        // An unknown conversion is copied to the text. If a character of several bytes stands where
        // the letter of the conversion is expected, the whole character is copied.
        let length = match spec {
            Some(_) => length,
            None => rest[percent..]
                .char_indices()
                .map(|(at, c)| at + c.len_utf8())
                .find(|end| *end >= length)?,
        };
        if !is_known {
            padded(&mut text, flags, &rest[percent..percent + length]);
        }
        rest = &rest[percent + length..];
        if text.len() > LONGEST {
            return None;
        }
    }
    text.push_str(rest);
    (text.len() <= LONGEST).then_some(text)
}

/// The flags of a conversion, its letter, and its length in bytes; `text` begins with the
/// conversion.
fn conversion(text: &[u8]) -> (Flags, Option<u8>, usize) {
    let mut flags = Flags::default();
    let mut at = 1;
    while let Some(flag @ (b'_' | b'-' | b'0' | b'^' | b'#')) = text.get(at) {
        match flag {
            b'^' => flags.is_upper = true,
            b'#' => flags.changes_case = true,
            pad => flags.pad = Some(*pad),
        }
        at += 1;
    }
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        flags.width = (flags.width * 10 + usize::from(digit - b'0')).min(LONGEST + 1);
        at += 1;
    }
    if let Some(modifier @ (b'E' | b'O')) = text.get(at) {
        flags.modifier = Some(*modifier);
        at += 1;
    }
    match text.get(at) {
        Some(letter) => (flags, Some(*letter), at + 1),
        None => (flags, None, at),
    }
}

/// Writes one conversion. False if there is no conversion with this letter.
fn field(
    at: &CalendarTime,
    zone: &ZoneAtTime,
    flags: Flags,
    letter: u8,
    text: &mut String,
) -> bool {
    let takes = match flags.modifier {
        None => true,
        Some(b'E') => b"cCxXyYz".contains(&letter),
        Some(_) => b"BbhdeHImMSuUVwWyz".contains(&letter),
    };
    if !takes {
        return false;
    }
    let year = in_32_bits(at.year);
    let hour = if at.hour % 12 == 0 { 12 } else { at.hour % 12 };
    let upper = |word: &str| word.to_ascii_uppercase();
    let word = |word: &str, changed: fn(&str) -> String| match (flags.changes_case, flags.is_upper)
    {
        (true, _) => changed(word),
        (_, true) => upper(word),
        _ => word.to_owned(),
    };
    let part = |sub_format: &str| {
        let text = format(at, zone, sub_format).unwrap_or_default();
        if flags.is_upper { upper(&text) } else { text }
    };
    let name = |names: &[&'static str], at: i64| -> &'static str {
        usize::try_from(at)
            .ok()
            .and_then(|at| names.get(at).copied())
            .unwrap_or("?")
    };
    let words = match letter {
        b'a' => Some(word(
            short(name(&WEEKDAYS, at.weekday)),
            str::to_ascii_uppercase,
        )),
        b'A' => Some(word(name(&WEEKDAYS, at.weekday), str::to_ascii_uppercase)),
        b'b' | b'h' => Some(word(
            short(name(&MONTHS, at.month)),
            str::to_ascii_uppercase,
        )),
        b'B' => Some(word(name(&MONTHS, at.month), str::to_ascii_uppercase)),
        b'p' => Some(word(half(at), str::to_ascii_lowercase)),
        b'Z' => Some(word(&zone.name, str::to_ascii_lowercase)),
        b'P' => Some(half(at).to_ascii_lowercase()),
        b'n' => Some("\n".to_owned()),
        b't' => Some("\t".to_owned()),
        b'%' => Some("%".to_owned()),
        b'c' => Some(part("%a %b %e %H:%M:%S %Y")),
        b'D' | b'x' => Some(part("%m/%d/%y")),
        b'F' => Some(part("%Y-%m-%d")),
        b'r' => Some(part("%I:%M:%S %p")),
        b'R' => Some(part("%H:%M")),
        b'T' | b'X' => Some(part("%H:%M:%S")),
        _ => None,
    };
    if let Some(words) = words {
        padded(text, flags, &words);
        return true;
    }
    let (week_year, week) = iso_week(at);
    let (value, digits) = match letter {
        b'z' => {
            let minutes = zone.offset.abs() / 60;
            padded(text, flags, if zone.offset < 0 { "-" } else { "+" });
            (minutes / 60 * 100 + minutes % 60, 4)
        }
        b'Y' => (year, 1),
        b'C' => (year.div_euclid(100), 1),
        b'y' => (year.rem_euclid(100), 2),
        b'G' => (in_32_bits(week_year), 1),
        b'g' => (week_year.rem_euclid(100), 2),
        b'm' => (in_32_bits(at.month + 1), 2),
        b'd' | b'e' => (at.day, 2),
        b'H' | b'k' => (at.hour, 2),
        b'I' | b'l' => (hour, 2),
        b'M' => (at.minute, 2),
        b'S' => (at.second, 2),
        b'j' => (at.year_day + 1, 3),
        b's' => (
            seconds_of([at.year, at.month, at.day, at.hour, at.minute, at.second]) - zone.offset,
            1,
        ),
        b'u' => ((at.weekday + 6) % 7 + 1, 1),
        b'w' => (at.weekday, 1),
        b'U' => ((at.year_day + 7 - at.weekday) / 7, 2),
        b'W' => ((at.year_day + 7 - (at.weekday + 6) % 7) / 7, 2),
        b'V' => (week, 2),
        _ => return false,
    };
    let pads_with_space = matches!(letter, b'e' | b'k' | b'l');
    number(text, flags, pads_with_space, value, digits);
    true
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

/// The year as the C library computes it: with 32 bits.
fn in_32_bits(year: i64) -> i64 {
    i64::from(year as i32)
}

fn half(at: &CalendarTime) -> &'static str {
    if at.hour < 12 { "AM" } else { "PM" }
}

/// Writes a number with at least `digits` characters, or with the width in the flags if that is
/// larger.
fn number(text: &mut String, flags: Flags, pads_with_space: bool, value: i64, digits: usize) {
    let sign = if value < 0 { "-" } else { "" };
    let plain = value.unsigned_abs().to_string();
    let missing = digits
        .max(flags.width)
        .saturating_sub(plain.len() + sign.len());
    let number = match flags.pad {
        Some(b'-') => format!("{sign}{plain}"),
        Some(b'_') => format!("{}{sign}{plain}", " ".repeat(missing)),
        None if pads_with_space => format!("{}{sign}{plain}", " ".repeat(missing)),
        _ => format!("{sign}{}{plain}", "0".repeat(missing)),
    };
    padded(text, flags, &number);
}

/// Writes a text, padded to the width in the flags.
fn padded(text: &mut String, flags: Flags, part: &str) {
    let pad = if flags.pad == Some(b'0') { "0" } else { " " };
    text.push_str(&pad.repeat(flags.width.saturating_sub(part.len())));
    text.push_str(part);
}

/// The ISO 8601 week of a day: the year of the week, and its number. A week starts on Monday and
/// belongs to the year of its Thursday.
fn iso_week(at: &CalendarTime) -> (i64, i64) {
    let thursday = at.year_day + 3 - (at.weekday + 6) % 7;
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = |year: i64| if is_leap(year) { 366 } else { 365 };
    if thursday < 0 {
        return (at.year - 1, (thursday + days(at.year - 1)) / 7 + 1);
    }
    match thursday - days(at.year) {
        next @ 0.. => (at.year + 1, next / 7 + 1),
        _ => (at.year, thursday / 7 + 1),
    }
}
