//! Points in time and lengths of time, as users and vendors spell them.
//!
//! Only this module and the time functions of jq in `filter` use the crate chrono; only this module
//! uses the time zones of jiff. A [`Timestamp`] is a number of milliseconds since the Unix epoch,
//! UTC, as in call detail records and in Dialpad's messages. A text without a zone is read as UTC,
//! because the hours of the Exports API are in UTC.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Timelike};

pub mod calendar;
pub mod local;
pub mod zone;

/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 3_600_000;

/// A point in time: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a time or a duration, as an error message.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Timestamp {
    /// The time of the wall clock. Only `cli::run`, `os::clock` and the logger read it; other
    /// functions get the time as a parameter.
    #[allow(clippy::disallowed_methods)]
    pub fn now() -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Makes a timestamp from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis)
    }

    /// The milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads a time as a person, Airflow or a vendor writes it:
    ///
    /// - RFC 3339, with `T` or a space: `2026-11-01T00:00:00Z`, `2026-11-01 00:00:00+00:00`
    /// - a date, or a date and a time without a zone, in UTC: `2026-11-01`, `2026-11-01 12:00`
    /// - epoch seconds (9 or 10 digits) or milliseconds (12 or 13 digits)
    /// - `now`, `-60d`, `now-2h`, `+1h`, relative to the parameter `now`
    /// - `today`, `yesterday`: the start of that day in UTC ([`zone::Zone::parse_time`]: in a zone)
    ///
    /// Times before 1970 and after 9999 are refused.
    pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, Unreadable> {
        let text = text.trim();
        let unreadable = || {
            Unreadable(format!(
                "'{text}' is not a time: use RFC 3339, YYYY-MM-DD[ hh:mm[:ss]], epoch seconds, \
                 now, today, yesterday or -60d"
            ))
        };
        if text.is_empty() || text == "None" {
            return Err(Unreadable(
                "the time is empty: a scheduler passes an empty time if its run has no data interval".to_owned(),
            ));
        }
        let time = parse_relative(text, now)
            .or_else(|| parse_epoch(text))
            .or_else(|| parse_calendar(text))
            .ok_or_else(unreadable)?;
        if !time.is_in_calendar() {
            return Err(Unreadable(format!("'{text}' is not between 1970 and 9999")));
        }
        Ok(time)
    }

    /// Whether the year is from 1970 to 9999, in UTC.
    pub fn is_in_calendar(self) -> bool {
        CALENDAR.contains(&self.0)
    }

    /// Reads only RFC 3339. A text in this format contains a zone, so it means exactly one instant.
    pub fn parse_instant(text: &str) -> Option<Timestamp> {
        // This test is quick. A failed parse is slow, and an input can have millions of local
        // times.
        if text.as_bytes().get(4) != Some(&b'-') {
            return None;
        }
        let date = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Timestamp(date.timestamp_millis()))
    }

    /// Reads an HTTP-date (RFC 9110 §5.6.7), as in `Retry-After`.
    pub fn parse_http_date(text: &str) -> Option<Timestamp> {
        let text = text.trim();
        if let Ok(date) = DateTime::parse_from_rfc2822(text) {
            return Some(Timestamp(date.timestamp_millis()));
        }
        ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .map(|date| Timestamp(date.and_utc().timestamp_millis()))
    }

    /// `2026-11-01T00:00:00Z`, with milliseconds only if they are not zero.
    pub fn rfc3339(self) -> String {
        let format = if self.0.rem_euclid(1000) == 0 {
            SecondsFormat::Secs
        } else {
            SecondsFormat::Millis
        };
        self.chrono().to_rfc3339_opts(format, true)
    }

    /// `2026-11-01T00:00:00.000Z`: the spelling in the examples of the Exports API.
    pub fn rfc3339_millis(self) -> String {
        self.chrono().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// `2026-11-01` in UTC, and the hour of that day, 0 to 23.
    pub fn date_and_hour(self) -> (String, u32) {
        let time = self.chrono();
        (time.format("%Y-%m-%d").to_string(), time.hour())
    }

    /// `2026-11-01T00:00:00Z`, without a fraction of a second.
    pub fn rfc3339_seconds(self) -> String {
        self.chrono().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// `2026-11-01T00Z`: the hour, in a form that is safe in the name of a file.
    pub fn hour_name(self) -> String {
        self.chrono().format("%Y-%m-%dT%HZ").to_string()
    }

    /// The start of the hour that contains this time. The Exports API rounds both ends of a window
    /// down in the same way.
    #[must_use]
    pub fn floor_hour(self) -> Timestamp {
        Timestamp(self.0.div_euclid(HOUR_MS).saturating_mul(HOUR_MS))
    }

    /// The start of the second that contains this time.
    #[must_use]
    pub fn floor_second(self) -> Timestamp {
        Timestamp(self.0.div_euclid(1000).saturating_mul(1000))
    }

    /// The start of the day that contains this time, in UTC.
    #[must_use]
    pub fn floor_day(self) -> Timestamp {
        let day = 24 * HOUR_MS;
        Timestamp(self.0.div_euclid(day).saturating_mul(day))
    }

    /// The first full hour at or after this time.
    #[must_use]
    pub fn ceil_hour(self) -> Timestamp {
        let floor = self.floor_hour();
        match floor == self {
            true => self,
            false => Timestamp(floor.0.saturating_add(HOUR_MS)),
        }
    }

    /// The time `length` later, at most the last possible `Timestamp`.
    #[must_use]
    pub fn plus(self, length: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(millis(length)))
    }

    /// The time `length` earlier, at least the first possible `Timestamp`.
    #[must_use]
    pub fn minus(self, length: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis(length)))
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let length = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(length).unwrap_or(0))
    }

    fn chrono(self) -> DateTime<chrono::Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<chrono::Utc>::MIN_UTC
        } else {
            DateTime::<chrono::Utc>::MAX_UTC
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

/// Reads a date, or a date with a time. Refuses relative times such as `-60d`: a stored text must
/// always mean the same time.
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        parse_calendar(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("'{text}' is not an RFC 3339 time")))
    }
}

/// The years 1970 to 9999, in milliseconds since the Unix epoch.
const CALENDAR: std::ops::Range<i64> = 0..253_402_300_800_000;

fn parse_relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    let offset = text.strip_prefix("now").unwrap_or(text);
    if offset.is_empty() {
        return Some(now);
    }
    match text {
        "today" => return Some(now.floor_day()),
        "yesterday" => return Some(now.floor_day().minus(Duration::from_secs(86_400))),
        _ => {}
    }
    let (back, length) = match offset.strip_prefix('-') {
        Some(length) => (true, length),
        None => (false, offset.strip_prefix('+')?),
    };
    let length = parse_duration(length).ok()?;
    Some(if back {
        now.minus(length)
    } else {
        now.plus(length)
    })
}

fn parse_epoch(text: &str) -> Option<Timestamp> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    match text.len() {
        9 | 10 => Some(Timestamp(number * 1000)),
        12 | 13 => Some(Timestamp(number)),
        _ => None,
    }
}

fn parse_calendar(text: &str) -> Option<Timestamp> {
    if let Ok(date) = DateTime::parse_from_rfc3339(text) {
        return Some(Timestamp(date.timestamp_millis()));
    }
    let zoned = [
        "%Y-%m-%dT%H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M:%S%.f%#z",
        "%Y-%m-%dT%H:%M%#z",
        "%Y-%m-%d %H:%M%#z",
    ]
    .iter()
    .find_map(|format| DateTime::parse_from_str(text, format).ok());
    if let Some(date) = zoned {
        return Some(Timestamp(date.timestamp_millis()));
    }
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let naive = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ]
    .iter()
    .find_map(|format| NaiveDateTime::parse_from_str(bare, format).ok())
    .or_else(|| {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        date.and_hms_opt(0, 0, 0)
    })?;
    Some(Timestamp(naive.and_utc().timestamp_millis()))
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// Reads `500ms`, `90s`, `15m`, `6h`, `7d`, `2w`, `1y` (365 days), or several in
/// a row: `1h30m`.
pub fn parse_duration(text: &str) -> Result<Duration, Unreadable> {
    let unreadable = || {
        Unreadable(format!(
            "'{text}' is not a duration: use 90s, 15m, 6h, 7d, 2w, 1y or 1h30m"
        ))
    };
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return Err(unreadable());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return Err(unreadable()),
        };
        let number: u64 = number.parse().map_err(|_| unreadable())?;
        total = number
            .checked_mul(unit_ms)
            .and_then(|part| total.checked_add(part))
            .filter(|sum| i64::try_from(*sum).is_ok())
            .ok_or_else(unreadable)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// Reads a duration that is longer than zero.
pub fn parse_positive_duration(text: &str) -> Result<Duration, Unreadable> {
    match parse_duration(text)? {
        Duration::ZERO => Err(Unreadable(format!(
            "'{text}' is zero: give a duration above 0"
        ))),
        length => Ok(length),
    }
}

/// A duration as text for people: `2d`, `1h30m`, `0s`; 90 seconds are `1m30s`.
pub fn show_duration(length: Duration) -> String {
    let mut left = TimeDelta::from_std(length).map_or(i64::MAX, |delta| delta.num_milliseconds());
    let mut text = String::new();
    for (unit, unit_ms) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ] {
        let count = left / unit_ms;
        left %= unit_ms;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() {
        text.push_str("0s");
    }
    text
}

#[cfg(test)]
mod tests;
