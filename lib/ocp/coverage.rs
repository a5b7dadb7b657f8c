//! The state of each past hour (for example exported, missing or lost), computed from a ledger.
//!
//! The service deletes old data hour by hour. A directory of ZIPs does not show which hours were
//! never exported. This module computes a state for each hour of each group and message type, and
//! plans exports of the missing hours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::ledger::History;
use super::plan::{MAX_WINDOW, PlanSpec, PlannedExport, Sequence};
use crate::export::window::Window;
use crate::ocp::export_request::covers;
use crate::time::{HOUR_MS, Timestamp};

pub mod picture;
pub mod text;
pub mod totals;

const HOUR: Duration = Duration::from_millis(HOUR_MS.unsigned_abs());

/// The states of an hour, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HourState {
    /// The hour was exported completely.
    Have,
    /// An export of the hour was started, but is not complete.
    Begun,
    /// The hour was never exported, and still can be exported.
    Missing,
    /// The hour was never exported, and can be exported only for a short time.
    AtRisk,
    /// The hour was never exported, and the service has started to delete its data.
    Lost,
}

impl HourState {
    /// All states, from the best to the worst.
    pub const ALL: [HourState; 5] = [
        HourState::Have,
        HourState::Begun,
        HourState::Missing,
        HourState::AtRisk,
        HourState::Lost,
    ];

    /// The key under which a report shows the number of hours in this state.
    pub fn fact(self) -> &'static str {
        match self {
            HourState::Have => "have_hours",
            HourState::Begun => "begun_hours",
            HourState::Missing => "missing_hours",
            HourState::AtRisk => "at_risk_hours",
            HourState::Lost => "lost_hours",
        }
    }

    /// The state in one or two words.
    pub fn name(self) -> &'static str {
        match self {
            HourState::Have => "have",
            HourState::Begun => "begun",
            HourState::Missing => "missing",
            HourState::AtRisk => "at risk",
            HourState::Lost => "lost",
        }
    }
}

/// The current time, and the limits for the age of data.
#[derive(Clone, Copy, Debug)]
pub struct HistoryLimits {
    /// The current time.
    pub now: Timestamp,
    /// How old data must be before it can be exported.
    pub freshness: Duration,
    /// The age of the oldest data that can be exported.
    pub history: Duration,
    /// A missing hour that expires within this time is at risk.
    pub risk: Duration,
}

/// The states of the hours of one group and message type.
#[derive(Debug)]
pub struct Calendar {
    /// The OCP group.
    pub group: String,
    /// The message type.
    pub kind: String,
    /// The start of the first hour.
    pub from: Timestamp,
    /// The states of the hours from `from` on, without a gap.
    pub hours: Vec<HourState>,
}

/// The number of hours of a group and type in each state.
#[derive(Debug, Serialize)]
pub(crate) struct CoverageSummary<'a> {
    check: &'static str,
    group: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(flatten)]
    hours: BTreeMap<&'static str, usize>,
}

/// A window that was not exported yet but can still be exported, as a line of a plan.
#[derive(Debug, Serialize)]
pub struct Lacking {
    #[serde(flatten)]
    planned: PlannedExport,
    /// The worst state of the hours in the window.
    coverage: HourState,
}

/// The groups that a ledger knows, each with its message types.
pub fn known(history: &History) -> Vec<(String, BTreeSet<String>)> {
    let mut known: Vec<(String, BTreeSet<String>)> = Vec::new();
    for (request, _) in history.records() {
        match known
            .last_mut()
            .filter(|(group, _)| *group == request.group)
        {
            Some((_, kinds)) => kinds.extend(request.types.iter().cloned()),
            None => known.push((request.group.clone(), request.types.clone())),
        }
    }
    known
}

/// The start of the first hour that was ever requested; `None` if no hour was requested.
pub fn first_hour(history: &History) -> Option<Timestamp> {
    history
        .records()
        .map(|(request, _)| request.window.from())
        .min()
}

impl Calendar {
    /// The states of the hours of `range`.
    pub fn new(
        group: &str,
        kind: &str,
        range: Window,
        history: &History,
        limits: &HistoryLimits,
    ) -> Calendar {
        let of_it = history
            .known()
            .filter(|(request, _)| request.group == group && covers(&request.types, kind));
        let (had, begun): (Vec<_>, Vec<_>) = of_it
            .map(|(request, record)| (request.window, record.had))
            .partition(|(_, had)| *had);
        let is_in = |windows: &[(Window, bool)], hour: Window| {
            windows.iter().any(|(window, _)| window.overlaps(hour))
        };
        let lost = limits.now.minus(limits.history);
        let state = |hour: Window| match hour.from() {
            _ if is_in(&had, hour) => HourState::Have,
            _ if is_in(&begun, hour) => HourState::Begun,
            from if from < lost => HourState::Lost,
            from if from <= lost.plus(limits.risk) => HourState::AtRisk,
            _ => HourState::Missing,
        };
        Calendar {
            group: group.to_owned(),
            kind: kind.to_owned(),
            from: range.from(),
            hours: range.cut(HOUR).map(state).collect(),
        }
    }

    /// The number of hours in each state, as one JSON object.
    pub(crate) fn summary(&self) -> CoverageSummary<'_> {
        CoverageSummary {
            check: "coverage",
            group: &self.group,
            kind: &self.kind,
            hours: HourState::ALL
                .map(|state| (state.fact(), self.count(state)))
                .into(),
        }
    }

    /// The state of the hour that begins at `hour`; `None` if this hour is not in the calendar.
    pub fn state(&self, hour: Timestamp) -> Option<HourState> {
        let millis = hour.millis().checked_sub(self.from.millis())?;
        let at = usize::try_from(millis.div_euclid(HOUR_MS)).ok()?;
        self.hours.get(at).copied()
    }

    /// How many hours are in a state.
    pub fn count(&self, state: HourState) -> usize {
        self.hours.iter().filter(|hour| **hour == state).count()
    }

    /// The worst state of the hours in a window.
    fn worst(&self, window: Window) -> Option<HourState> {
        let index = |at: Timestamp| {
            let millis = at.since(self.from).as_millis() / HOUR.as_millis();
            usize::try_from(millis)
                .unwrap_or(usize::MAX)
                .min(self.hours.len())
        };
        self.hours[index(window.from())..index(window.to())]
            .iter()
            .max()
            .copied()
    }

    /// The days of the calendar. Consecutive days whose hours have the same states are joined into
    /// one run. A day for which `is_alone` is true is a run of its own.
    pub(crate) fn day_runs(&self, is_alone: impl Fn(&str) -> bool) -> Vec<DayRun> {
        let mut runs: Vec<DayRun> = Vec::new();
        let mut may_grow = false;
        for (date, hours) in self.days() {
            let alone = is_alone(&date);
            match runs.last_mut() {
                Some(run) if may_grow && !alone && run.hours == hours => {
                    run.last = date;
                    run.days += 1;
                }
                _ => runs.push(DayRun {
                    first: date.clone(),
                    last: date,
                    days: 1,
                    hours,
                }),
            }
            may_grow = !alone;
        }
        runs
    }

    /// The days in UTC, each as its date and the states of its 24 hours. Hours that are not in the
    /// calendar have no state.
    pub fn days(&self) -> impl Iterator<Item = (String, [Option<HourState>; 24])> {
        let first = self.from.floor_day();
        let before = self.from.since(first).as_millis() / HOUR.as_millis();
        let before = usize::try_from(before).unwrap_or_default();
        let hours: Vec<Option<HourState>> = std::iter::repeat_n(None, before)
            .chain(self.hours.iter().copied().map(Some))
            .collect();
        let mut day = first;
        let mut rest = hours.into_iter().peekable();
        std::iter::from_fn(move || {
            rest.peek()?;
            let (date, _) = day.date_and_hour();
            day = day.plus(24 * HOUR);
            Some((date, std::array::from_fn(|_| rest.next().flatten())))
        })
    }
}

/// Consecutive days whose hours have the same states.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DayRun {
    /// The date of the first day, in UTC.
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) days: usize,
    /// The states of the 24 hours of each day. Hours that are not in the calendar have no state.
    pub(crate) hours: [Option<HourState>; 24],
}

/// The windows in `range` that were not exported but can still be exported, sorted by the time when
/// they expire.
pub fn lacking(
    known: &[(String, BTreeSet<String>)],
    calendars: &[Calendar],
    range: Window,
    history: &History,
    limits: &HistoryLimits,
) -> Vec<Lacking> {
    let mut lacking = Vec::new();
    for (group, types) in known {
        let wanted = PlanSpec {
            groups: vec![group.clone()],
            types: types.clone(),
            range,
            size: MAX_WINDOW,
            freshness: limits.freshness,
            history: limits.history,
        };
        let Some(range) = wanted.clamp(limits.now).window else {
            continue;
        };
        for planned in wanted.plan(range, history, Sequence::ExpiringFirst) {
            let Some(window) = Window::new(planned.from, planned.to) else {
                continue;
            };
            let of_it = calendars
                .iter()
                .filter(|c| c.group == *group && planned.types.contains(&c.kind));
            let worst = of_it.filter_map(|calendar| calendar.worst(window)).max();
            lacking.push(Lacking {
                coverage: worst.unwrap_or(HourState::Missing),
                planned,
            });
        }
    }
    lacking.sort_by_key(|line| line.planned.expires_at);
    lacking
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ocp::export_request::ExportRequest;
    use crate::ocp::ledger::Ledger;
    use crate::os::clock::Clock;

    pub(super) fn now() -> Timestamp {
        // 2026-11-20T12:00:00Z
        Timestamp::from_millis(1_795_176_000_000)
    }

    const LIMITS: HistoryLimits = HistoryLimits {
        now: Timestamp::from_millis(1_795_176_000_000),
        freshness: Duration::from_secs(2 * 3600),
        history: Duration::from_secs(10 * 86_400),
        risk: Duration::from_secs(86_400),
    };

    fn request(from: &str, to: &str) -> ExportRequest {
        let text = format!(r#"{{"group":"g","types":["a","b"],"from":"{from}","to":"{to}"}}"#);
        serde_json::from_str(&text).unwrap()
    }

    /// Exported: the 9th without its first three hours, and all of the 12th. Started: the 13th.
    pub(super) fn calendar() -> (Calendar, Vec<Lacking>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let mut ledger = Ledger::open(&path, "https://api.example", Clock::manual(now())).unwrap();
        for (id, request) in [
            ("x", request("2026-11-09T03:00:00Z", "2026-11-10")),
            ("y", request("2026-11-12", "2026-11-13")),
        ] {
            ledger.created(&request, id).unwrap();
            ledger.fetched(id).unwrap();
        }
        let begun = request("2026-11-13", "2026-11-14");
        ledger.creating(&begun).unwrap();
        let history = ledger.history();
        assert_eq!(
            first_hour(history),
            Some(request("2026-11-09T03:00:00Z", "2026-11-10").window.from())
        );
        let known = known(history);
        assert_eq!(known.len(), 1);
        let range = request("2026-11-09", "2026-11-15").window;
        let calendars = [
            Calendar::new("g", "a", range, history, &LIMITS),
            Calendar::new("g", "b", range, history, &LIMITS),
        ];
        let lacking = lacking(&known, &calendars, range, history, &LIMITS);
        let [calendar, _] = calendars;
        (calendar, lacking)
    }

    #[test]
    fn every_hour_has_a_state() {
        let (calendar, _) = calendar();
        let counts = HourState::ALL.map(|state| calendar.count(state));
        // Lost: 3 hours of the 9th and 12 hours of the 10th. At risk: the next hours, up to and
        // including the hour that begins at noon of the 11th.
        assert_eq!(counts, [21 + 24, 24, 11 + 24, 12 + 13, 3 + 12]);
        assert_eq!(calendar.hours.len(), 6 * 24);
    }

    #[test]
    fn what_can_still_be_had_is_planned_what_is_lost_soonest_first() {
        let (_, lacking) = calendar();
        let lines: Vec<_> = lacking
            .iter()
            .map(|line| {
                (
                    line.planned.from.rfc3339(),
                    line.planned.to.rfc3339(),
                    line.coverage,
                )
            })
            .collect();
        let expected = [
            (
                "2026-11-10T12:00:00Z",
                "2026-11-12T00:00:00Z",
                HourState::AtRisk,
            ),
            (
                "2026-11-13T00:00:00Z",
                "2026-11-14T00:00:00Z",
                HourState::Begun,
            ),
            (
                "2026-11-14T00:00:00Z",
                "2026-11-15T00:00:00Z",
                HourState::Missing,
            ),
        ];
        let expected = expected.map(|(from, to, state)| (from.to_owned(), to.to_owned(), state));
        assert_eq!(lines, expected);
        let json = serde_json::to_string(&lacking[0]).unwrap();
        assert!(json.ends_with(r#""coverage":"at_risk"}"#), "{json}");
    }

    #[test]
    fn days_begin_at_midnight() {
        let (mut calendar, _) = calendar();
        calendar.from = calendar.from.plus(23 * HOUR);
        calendar.hours.truncate(2);
        let days: Vec<_> = calendar.days().collect();
        assert_eq!(days[0].0, "2026-11-09");
        assert_eq!(
            (days[0].1[22], days[0].1[23]),
            (None, Some(HourState::Lost))
        );
        assert_eq!(days[1].0, "2026-11-10");
        assert_eq!((days[1].1[0], days[1].1[1]), (Some(HourState::Lost), None));
        assert_eq!(days.len(), 2);
    }
}
