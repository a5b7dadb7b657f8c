//! Dates of the Gregorian calendar, for any year.

const SECONDS_PER_DAY: i64 = 86_400;

/// The number of days in 400 years. After 400 years, the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;

/// A point in time, as fields. In a valid time, all fields are in their ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CalendarTime {
    pub(super) year: i64,
    /// From 0 to 11.
    pub(super) month: i64,
    /// From 1 on.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// From 0, which is Sunday, to 6.
    pub(super) weekday: i64,
    /// The day of the year, from 0 on.
    pub(super) year_day: i64,
}

impl CalendarTime {
    /// A time with these fields, which may be outside of their ranges.
    pub(super) fn from_fields(fields: [i64; 8]) -> CalendarTime {
        let [year, month, day, hour, minute, second, weekday, year_day] = fields;
        CalendarTime {
            year,
            month,
            day,
            hour,
            minute,
            second,
            weekday,
            year_day,
        }
    }

    /// The fields of the time that is `seconds` after the start of 1970.
    pub(super) fn from_seconds(seconds: i64) -> CalendarTime {
        let days = seconds.div_euclid(SECONDS_PER_DAY);
        let rest = seconds.rem_euclid(SECONDS_PER_DAY);
        // Here a year begins in March, so that a leap day is the last day of a year.
        let day = days + 719_468;
        let (era, day) = (day.div_euclid(DAYS_PER_ERA), day.rem_euclid(DAYS_PER_ERA));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = (month + 2) % 12;
        let year = era * 400 + year + i64::from(month < 2);
        CalendarTime {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7),
            year_day: days - days_before(year, 0),
        }
    }
}

/// The days from the start of 1970 to the first day of a month. The month may be outside of 0 to
/// 11.
fn days_before(year: i64, month: i64) -> i64 {
    let (year, month) = (year + month.div_euclid(12), month.rem_euclid(12));
    let year = year - i64::from(month < 2);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day = (153 * ((month + 10) % 12) + 2) / 5;
    era * DAYS_PER_ERA + year * 365 + year / 4 - year / 100 + day - 719_468
}

/// The seconds from the start of 1970 to a time. The time's fields may be outside of their ranges.
pub(super) fn seconds_of([year, month, day, hour, minute, second]: [i64; 6]) -> i64 {
    let days = days_before(year, month) + day - 1;
    days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_thousand_years_comes_back() {
        for day in -150_000..250_000 {
            let seconds = day * SECONDS_PER_DAY + 5;
            let at = CalendarTime::from_seconds(seconds);
            let fields = [at.year, at.month, at.day, at.hour, at.minute, at.second];
            assert_eq!(seconds_of(fields), seconds);
            assert_eq!(seconds_of([at.year, 0, 1 + at.year_day, 0, 0, 5]), seconds);
        }
        let at = CalendarTime::from_seconds(951_782_400);
        assert_eq!((at.year, at.month, at.day, at.weekday), (2000, 1, 29, 2));
        let at = CalendarTime::from_seconds(-62_198_755_200);
        assert_eq!((at.year, at.month, at.day, at.year_day), (-1, 0, 1, 0));
    }
}
