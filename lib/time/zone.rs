//! Time zones: which local time the clocks of a place show at an instant, and at which instant they
//! show a local time.
//!
//! This module uses the copy of the IANA database in the program, never the database of the
//! machine. Small containers have no database, and all machines must start a day at the same
//! instant.

use std::str::FromStr;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, Timelike};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use super::{Timestamp, Unreadable};

static UTC: TimeZone = TimeZone::UTC;

/// A time zone: `UTC`, a fixed offset such as `+02:00`, or a name of the IANA database, which
/// contains the clock changes of each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(&'static TimeZone);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Zone = Zone(&UTC);

    /// The local time at `at`, with its offset from UTC. If `at` is after the year 9999, the result
    /// is in UTC.
    pub(super) fn at(self, at: Timestamp) -> DateTime<FixedOffset> {
        let seconds = jiff::Timestamp::from_millisecond(at.0)
            .map_or(0, |instant| self.0.to_offset(instant).seconds());
        let offset = FixedOffset::east_opt(seconds);
        let utc = at.chrono();
        offset.map_or_else(|| utc.fixed_offset(), |offset| utc.with_timezone(&offset))
    }

    /// The local time at `at`, without the offset.
    pub(super) fn local(self, at: Timestamp) -> NaiveDateTime {
        self.at(at).naive_local()
    }

    /// The first instant at which the clocks of the zone show `local`. The fraction of a second
    /// in `local` is ignored. `None` if the clocks skip `local`, or if its year is over 9999.
    pub(super) fn first_instant(self, local: NaiveDateTime) -> Option<Timestamp> {
        let small = |number: u32| i8::try_from(number).ok();
        let clocks = civil::DateTime::new(
            i16::try_from(local.year()).ok()?,
            small(local.month())?,
            small(local.day())?,
            small(local.hour())?,
            small(local.minute())?,
            small(local.second())?,
            0,
        );
        let offset = match self.0.to_ambiguous_timestamp(clocks.ok()?).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            // The clocks are set back, so they show this time twice.
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        let utc = local.and_utc().timestamp() - i64::from(offset.seconds());
        Some(Timestamp(1000 * utc))
    }
}

impl FromStr for Zone {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Zone, Unreadable> {
        let fixed = || {
            let offset: FixedOffset = text.parse().ok()?;
            Some(
                Offset::from_seconds(offset.local_minus_utc())
                    .ok()?
                    .to_time_zone(),
            )
        };
        let named = || TimeZoneDatabase::bundled().get(text).ok();
        let zone = named().or_else(fixed).ok_or_else(|| {
            Unreadable(format!(
                "'{text}' is not a zone: use UTC, +02:00, or a name such as America/New_York"
            ))
        })?;
        // The memory is never freed: a program reads one or two zones, and needs them until it
        // ends.
        Ok(Zone(Box::leak(Box::new(zone))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(zone: &str, local: &str) -> Option<String> {
        let zone: Zone = zone.parse().unwrap();
        let instant = zone.first_instant(local.parse().unwrap());
        instant.map(Timestamp::rfc3339)
    }

    #[test]
    fn clocks_show_a_local_time_once_twice_or_never() {
        let once = instant("Europe/Berlin", "2026-07-01T12:00:00");
        assert_eq!(once.as_deref(), Some("2026-07-01T10:00:00Z"));
        let twice = instant("Europe/Berlin", "2026-10-25T02:30:00");
        assert_eq!(twice.as_deref(), Some("2026-10-25T00:30:00Z"));
        assert_eq!(instant("Europe/Berlin", "2026-03-29T02:30:00"), None);
        let fixed = instant("-03:30", "2026-03-29T02:30:00");
        assert_eq!(fixed.as_deref(), Some("2026-03-29T06:00:00Z"));
    }

    #[test]
    fn a_zone_has_a_name_or_an_offset() {
        for text in ["UTC", "europe/berlin", "US/Eastern", "+02:00", "-0930"] {
            assert!(text.parse::<Zone>().is_ok(), "{text}");
        }
        for text in ["", "Berlin", "+25:00", "2", "../../etc/passwd"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }
}
