//! Splits a range of time into export requests.
//!
//! From the vendor's documentation: an export covers 1 hour to 2 days, and the service rounds both
//! ends down to the hour. Data must be at least 2 hours and at most 2 months old; the default of
//! `--history` is 60 days. The plan rounds the start down and the end up, so that no hour at the
//! end is lost. A warning names the hours of the range that cannot be exported.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::ledger::{History, RequestHistory};
use crate::error;
use crate::export::window::Window;
use crate::ocp::export_request::{ALL_TYPES, ExportRequest, covers, is_all};
use crate::time::{Timestamp, show_duration};

/// The longest window of an export.
pub(crate) const MAX_WINDOW: Duration = Duration::from_secs(2 * 86_400);
/// The shortest window of an export. All windows are multiples of this length.
pub(crate) const MIN_WINDOW: Duration = Duration::from_secs(3600);

/// The order of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sequence {
    /// By time, oldest first.
    OldestFirst,
    /// By time, newest first.
    NewestFirst,
    /// By the time that is left: first exports in progress, whose ZIPs expire after 24 hours, then
    /// the oldest data.
    ExpiringFirst,
}

/// The input of a plan.
#[derive(Clone, Debug)]
pub struct PlanSpec {
    /// OCP groups.
    pub groups: Vec<String>,
    /// Message types.
    pub types: BTreeSet<String>,
    /// The range from the user.
    pub range: Window,
    /// The length of a window.
    pub size: Duration,
    /// How old data must be before it can be exported.
    pub freshness: Duration,
    /// The age of the oldest data that can be exported.
    pub history: Duration,
}

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedExport {
    /// The OCP group.
    pub group: String,
    /// Message types.
    pub types: BTreeSet<String>,
    /// The start of the first hour.
    pub from: Timestamp,
    /// The end of the last hour.
    pub to: Timestamp,
    /// The service refuses the request before this time.
    pub not_before: Timestamp,
    /// When the service starts to delete data of this window.
    pub expires_at: Timestamp,
}

/// A range, cut to the hours that can be exported.
#[derive(Debug)]
pub struct Clamped {
    /// The remaining range, in whole hours; `None` if nothing remains.
    pub window: Option<Window>,
    /// For each limit that cut the range: the reason, and the new start or end.
    pub notes: Vec<(String, String)>,
    /// Whether a part of the range is older than the service keeps, and is therefore lost.
    pub lost: bool,
}

impl PlanSpec {
    /// The range in whole hours, cut to the hours that can be exported at the time `now`.
    pub fn clamp(&self, now: Timestamp) -> Clamped {
        let hours = self.range.to_hours();
        let earliest = now.minus(self.history).ceil_hour();
        let latest = now.minus(self.freshness).floor_hour();
        let mut notes = Vec::new();
        // The check uses the range from the user, because the user did not request the hours that
        // the rounding added.
        let lost = self.range.from() < now.minus(self.history);
        if lost {
            let why = format!(
                "--from {} is older than the service keeps ({})",
                self.range.from(),
                show_duration(self.history)
            );
            notes.push((why, format!("starting at {earliest}")));
        }
        if self.range.to() > now.minus(self.freshness) {
            let why = format!(
                "--to {} is too recent: data must be {} old",
                self.range.to(),
                show_duration(self.freshness)
            );
            notes.push((why, format!("ending at {latest}")));
        }
        Clamped {
            window: hours.clamp(earliest, latest),
            notes,
            lost,
        }
    }

    /// The windows of `range` that are not complete in `have`. An export in progress keeps its
    /// window and types, so that it is resumed and not requested twice.
    pub fn plan(&self, range: Window, have: &History, sequence: Sequence) -> Vec<PlannedExport> {
        let mut planned: Vec<(bool, PlannedExport)> = Vec::new();
        for group in &self.groups {
            let mut begun = BTreeSet::new();
            let mut lacking: BTreeMap<Window, BTreeSet<String>> = BTreeMap::new();
            let of_group: Vec<(&ExportRequest, &RequestHistory)> = have
                .known()
                .filter(|(request, _)| request.group == *group && request.window.overlaps(range))
                .collect();
            for kind in self.types_beside(&of_group) {
                let known: Vec<(&ExportRequest, &RequestHistory)> = of_group
                    .iter()
                    .copied()
                    .filter(|(request, _)| covers(&request.types, &kind))
                    .collect();
                let windows: Vec<Window> =
                    known.iter().map(|(request, _)| request.window).collect();
                for window in range
                    .gaps(&windows)
                    .into_iter()
                    .flat_map(|gap| gap.cut(self.size))
                {
                    lacking.entry(window).or_default().insert(kind.clone());
                }
                let is_begun = |(request, record): (&ExportRequest, &RequestHistory)| {
                    (!record.had).then(|| request.clone())
                };
                begun.extend(known.into_iter().filter_map(is_begun));
            }
            planned.extend(begun.into_iter().map(|request| (true, self.line(request))));
            planned.extend(lacking.into_iter().map(|(window, types)| {
                let group = group.clone();
                let request = ExportRequest {
                    group,
                    types,
                    window,
                };
                (false, self.line(request))
            }));
        }
        // A stable sort keeps the groups in the order in which the user gave them.
        match sequence {
            Sequence::OldestFirst => planned.sort_by_key(|(_, line)| line.from),
            Sequence::NewestFirst => planned.sort_by_key(|(_, line)| std::cmp::Reverse(line.from)),
            Sequence::ExpiringFirst => {
                planned.sort_by_key(|(begun, line)| (!begun, line.expires_at));
            }
        }
        planned.into_iter().map(|(_, line)| line).collect()
    }

    /// The types to plan for a group. If `known` has a request for one of the types in `ALL`, `ALL`
    /// is replaced by its single types, because `ALL` would export this type again.
    fn types_beside(&self, known: &[(&ExportRequest, &RequestHistory)]) -> BTreeSet<String> {
        let in_part = |(request, _): &(&ExportRequest, &RequestHistory)| {
            ALL_TYPES.iter().any(|kind| request.types.contains(*kind))
        };
        if !known.iter().any(in_part) {
            return self.types.clone();
        }
        let singles = ALL_TYPES.iter().map(|kind| (*kind).to_owned());
        let is_all = |kind: &&String| is_all(kind);
        let mut types: BTreeSet<String> = self
            .types
            .iter()
            .filter(|kind| !is_all(kind))
            .cloned()
            .collect();
        if self.types.iter().any(|kind| is_all(&kind)) {
            types.extend(singles);
        }
        types
    }

    fn line(&self, request: ExportRequest) -> PlannedExport {
        PlannedExport {
            not_before: request.window.to().plus(self.freshness),
            expires_at: request.window.from().plus(self.history),
            from: request.window.from(),
            to: request.window.to(),
            group: request.group,
            types: request.types,
        }
    }
}

/// Checks `--window`: whole hours, within the limits of the service.
pub fn check_size(size: Duration) -> anyhow::Result<()> {
    if size < MIN_WINDOW
        || size > MAX_WINDOW
        || !size.as_millis().is_multiple_of(MIN_WINDOW.as_millis())
    {
        return Err(error::usage(format!(
            "--window {}: an export spans whole hours, from 1h to 2d",
            show_duration(size)
        )));
    }
    Ok(())
}

/// Checks that the service can export the window of a request in one export. The error says why the
/// service cannot export the window.
pub fn check_window(request: &ExportRequest) -> Result<(), String> {
    let length = request.window.to().since(request.window.from());
    if length > MAX_WINDOW {
        return Err(format!(
            "{} is {}, and an export spans at most {}: plan it with export-plan",
            request.window,
            show_duration(length),
            show_duration(MAX_WINDOW)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::HOUR_MS;
    use proptest::prelude::*;

    fn window(from: i64, to: i64) -> Window {
        Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to)).unwrap()
    }

    fn wanted(range: Window, size_hours: u64) -> PlanSpec {
        PlanSpec {
            groups: vec!["acme".to_owned()],
            types: BTreeSet::from(["dialog_end".to_owned()]),
            range,
            size: Duration::from_secs(3600 * size_hours),
            freshness: Duration::from_secs(2 * 3600),
            history: Duration::from_secs(60 * 86_400),
        }
    }

    proptest! {
        /// For any range and any time: the windows cover the available part of the range exactly,
        /// do not overlap, and are within the limits.
        #[test]
        fn windows_cover_exactly_what_can_be_had(
            now in 1_700_000_000_000_i64..1_900_000_000_000,
            back in -(3 * 24 * HOUR_MS)..80 * 24 * HOUR_MS,
            length in 1..40 * 24 * HOUR_MS,
            size in 1_u64..=48,
        ) {
            let now = Timestamp::from_millis(now);
            let from = now.millis() - back;
            let wanted = wanted(window(from, from + length), size);
            let earliest = now.minus(wanted.history);
            let latest = now.minus(wanted.freshness);
            let Some(range) = wanted.clamp(now).window else {
                // Nothing remains only if no whole hour of the range can be exported.
                let hours = wanted.range.to_hours();
                let can = hours.clamp(earliest.ceil_hour(), latest.floor_hour());
                prop_assert_eq!(can, None);
                return Ok(());
            };
            let lines = wanted.plan(range, &History::default(), Sequence::OldestFirst);
            prop_assert_eq!(lines[0].from, range.from());
            prop_assert_eq!(lines[lines.len() - 1].to, range.to());
            for pair in lines.windows(2) {
                prop_assert_eq!(pair[0].to, pair[1].from);
            }
            for line in &lines {
                prop_assert_eq!(line.from.floor_hour(), line.from);
                prop_assert_eq!(line.to.floor_hour(), line.to);
                prop_assert!(line.to.since(line.from) <= wanted.size);
                prop_assert!(line.from < line.to);
                prop_assert!(line.from >= earliest && line.to <= latest);
                prop_assert!(line.not_before <= now && line.expires_at >= now);
            }
            // The range contains every requested millisecond that can be exported.
            let asked_from = wanted.range.from().max(earliest.ceil_hour());
            let asked_to = wanted.range.to().min(latest.floor_hour());
            prop_assert!(range.from() <= asked_from && range.to() >= asked_to);
        }
    }
}
