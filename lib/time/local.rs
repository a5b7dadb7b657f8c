//! Local times as spreadsheets write them: the order of day, month and year differs by country,
//! and no zone is given.

use chrono::NaiveDate;

use super::Timestamp;
use super::zone::Zone;

/// The order of day, month and year in a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DateOrder {
    /// 31-12-2026
    Dmy,
    /// 12-31-2026
    Mdy,
    /// 2026-12-31
    Ymd,
}

/// Reads a local time as spreadsheets write it, `05-12-2024 6:15:45 PM`. The numbers of the date
/// are separated by `-`, `/` or `.`. With AM or PM the clock has 12 hours, otherwise 24. If the
/// clocks of the zone show this time twice, returns the first instant. If the clocks skip this
/// time, returns `None`.
pub fn parse_local(text: &str, order: DateOrder, zone: Zone) -> Option<Timestamp> {
    let (a, b, c) = date_parts(text)?;
    let (year, month, day) = match order {
        DateOrder::Dmy => (c, b, a),
        DateOrder::Mdy => (c, a, b),
        DateOrder::Ymd => (a, b, c),
    };
    let year = i32::try_from(year).ok().filter(|year| *year >= 1970)?;
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    let time = text.trim().split_once(is_between)?.1;
    let local = date.and_time(clock(time.trim())?);
    zone.first_instant(local)
}

/// Reads `6:15:45 PM`, `18:15:45` or `18:15`. Parses by hand, because it must be fast: an export
/// contains millions of times.
fn clock(text: &str) -> Option<chrono::NaiveTime> {
    // Since version 20, Java writes a narrow no-break space before AM and PM.
    let (digits, half) = match text.split_once(char::is_whitespace) {
        None => (text, None),
        Some((digits, half)) => (digits, Some(half.trim())),
    };
    let mut parts = digits.split(':').map(str::parse::<u32>);
    let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let second = parts.next().unwrap_or(Ok(0)).ok()?;
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) if half.eq_ignore_ascii_case("am") => hour % 12,
        Some(half) if half.eq_ignore_ascii_case("pm") => hour % 12 + 12,
        Some(_) => return None,
    };
    let time = chrono::NaiveTime::from_hms_opt(hour, minute, second);
    time.filter(|_| parts.next().is_none())
}

/// Whether a character separates a date from a time: `T` or any blank.
fn is_between(c: char) -> bool {
    c == 'T' || c.is_whitespace()
}

/// The three numbers of a date, in the order in which the text has them.
pub fn date_parts(text: &str) -> Option<(u32, u32, u32)> {
    let date = text.trim().split(is_between).next()?;
    let mut parts = date.split(['-', '/', '.']).map(str::parse::<u32>);
    let mut part = || parts.next()?.ok();
    let found = (part()?, part()?, part()?);
    parts.next().is_none().then_some(found)
}
