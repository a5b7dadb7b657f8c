//! Divides time into buckets, from five minutes to a year long, in a time zone.

use std::time::Duration;

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta};

use super::zone::Zone;
use super::{HOUR_MS, Timestamp, Unreadable};

/// The length of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// A fixed number of milliseconds. One of the borders between buckets is the Unix epoch.
    Fixed(i64),
    /// A day in the zone: 24 hours, or more or fewer if the clocks change on this day.
    Day,
    /// Seven days. The first day is N days after Monday: 0 is Monday, 6 is Sunday.
    Week(u32),
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Grain {
    /// Five minutes.
    pub const FIVE_MINUTES: Grain = Grain::Fixed(HOUR_MS / 12);
    /// An hour.
    pub const HOUR: Grain = Grain::Fixed(HOUR_MS);
}

/// Computes the borders of buckets: where one bucket ends and the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketCalendar {
    /// The length of the buckets.
    pub grain: Grain,
    /// The zone in which days, weeks, months and years begin. Not used for [`Grain::Fixed`].
    pub zone: Zone,
}

impl BucketCalendar {
    /// The start of the bucket that contains `at`.
    pub fn floor(&self, at: Timestamp) -> Timestamp {
        if let Grain::Fixed(length) = self.grain {
            return Timestamp(at.0.div_euclid(length).saturating_mul(length));
        }
        let date = self.zone.local(at).date();
        let back = |days: u32| date.checked_sub_days(Days::new(days.into()));
        let first = match self.grain {
            Grain::Fixed(_) | Grain::Day => Some(date),
            Grain::Week(first) => back((date.weekday().num_days_from_monday() + 7 - first) % 7),
            Grain::Month => date.with_day(1),
            Grain::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
        };
        let midnight = first.and_then(|date| date.and_hms_opt(0, 0, 0));
        midnight.map_or(at, |local| self.zone.instant(local))
    }

    /// The first border at or after `at`.
    pub fn ceil(&self, at: Timestamp) -> Timestamp {
        let floor = self.floor(at);
        if floor == at { at } else { self.next(floor) }
    }

    /// The end of a bucket that begins at `from`, even if `from` is not a border.
    pub fn next(&self, from: Timestamp) -> Timestamp {
        if let Grain::Fixed(length) = self.grain {
            return Timestamp(from.0.saturating_add(length));
        }
        let local = self.zone.local(from);
        let next = match self.grain {
            Grain::Fixed(_) => None,
            Grain::Day => local.checked_add_days(Days::new(1)),
            Grain::Week(_) => local.checked_add_days(Days::new(7)),
            Grain::Month => local.checked_add_months(Months::new(1)),
            Grain::Year => local.checked_add_months(Months::new(12)),
        };
        let next = next.map_or(from, |local| self.zone.instant(local));
        // The result must be later than `from`, even if the local clocks go back.
        next.max(Timestamp(from.0.saturating_add(1)))
    }

    /// The last border before `at`, even if `at` is a border.
    pub fn previous(&self, at: Timestamp) -> Timestamp {
        self.floor(at.minus(Duration::from_millis(1)))
    }

    /// All borders from `from` on that are before `to`. `from` must be a border.
    pub fn borders(self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
        let first = (from < to).then_some(from);
        std::iter::successors(first, move |at| Some(self.next(*at)).filter(|at| *at < to))
    }
}

impl Zone {
    /// Reads a time like [`Timestamp::parse`], but `today` and `yesterday` are the start of the day
    /// in this zone.
    pub fn parse_time(self, text: &str, now: Timestamp) -> Result<Timestamp, Unreadable> {
        let days = BucketCalendar {
            grain: Grain::Day,
            zone: self,
        };
        let today = days.floor(now);
        match text.trim() {
            "today" => Ok(today),
            "yesterday" => Ok(days.previous(today)),
            text => Timestamp::parse(text, now),
        }
    }

    /// The first instant when the clocks of the zone show `local`. If the clocks skip `local`, this
    /// tries later local times, in steps of 15 minutes, and takes the first that the clocks show.
    fn instant(self, local: NaiveDateTime) -> Timestamp {
        let quarters = (0..=96).map(|n| local + TimeDelta::minutes(15 * n));
        let mut found = quarters.filter_map(|local| self.first_instant(local));
        found.next().unwrap_or(Timestamp(0))
    }

    /// `2026/11/01 00:00:00`: the wall clock of the zone. The date has slashes.
    pub fn slashes(self, at: Timestamp) -> String {
        self.local(at).format("%Y/%m/%d %H:%M:%S").to_string()
    }

    /// `2026-11-01 00:00:00`: the wall clock of the zone, without a fraction of a second.
    /// `None` if the year is not from 1970 to 9999 in UTC.
    pub fn wall_clock(self, at: Timestamp) -> Option<String> {
        let clock = || self.local(at).format("%Y-%m-%d %H:%M:%S").to_string();
        at.is_in_calendar().then(clock)
    }

    /// The time in RFC 3339 with the offset of the zone; with `Z` if the offset is zero.
    pub fn rfc3339(self, at: Timestamp) -> String {
        let has_millis = at.0.rem_euclid(1000) != 0;
        let format = match has_millis {
            true => SecondsFormat::Millis,
            false => SecondsFormat::Secs,
        };
        self.at(at).to_rfc3339_opts(format, true)
    }

    /// Reads a local time of the zone, such as `2026-11-01 00:00:00`. The date has slashes or
    /// dashes. A blank or a `T` is between the date and the time. A fraction has 0 to 9 digits. A
    /// time that ends in `Z` is UTC.
    pub fn parse(self, text: &str) -> Option<Timestamp> {
        let (text, zone) = match text.strip_suffix('Z') {
            Some(text) => (text, Zone::UTC),
            None => (text, self),
        };
        let (date, time) = text.split_once([' ', 'T'])?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
        let numbers = |text: &str, separators: &[char]| -> Option<[u32; 3]> {
            let parts: Vec<u32> = text
                .split(separators)
                .map(|part| part.parse().ok())
                .collect::<Option<_>>()?;
            parts.try_into().ok()
        };
        let [year, month, day] = numbers(date, &['-', '/'])?;
        let [hour, minute, second] = numbers(time, &[':'])?;
        let is_year = (1970..=9999).contains(&year);
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        let local = date.and_hms_opt(hour, minute, second)?;
        let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let at = zone.instant(local);
        (is_fraction && is_year).then(|| Timestamp(at.0 + millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text, Timestamp(0)).unwrap()
    }

    fn calendar(grain: Grain, zone: &str) -> BucketCalendar {
        let zone = zone.parse().unwrap();
        BucketCalendar { grain, zone }
    }

    #[test]
    fn today_and_yesterday_are_days_of_the_zone() {
        let zone: Zone = "America/New_York".parse().unwrap();
        let day = |text: &str, now: &str| zone.rfc3339(zone.parse_time(text, at(now)).unwrap());
        let now = "2026-11-02T03:00:00Z";
        assert_eq!(day("today", now), "2026-11-01T00:00:00-04:00");
        assert_eq!(day("yesterday", now), "2026-10-31T00:00:00-04:00");
        let after = "2026-11-02T06:00:00Z";
        assert_eq!(day("yesterday", after), "2026-11-01T00:00:00-04:00");
        assert_eq!(day("2026-11-01", now), "2026-10-31T20:00:00-04:00");
        assert!(zone.parse_time("tomorrow", at(now)).is_err());
    }

    #[test]
    fn a_day_of_a_place_has_23_24_or_25_hours() {
        let days = calendar(Grain::Day, "America/New_York");
        for (day, hours) in [("2026-03-08", 23), ("2026-11-01", 25), ("2026-11-02", 24)] {
            let from = days.floor(at(&format!("{day}T12:00:00-05:00")));
            assert_eq!(days.next(from).since(from).as_secs() / 3600, hours, "{day}");
        }
        let from = days.floor(at("2026-11-01T12:00:00Z"));
        assert_eq!(days.zone.rfc3339(from), "2026-11-01T00:00:00-04:00");
        assert_eq!(
            days.zone.rfc3339(days.next(from)),
            "2026-11-02T00:00:00-05:00"
        );
        assert_eq!(days.zone.slashes(from), "2026/11/01 00:00:00");
    }

    #[test]
    fn floors_and_ceils_meet_the_borders() {
        for (grain, floor, ceil) in [
            (Grain::FIVE_MINUTES, "2026-11-04 10:05", "2026-11-04 10:10"),
            (Grain::HOUR, "2026-11-04 10:00", "2026-11-04 11:00"),
            (Grain::Day, "2026-11-04", "2026-11-05"),
            (Grain::Week(0), "2026-11-02", "2026-11-09"),
            (Grain::Week(6), "2026-11-01", "2026-11-08"),
            (Grain::Month, "2026-11-01", "2026-12-01"),
            (Grain::Year, "2026-01-01", "2027-01-01"),
        ] {
            let calendar = calendar(grain, "UTC");
            let time = at("2026-11-04 10:07:30");
            assert_eq!(calendar.floor(time), at(floor), "{grain:?}");
            assert_eq!(calendar.ceil(time), at(ceil), "{grain:?}");
            assert_eq!(calendar.ceil(at(floor)), at(floor), "{grain:?}");
            assert_eq!(calendar.previous(at(ceil)), at(floor), "{grain:?}");
            assert_eq!(calendar.borders(at(floor), at(ceil)).count(), 1);
        }
    }

    #[test]
    fn a_wall_clock_is_read_in_every_spelling_of_it() {
        for text in [
            "2026-11-01 12:00:00.0",
            "2026-11-01 12:00:00",
            "2026-11-01T12:00:00.000",
            "2026/11/01 12:00:00.000000000",
            "2026-11-01T12:00:00Z",
        ] {
            assert_eq!(
                Zone::UTC.parse(text),
                Some(at("2026-11-01T12:00:00Z")),
                "{text}"
            );
        }
        let half = Zone::UTC.parse("2026-11-01 12:00:00.5");
        assert_eq!(half, Some(at("2026-11-01T12:00:00.500Z")));
        for text in [
            "2026-13-01 00:00:00",
            "2026-11-01",
            "01-11-2026 10:00:00",
            "x",
        ] {
            assert_eq!(Zone::UTC.parse(text), None, "{text}");
        }
    }
}
