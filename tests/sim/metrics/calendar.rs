//! The buckets that a request asks for, by the wall clock of its zone.

use chrono::{DateTime, Datelike, Days, Months, NaiveDateTime, TimeDelta, Utc};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use serde_json::Value;

pub struct Bucket {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// As a reply spells it.
    pub key: String,
}

pub struct Buckets {
    pub start: DateTime<Utc>,
    end: DateTime<Utc>,
    first: NaiveDateTime,
    step: String,
    zone: TimeZone,
}

impl Buckets {
    /// `None` if the request is wrong.
    pub fn of(body: &Value, has_sundays: bool) -> Option<Buckets> {
        let name = body["timezone"].as_str().unwrap_or("UTC");
        // Not the machine's own rules, which may be older than those of the programs.
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        let local = |name: &str| {
            let text = body[name].as_str()?;
            let formats = ["%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M:%S%.3f"];
            let mut read = formats.iter();
            read.find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        };
        let mut first = local("start")?;
        let step = body["downsampling"].as_str()?.to_owned();
        if step == "week" && has_sundays {
            let days = first.weekday().num_days_from_sunday();
            first = first.checked_sub_days(Days::new(days.into()))?;
        }
        Some(Buckets {
            start: earliest(&zone, local("start")?)?,
            end: earliest(&zone, local("end")?)?,
            first,
            step,
            zone,
        })
    }

    pub fn list(&self) -> Vec<Bucket> {
        let utc =
            |local: NaiveDateTime| earliest(&self.zone, local).expect("an hour that there is");
        let mut buckets = Vec::new();
        let mut local = self.first;
        while utc(local) < self.end {
            let next = match self.step.as_str() {
                "five_min" => local + TimeDelta::minutes(5),
                "hour" => local + TimeDelta::hours(1),
                "day" => local + Days::new(1),
                "week" => local + Days::new(7),
                "month" => local + Months::new(1),
                _ => local + Months::new(12),
            };
            buckets.push(Bucket {
                from: utc(local),
                to: utc(next),
                key: local.format("%Y-%m-%d %H:%M:%S.0").to_string(),
            });
            local = next;
        }
        buckets
    }
}

/// When the clocks show a local time; the first time if they do twice.
fn earliest(zone: &TimeZone, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let clocks = local.format("%Y-%m-%dT%H:%M:%S").to_string().parse().ok()?;
    let offset = match zone.to_ambiguous_timestamp(clocks).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Fold { before, .. } => before,
        AmbiguousOffset::Gap { .. } => return None,
    };
    Some(local.and_utc() - TimeDelta::seconds(offset.seconds().into()))
}
