//! Times in the forms of jq: seconds, texts, and arrays of year, month (from 0), day, hour,
//! minute, second, weekday and day of the year.

mod calendar;
mod names;
mod strftime;
mod strptime;

use chrono::{DateTime, Local, Offset as _};
use jaq_json::{Error, Val, ValR};

use super::number::{computed, float};
use calendar::{CalendarTime, seconds_of};
use strftime::ZoneAtTime;

/// The C library counts years from 1900, and stores them in 32 bits.
const FIRST_YEAR: i64 = 1900;

/// Converts seconds since 1970 to an array of fields, in UTC or in the local time zone.
pub(super) fn broken_down(value: &Val, is_local: bool) -> ValR {
    let Val::Num(_) = value else {
        return Err(Error::str("gmtime() requires numeric inputs"));
    };
    let number = float(value)?;
    let seconds = number as i64;
    // With more seconds than this, the year does not fit into 32 bits.
    let is_near = number.abs() < 1e17;
    let at = CalendarTime::from_seconds(if is_near {
        seconds + if is_local { offset(seconds) } else { 0 }
    } else {
        0
    });
    if !is_near || i32::try_from(at.year - FIRST_YEAR).is_err() {
        return Err(Error::str("the number of seconds is no date"));
    }
    let fraction = number - number.floor();
    let fields = [
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.weekday,
        at.year_day,
    ];
    let mut fields = fields.map(|field| field as f64);
    fields[5] += fraction;
    Ok(array(&fields))
}

/// The offset of local time from UTC in seconds, at a time in seconds since 1970.
fn offset(seconds: i64) -> i64 {
    let at = DateTime::from_timestamp(seconds, 0);
    at.map_or(0, |at| {
        at.with_timezone(&Local)
            .offset()
            .fix()
            .local_minus_utc()
            .into()
    })
}

fn array(fields: &[f64]) -> Val {
    let fields = fields.iter().map(|field| computed(*field));
    Val::Arr(fields.collect::<Vec<Val>>().into())
}

/// The eight fields of a time, from an array. Each number is limited to 32 bits; `what` is for the
/// message.
fn from_array(value: &Val, what: &str) -> Result<[i64; 8], Error> {
    let fail = || Error::str(format_args!("{what} requires parsed datetime inputs"));
    let Val::Arr(fields) = value else {
        return Err(fail());
    };
    let mut numbers = [0; 8];
    for (at, field) in fields.iter().take(8).enumerate() {
        let number = float(field).ok().filter(|number| !number.is_nan());
        let mut number = number.ok_or_else(fail)?;
        if at == 0 {
            number -= FIRST_YEAR as f64;
        }
        if let Some(slot) = numbers.get_mut(at) {
            *slot = number.clamp(i32::MIN.into(), i32::MAX.into()) as i64;
        }
    }
    // `numbers[0]` was counted from 1900, so without a year in the array the year is 1900.
    numbers[0] += FIRST_YEAR;
    Ok(numbers)
}

/// The time of these fields in UTC. Fields outside of their ranges are normalised. `None` if the
/// year does not fit into 32 bits.
fn time_of(fields: [i64; 8]) -> Option<(i64, CalendarTime)> {
    let [year, month, day, hour, minute, second, ..] = fields;
    let seconds = seconds_of([year, month, day, hour, minute, second]);
    let at = CalendarTime::from_seconds(seconds);
    let fits = i32::try_from(at.year - FIRST_YEAR).is_ok();
    fits.then_some((seconds, at))
}

/// Converts an array of fields in UTC to seconds since 1970.
pub(super) fn seconds(value: &Val) -> ValR {
    if !matches!(value, Val::Arr(_)) {
        return Err(Error::str("mktime requires array inputs"));
    }
    // The C function returns -1 if it fails. So the time -1 counts as a failure.
    let time = time_of(from_array(value, "mktime")?);
    let Some((seconds, _)) = time.filter(|(seconds, _)| *seconds != -1) else {
        return Err(Error::str("invalid gmtime representation"));
    };
    Ok(computed(seconds as f64))
}

/// Formats a time as text. The time is a number of seconds since 1970, or an array of fields.
pub(super) fn format(value: &Val, format: &Val, is_local: bool) -> ValR {
    let what = if is_local {
        "strflocaltime/1"
    } else {
        "strftime/1"
    };
    let fields = match value {
        Val::Num(_) => broken_down(value, is_local)?,
        Val::Arr(_) => value.clone(),
        _ => {
            let what = format_args!("{what} requires parsed datetime inputs");
            return Err(Error::str(what));
        }
    };
    let Val::TStr(format) = format else {
        return Err(Error::str(format_args!("{what} requires a string format")));
    };
    let format = String::from_utf8_lossy(format);
    let fields = from_array(&fields, what)?;
    let utc = |name: &str| ZoneAtTime {
        offset: 0,
        name: name.to_owned(),
    };
    let (at, zone) = match time_of(fields) {
        Some((seconds, at)) if is_local => (at, local_zone(seconds)),
        Some((_, at)) => (at, utc("GMT")),
        // The fields stay as they are, even those outside of their ranges.
        None => (CalendarTime::from_fields(fields), utc("UTC")),
    };
    // In C, a string ends at its first NUL.
    let format = format.split('\0').next().unwrap_or_default();
    let text = strftime::format(&at, &zone, format);
    text.map(Val::from)
        .ok_or_else(|| Error::str(format_args!("{what}: the text is too long")))
}

/// The time zone at a local time. `seconds` is that time, counted from the start of 1970 in local
/// time.
fn local_zone(seconds: i64) -> ZoneAtTime {
    let offset = offset(seconds - offset(seconds));
    let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
    let sign = if offset < 0 { '-' } else { '+' };
    // No library knows the name of the local zone.
    let name = match offset {
        0 => "UTC".to_owned(),
        _ => format!("{sign}{hours:02}:{minutes:02}"),
    };
    ZoneAtTime { offset, name }
}

/// Parses a text. Returns an array of the eight fields of a time. If a part of the text is left
/// over, this part is the ninth element.
pub(super) fn parse(text: &Val, format: &Val) -> ValR {
    let (Val::TStr(text), Val::TStr(format)) = (text, format) else {
        return Err(Error::str(
            "strptime/1 requires string inputs and arguments",
        ));
    };
    let (text, format) = (
        String::from_utf8_lossy(text),
        String::from_utf8_lossy(format),
    );
    let Some((fields, rest)) = strptime::parse(&text, &format, offset) else {
        let what = format_args!("date \"{text}\" does not match format \"{format}\"");
        return Err(Error::str(what));
    };
    let fields = fields.map(|field| computed(field as f64));
    let mut fields = fields.to_vec();
    if !rest.is_empty() {
        fields.push(Val::from(String::from_utf8_lossy(rest).into_owned()));
    }
    Ok(Val::Arr(fields.into()))
}
