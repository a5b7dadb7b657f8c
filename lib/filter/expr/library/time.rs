//! Points in time as jq has them: seconds, texts, and arrays of the year, the month
//! from 0, the day, hour, minute and second, the day of the week and of the year.

use std::fmt::Write as _;

use chrono::format::{Item, StrftimeItems};
use chrono::{
    DateTime, Datelike as _, Local, NaiveDate, NaiveDateTime, TimeDelta, Timelike as _, Utc,
};
use jaq_json::{Error, Val, ValR};

use super::number::{computed, float};

/// What `strptime` leaves for the days of the week and the year if there is no date.
const NO_DAYS: (i64, i64) = (8, 367);

/// Seconds as an array, in UTC or in the local time zone.
pub(super) fn broken_down(value: &Val, is_local: bool) -> ValR {
    let Val::Num(_) = value else {
        return Err(Error::str("gmtime() requires numeric inputs"));
    };
    let seconds = float(value)?;
    let fail = || Error::str("the number of seconds is no date");
    let at = DateTime::from_timestamp(seconds as i64, 0).ok_or_else(fail)?;
    let at = match is_local {
        true => at.with_timezone(&Local).naive_local(),
        false => at.naive_utc(),
    };
    let fraction = seconds - seconds.floor();
    Ok(array(&[
        f64::from(at.year()),
        f64::from(at.month0()),
        f64::from(at.day()),
        f64::from(at.hour()),
        f64::from(at.minute()),
        f64::from(at.second()) + fraction,
        f64::from(at.weekday().num_days_from_sunday()),
        f64::from(at.ordinal0()),
    ]))
}

fn array(fields: &[f64]) -> Val {
    Val::Arr(
        fields
            .iter()
            .map(|field| computed(*field))
            .collect::<Vec<Val>>()
            .into(),
    )
}

/// The time that an array says; fields beyond their range carry over.
fn from_array(value: &Val, what: &str) -> Result<NaiveDateTime, Error> {
    let fail = || Error::str(format_args!("{what} requires parsed datetime inputs"));
    let Val::Arr(fields) = value else {
        return Err(fail());
    };
    let mut numbers = [0, 0, 0, 0, 0, 0];
    for (at, field) in fields.iter().take(8).enumerate() {
        let number = float(field).ok().filter(|number| !number.is_nan());
        let number = number.ok_or_else(fail)?;
        if let Some(slot) = numbers.get_mut(at) {
            *slot = number.clamp(i32::MIN.into(), i32::MAX.into()) as i64;
        }
    }
    let [year, month, day, hours, minutes, seconds] = numbers;
    let year = i32::try_from(year + month.div_euclid(12)).map_err(|_| fail())?;
    let month = u32::try_from(month.rem_euclid(12)).map_err(|_| fail())? + 1;
    let first = NaiveDate::from_ymd_opt(year, month, 1).ok_or_else(fail)?;
    let seconds = (day - 1) * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    let first = first.and_time(chrono::NaiveTime::MIN);
    first
        .checked_add_signed(TimeDelta::seconds(seconds))
        .ok_or_else(fail)
}

/// The seconds of an array.
pub(super) fn seconds(value: &Val) -> ValR {
    if !matches!(value, Val::Arr(_)) {
        return Err(Error::str("mktime requires array inputs"));
    }
    match from_array(value, "mktime")?.and_utc().timestamp() {
        // This is how the system's function says that it failed.
        -1 => Err(Error::str("invalid gmtime representation")),
        seconds => Ok(computed(seconds as f64)),
    }
}

/// Seconds or an array as text.
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
    let at = from_array(&fields, what)?;
    let fail = || Error::str(format_args!("{what}: the format cannot be used"));
    let items: Vec<Item<'_>> = StrftimeItems::new(&format).collect();
    if items.contains(&Item::Error) {
        return Err(fail());
    }
    let mut text = String::new();
    match is_local {
        true => {
            let at = at.and_local_timezone(Local).earliest().ok_or_else(fail)?;
            // chrono says the offset where it is asked for the name of the time zone.
            write!(text, "{}", at.format_with_items(items.iter()))
        }
        false => {
            // chrono puts a plus before a year of five digits.
            let format = match at.year() > 9999 {
                true => format.replace("%Y", &at.year().to_string()),
                false => format.into_owned(),
            };
            let format = format.replace("%Z", "UTC");
            let at: DateTime<Utc> = at.and_utc();
            write!(text, "{}", at.format(&format))
        }
    }
    .map_err(|_| fail())?;
    Ok(Val::from(text))
}

/// What a text says in a format: an array, with the rest of the text if there is any.
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
    let mut reader = Reader {
        rest: text.as_bytes(),
        year: 1900,
        century: None,
        month: 0,
        day: 0,
        hour: 0,
        minute: 0,
        second: 0,
        half: None,
        days: NO_DAYS,
    };
    let is_read = reader.read(format.as_bytes()).is_some();
    if !is_read || reader.rest.first().is_some_and(|byte| !is_space(*byte)) {
        let what = format_args!("date \"{text}\" does not match format \"{format}\"");
        return Err(Error::str(what));
    }
    let Val::Arr(fields) = reader.fields() else {
        return Ok(Val::Null);
    };
    let mut fields = fields.to_vec();
    if !reader.rest.is_empty() {
        fields.push(Val::from(String::from_utf8_lossy(reader.rest).into_owned()));
    }
    Ok(Val::Arr(fields.into()))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

/// Reads a text along a format, as the system's `strptime` does.
struct Reader<'t> {
    rest: &'t [u8],
    year: i64,
    century: Option<i64>,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// Whether the hour is one of the afternoon, of twelve.
    half: Option<bool>,
    days: (i64, i64),
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

impl Reader<'_> {
    fn read(&mut self, format: &[u8]) -> Option<()> {
        let mut format = format.iter();
        while let Some(byte) = format.next() {
            match *byte {
                byte if is_space(byte) => self.skip_space(),
                b'%' => {
                    let mut letter = *format.next()?;
                    while matches!(letter, b'E' | b'O' | b'-' | b'_' | b'0' | b'^' | b'#') {
                        letter = *format.next()?;
                    }
                    self.field(letter)?;
                }
                byte => self.literal(byte)?,
            }
        }
        Some(())
    }

    fn field(&mut self, letter: u8) -> Option<()> {
        match letter {
            b'%' => self.literal(b'%')?,
            b'n' | b't' => self.skip_space(),
            b'Y' => self.year = self.number(0, 9999, 4)?,
            b'C' => self.century = Some(self.number(0, 99, 2)?),
            b'y' => {
                let year = self.number(0, 99, 2)?;
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
            }
            b'm' => self.month = self.number(1, 12, 2)? - 1,
            b'd' | b'e' => self.day = self.number(1, 31, 2)?,
            b'H' | b'k' => (self.hour, self.half) = (self.number(0, 23, 2)?, None),
            b'I' | b'l' => self.hour = self.number(1, 12, 2)? % 12,
            b'M' => self.minute = self.number(0, 59, 2)?,
            b'S' => self.second = self.number(0, 61, 2)?,
            b'j' => self.days.1 = self.number(1, 366, 3)? - 1,
            b'u' => self.days.0 = self.number(1, 7, 1)? % 7,
            b'w' => self.days.0 = self.number(0, 6, 1)?,
            b'U' | b'W' | b'V' => drop(self.number(0, 53, 2)?),
            b'g' => drop(self.number(0, 99, 2)?),
            b'G' => drop(self.number(0, 9999, 4)?),
            b'b' | b'B' | b'h' => self.month = self.name(&MONTHS)?,
            b'a' | b'A' => self.days.0 = self.name(&WEEKDAYS)?,
            b'p' | b'P' => self.half = Some(self.name(&["am", "pm"])? == 1),
            b'D' | b'x' => self.read(b"%m/%d/%y")?,
            b'F' => self.read(b"%Y-%m-%d")?,
            b'T' | b'X' => self.read(b"%H:%M:%S")?,
            b'R' => self.read(b"%H:%M")?,
            b'r' => self.read(b"%I:%M:%S %p")?,
            b'c' => self.read(b"%a %b %e %H:%M:%S %Y")?,
            b's' => {
                let seconds = self.number(0, i64::MAX / 100, 18)?;
                let at = DateTime::from_timestamp(seconds, 0)?.with_timezone(&Local);
                let at = at.naive_local();
                (self.year, self.month) = (at.year().into(), at.month0().into());
                (self.day, self.hour) = (at.day().into(), at.hour().into());
                (self.minute, self.second) = (at.minute().into(), at.second().into());
            }
            b'z' => self.offset()?,
            b'Z' => {
                self.skip_space();
                let end = self.rest.iter().position(|byte| is_space(*byte));
                self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
            }
            _ => return None,
        }
        Some(())
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == byte).then_some(())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn number(&mut self, least: i64, most: i64, digits: usize) -> Option<i64> {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let mut number = 0_i64;
        let mut count = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest
            && count < digits
            && number * 10 <= most
        {
            number = number * 10 + i64::from(digit - b'0');
            count += 1;
            self.rest = rest;
        }
        (count > 0 && (least..=most).contains(&number)).then_some(number)
    }

    /// A name, or its first three letters, in whatever case.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        for (at, name) in names.iter().enumerate() {
            for length in [name.len(), name.len().min(3)] {
                let start = self.rest.get(..length);
                if start.is_some_and(|start| start.eq_ignore_ascii_case(&name.as_bytes()[..length]))
                {
                    self.rest = &self.rest[length..];
                    return i64::try_from(at).ok();
                }
            }
        }
        None
    }

    /// An offset from UTC, which changes nothing.
    fn offset(&mut self) -> Option<()> {
        self.skip_space();
        match self.rest {
            [b'Z', rest @ ..] => {
                self.rest = rest;
                Some(())
            }
            [b'+' | b'-', rest @ ..] => {
                let mut count = 0;
                let mut rest = rest;
                while count < 4
                    && let [byte, after @ ..] = rest
                {
                    match byte {
                        b'0'..=b'9' => count += 1,
                        b':' if count == 2 && after.first().is_some_and(u8::is_ascii_digit) => {}
                        _ => break,
                    }
                    rest = after;
                }
                self.rest = rest;
                matches!(count, 2 | 4).then_some(())
            }
            _ => None,
        }
    }

    fn fields(&self) -> Val {
        let year = match self.century {
            Some(century) => century * 100 + self.year.rem_euclid(100),
            None => self.year,
        };
        let hour = match self.half {
            Some(true) => self.hour % 12 + 12,
            Some(false) => self.hour % 12,
            None => self.hour,
        };
        let date = (self.day != 0).then(|| {
            let (year, month) = (i32::try_from(year).ok()?, u32::try_from(self.month).ok()?);
            let first = NaiveDate::from_ymd_opt(year, month + 1, 1)?;
            first.checked_add_signed(TimeDelta::days(self.day - 1))
        });
        let days = match date.flatten() {
            Some(date) => (
                i64::from(date.weekday().num_days_from_sunday()),
                i64::from(date.ordinal0()),
            ),
            None => self.days,
        };
        let fields = [
            year,
            self.month,
            self.day,
            hour,
            self.minute,
            self.second,
            days.0,
            days.1,
        ];
        array(&fields.map(|field| field as f64))
    }
}
