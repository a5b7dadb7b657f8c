//! Parses times like `strptime` of the C library, in the C locale.

use super::calendar::{CalendarTime, seconds_of};
use super::names::{MONTHS, WEEKDAYS};

/// The number of days before each month: the first row is for normal years, the second for leap
/// years. If the day of the year is after the end of the year, the C library reads on in the second
/// row.
const DAYS_BEFORE: [i64; 26] = [
    0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365, //
    0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366,
];

/// The time in a text with this format: its fields as an array, and the rest of the text. `None`
/// if the text does not match.
pub(super) fn parse<'t>(
    text: &'t str,
    format: &str,
    local: fn(i64) -> i64,
) -> Option<([i64; 8], &'t [u8])> {
    let mut reader = Reader {
        rest: text.as_bytes(),
        local,
        year: 1900,
        month: 0,
        day: 0,
        hour: 0,
        minute: 0,
        second: 0,
        weekday: 8,
        year_day: 367,
        century: None,
        is_of_century: false,
        is_afternoon: false,
        seen: Seen::default(),
        week: None,
    };
    reader.read(format.as_bytes())?;
    let rest = reader.rest;
    let ends = rest.first().is_none_or(|byte| is_space(*byte));
    ends.then(|| (reader.fields(), rest))
}

/// Which fields the text has set.
#[derive(Default)]
struct Seen {
    half_day: bool,
    month: bool,
    day: bool,
    weekday: bool,
    year_day: bool,
    /// Whether the text has set a part of the date. The weekday and the day of the year are
    /// computed from the date.
    date: bool,
}

/// Parses a text with a format.
struct Reader<'t> {
    rest: &'t [u8],
    /// Returns the offset of local time from UTC, in seconds. Its argument is the time, in seconds
    /// since 1970.
    local: fn(i64) -> i64,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    weekday: i64,
    year_day: i64,
    century: Option<i64>,
    /// Whether `year` comes from `%y`, which gives only the last two digits.
    is_of_century: bool,
    is_afternoon: bool,
    seen: Seen,
    /// The number of the week, and the weekday on which weeks start.
    week: Option<(i64, i64)>,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The modifiers `E` and `O`, and the conversions that accept them.
const OTHER: [(u8, &[u8]); 2] = [(b'E', b"cCxXY"), (b'O', b"bBdehHImMSUVWwy")];

impl Reader<'_> {
    fn read(&mut self, format: &[u8]) -> Option<()> {
        let mut format = format.iter();
        while let Some(byte) = format.next() {
            match *byte {
                byte if is_space(byte) => self.skip_space(),
                b'%' => {
                    let mut letter = *format.next()?;
                    while matches!(letter, b'-' | b'_' | b'0' | b'^' | b'#') {
                        letter = *format.next()?;
                    }
                    // A width in the format is read, but has no effect.
                    while letter.is_ascii_digit() {
                        letter = *format.next()?;
                    }
                    if let Some((_, letters)) = OTHER.iter().find(|(other, _)| *other == letter) {
                        letter = *format.next()?;
                        letters.contains(&letter).then_some(())?;
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
            b'Y' => {
                self.year = self.number(0, 9999, 4)?;
                self.is_of_century = false;
                self.seen.date = true;
            }
            b'C' => {
                self.century = Some(self.number(0, 99, 2)?);
                self.seen.date = true;
            }
            b'y' => {
                let year = self.number(0, 99, 2)?;
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
                self.is_of_century = true;
                self.seen.date = true;
            }
            b'm' => {
                self.month = self.number(1, 12, 2)? - 1;
                (self.seen.month, self.seen.date) = (true, true);
            }
            b'b' | b'B' | b'h' => {
                self.month = self.name(&MONTHS)?;
                (self.seen.month, self.seen.date) = (true, true);
            }
            b'd' | b'e' => {
                self.day = self.number(1, 31, 2)?;
                (self.seen.day, self.seen.date) = (true, true);
            }
            b'H' | b'k' => (self.hour, self.seen.half_day) = (self.number(0, 23, 2)?, false),
            b'I' | b'l' => (self.hour, self.seen.half_day) = (self.number(1, 12, 2)? % 12, true),
            b'M' => self.minute = self.number(0, 59, 2)?,
            b'S' => self.second = self.number(0, 61, 2)?,
            b'j' => (self.year_day, self.seen.year_day) = (self.number(1, 366, 3)? - 1, true),
            b'u' => (self.weekday, self.seen.weekday) = (self.number(1, 7, 1)? % 7, true),
            b'w' => (self.weekday, self.seen.weekday) = (self.number(0, 6, 1)?, true),
            b'a' | b'A' => (self.weekday, self.seen.weekday) = (self.name(&WEEKDAYS)?, true),
            // If a format has both `%U` and `%W`, weeks start on Sunday, as with `%U`.
            b'U' => self.week = Some((self.number(0, 53, 2)?, 0)),
            b'W' => {
                let first = self.week.map_or(1, |(_, first)| first);
                self.week = Some((self.number(0, 53, 2)?, first));
            }
            b'V' => drop(self.number(0, 53, 2)?),
            b'g' => drop(self.number(0, 99, 2)?),
            b'G' => drop(self.number(0, 9999, 4)?),
            b'p' | b'P' => self.is_afternoon = self.name(&["am", "pm"])? == 1,
            b'D' | b'x' => self.read(b"%m/%d/%y")?,
            b'F' => self.read(b"%Y-%m-%d")?,
            b'T' | b'X' => self.read(b"%H:%M:%S")?,
            b'R' => self.read(b"%H:%M")?,
            b'r' => self.read(b"%I:%M:%S %p")?,
            b'c' => self.read(b"%a %b %e %H:%M:%S %Y")?,
            b's' => {
                self.rest.first().filter(|byte| byte.is_ascii_digit())?;
                let seconds = self.number(0, i64::MAX / 100, 18)?;
                let at = CalendarTime::from_seconds(seconds + (self.local)(seconds));
                (self.year, self.month, self.day) = (at.year, at.month, at.day);
                (self.hour, self.minute, self.second) = (at.hour, at.minute, at.second);
                (self.weekday, self.year_day) = (at.weekday, at.year_day);
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

    /// Reads one of `names`, or its first three letters, in upper or lower case. Returns its index.
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

    /// Reads an offset from UTC. The offset is not used.
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

    /// The eight fields of the result. If the text has not set the weekday, the day of the year,
    /// the month or the day, they are computed where that is possible.
    fn fields(mut self) -> [i64; 8] {
        if self.seen.half_day && self.is_afternoon {
            self.hour += 12;
        }
        match self.century {
            Some(century) if self.is_of_century => {
                self.year = century * 100 + self.year.rem_euclid(100);
            }
            Some(century) => self.year = century * 100,
            None => {}
        }
        if self.seen.date && !self.seen.weekday {
            if self.seen.year_day && !(self.seen.month && self.seen.day) {
                self.date_from_year_day();
            }
            self.weekday = self.weekday_of_date();
        }
        if self.seen.date && !self.seen.year_day {
            self.year_day = DAYS_BEFORE[self.months() + self.month as usize] + self.day - 1;
        }
        if let Some((week, first)) = self.week
            && self.seen.weekday
        {
            let new_year = weekday(self.year, 1);
            if !self.seen.year_day {
                self.year_day =
                    (7 - (new_year - first)) % 7 + (week - 1) * 7 + (self.weekday - first + 7) % 7;
            }
            self.date_from_year_day();
        }
        let date = [self.year, self.month, self.day];
        let time = [self.hour, self.minute, self.second];
        let [year, month, day] = date;
        let [hour, minute, second] = time;
        [
            year,
            month,
            day,
            hour,
            minute,
            second,
            self.weekday,
            self.year_day,
        ]
    }

    /// The index in [`DAYS_BEFORE`] of the January of this year: 13 in a leap year, else 0.
    fn months(&self) -> usize {
        let is_leap = (self.year % 4 == 0 && self.year % 100 != 0) || self.year % 400 == 0;
        if is_leap { 13 } else { 0 }
    }

    fn weekday_of_date(&self) -> i64 {
        let before = usize::try_from(self.month).ok();
        let before = before
            .and_then(|month| DAYS_BEFORE.get(month))
            .unwrap_or(&0);
        let leap_day = i64::from(self.months() > 0 && self.month > 1);
        weekday(self.year, before + leap_day + self.day)
    }

    /// Computes the month and the day from the day of the year. A field that the text has set is
    /// kept.
    fn date_from_year_day(&mut self) {
        let first = self.months();
        let rest = &DAYS_BEFORE[first..];
        let passed = rest
            .iter()
            .take_while(|days| **days <= self.year_day)
            .count();
        let before = (first + passed)
            .checked_sub(1)
            .map_or(0, |at| DAYS_BEFORE[at]);
        if !self.seen.month {
            self.month = passed as i64 - 1;
        }
        if !self.seen.day {
            self.day = self.year_day - before + 1;
        }
    }
}

/// The weekday of day `day` in `year`; `day` is counted from 1.
fn weekday(year: i64, day: i64) -> i64 {
    CalendarTime::from_seconds(seconds_of([year, 0, day, 0, 0, 0])).weekday
}
