//! Finds the hours for which a batch export is needed, to add missing records or to prove that none
//! are missing: hours in which pushes were not accepted or were refused, and the hours of the daily
//! audit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::export::window::Window;
use crate::ocp::export_request::{covers, is_all};
use crate::ocp::plan::{MAX_WINDOW, PlannedExport};
use crate::os::path_segment::safe;
use crate::receive::store::coverage_rows::{CoverageRow, Use};
use crate::receive::store::reconciled::AuditedHour;
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The coverage (when pushes were accepted) is written every minute. So a hole in the coverage that
/// is longer than this is an outage.
const HOLE: Duration = Duration::from_secs(120);

/// How old data must be before it can be exported, and how late records can arrive.
const FRESHNESS: Duration = Duration::from_secs(2 * 3600);

/// The vendor repeats the pushes of an outage that was shorter than a day. An export waits this
/// long after such an outage, so that these pushes arrive first.
const REPAIR: Duration = Duration::from_secs(6 * 3600);

/// How long data can be exported, and the age at which an hour that was never audited gets a
/// warning.
const HISTORY: Duration = Duration::from_secs(60 * 86_400);
const HIGH_TIME: Duration = Duration::from_secs(50 * 86_400);

/// The reason for an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GapReason {
    /// No receiver accepted pushes.
    Down,
    /// The receiver refused some pushes.
    Limited,
    /// The daily audit.
    Audit,
}

/// An export request as `export-plan windows` prints it, with its reason.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GapWindow {
    #[serde(flatten)]
    pub(crate) export: PlannedExport,
    pub(crate) reason: GapReason,
}

/// The options for finding windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GapSpec {
    pub(crate) now: Timestamp,
    /// The duration of the longest call: a record has the start time of the call, but arrives at
    /// its end.
    pub(crate) max_call: Duration,
    /// Whether to export yesterday even if no push was missed.
    pub(crate) audits_daily: bool,
}

/// What a receiver's directory says about missed pushes and exported hours.
#[derive(Debug)]
pub(crate) struct GapFacts {
    pub(crate) coverage: Vec<CoverageRow>,
    pub(crate) uses: Vec<Use>,
    pub(crate) audited: Vec<AuditedHour>,
}

/// A time range to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    window: Window,
    /// The earliest time of the export. The export also waits until [`FRESHNESS`] after the end of
    /// its window.
    not_before: Timestamp,
}

impl GapFacts {
    /// The windows to export, sorted by group and time. A window that was already audited is left
    /// out.
    pub(crate) fn windows(&self, spec: GapSpec) -> Vec<GapWindow> {
        let mut lines = Vec::new();
        for (group, types) in self.groups() {
            let mut claimed: Vec<Window> = Vec::new();
            for reason in [GapReason::Down, GapReason::Limited, GapReason::Audit] {
                for stretch in self.stretches(reason, spec) {
                    let earliest = spec.now.minus(HISTORY).ceil_hour();
                    let Some(window) =
                        Window::new(stretch.window.from().max(earliest), stretch.window.to())
                    else {
                        continue;
                    };
                    let parts = window.gaps(&claimed);
                    for part in parts.into_iter().flat_map(|part| part.cut(MAX_WINDOW)) {
                        claimed.push(part);
                        let export = PlannedExport {
                            group: group.clone(),
                            types: types.clone(),
                            from: part.from(),
                            to: part.to(),
                            not_before: part.to().plus(FRESHNESS).max(stretch.not_before),
                            expires_at: part.from().plus(HISTORY),
                        };
                        if !self.is_audited(&export) {
                            lines.push(GapWindow { export, reason });
                        }
                    }
                }
            }
        }
        lines.sort_by_key(|line| (line.export.group.clone(), line.export.from));
        lines
    }

    /// Finds hours that were never audited and can be exported for less than ten more days.
    /// Returns, for each path with such hours: the path, the number of these hours, and the first
    /// of them.
    pub(crate) fn overdue(&self, now: Timestamp) -> Vec<(String, usize, Timestamp)> {
        let mut overdue = Vec::new();
        for (path, first) in self.paths() {
            let Some((group, kind)) = path.rsplit_once('/') else {
                continue;
            };
            let from = first.floor_hour().max(now.minus(HISTORY).ceil_hour());
            let Some(window) = Window::new(from, now.minus(HIGH_TIME).floor_hour()) else {
                continue;
            };
            let is_missing = |hour: &Window| self.audited_at(group, kind, hour.from()).is_none();
            let missing: Vec<Window> = window.cut(HOUR).filter(is_missing).collect();
            if let Some(first) = missing.first() {
                overdue.push((path.to_owned(), missing.len(), first.from()));
            }
        }
        overdue
    }

    /// Every path with the time of its first push.
    fn paths(&self) -> BTreeMap<&str, Timestamp> {
        let mut paths: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for one in self.uses.iter().filter(|one| one.pushes > 0) {
            let first = paths.entry(&one.path).or_insert(one.first);
            *first = one.first.min(*first);
        }
        paths
    }

    /// The types that were ever pushed, by group.
    fn groups(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in self.paths().keys() {
            if let Some((group, kind)) = path.rsplit_once('/') {
                groups
                    .entry(group.to_owned())
                    .or_default()
                    .insert(kind.to_owned());
            }
        }
        groups
    }

    fn stretches(&self, reason: GapReason, spec: GapSpec) -> Vec<Stretch> {
        let outages = match reason {
            GapReason::Down => self.down(spec.now),
            GapReason::Limited => self.limited(),
            GapReason::Audit if spec.audits_daily => {
                let today = spec.now.floor_day();
                let yesterday = Window::new(today.minus(DAY), today);
                let stretches = yesterday.into_iter().map(|window| Stretch {
                    window,
                    not_before: window.from(),
                });
                return stretches.collect();
            }
            GapReason::Audit => return Vec::new(),
        };
        let mut stretches: Vec<Stretch> = Vec::new();
        for outage in outages {
            let is_repaired = outage.to().since(outage.from()) < DAY;
            let repair = if is_repaired { REPAIR } else { Duration::ZERO };
            let Some(window) = Window::new(
                outage.from().minus(spec.max_call).floor_hour(),
                outage.to().plus(FRESHNESS).ceil_hour(),
            ) else {
                continue;
            };
            let not_before = outage.to().plus(repair);
            match stretches.last_mut() {
                Some(last) if window.from() <= last.window.to() => {
                    last.window = last.window.span(window);
                    last.not_before = last.not_before.max(not_before);
                }
                _ => stretches.push(Stretch { window, not_before }),
            }
        }
        stretches
    }

    /// The time ranges in which no instance accepted pushes.
    fn down(&self, now: Timestamp) -> Vec<Window> {
        let mut taking: Vec<(Timestamp, Timestamp)> = self
            .coverage
            .iter()
            .filter(|row| row.state != "down")
            .map(|row| (row.from, row.to))
            .collect();
        taking.sort_unstable();
        let Some((first, _)) = taking.first().copied() else {
            return Vec::new();
        };
        taking.push((now, now));
        let mut holes = Vec::new();
        let mut end = first;
        for (from, to) in taking {
            if from.since(end) > HOLE {
                holes.extend(Window::new(end, from));
            }
            end = end.max(to);
        }
        holes
    }

    fn limited(&self) -> Vec<Window> {
        let rows = self.coverage.iter().filter(|row| row.state == "limited");
        let mut found: Vec<Window> = rows
            .filter_map(|row| Window::new(row.from, row.to.max(row.from.plus(HOLE))))
            .collect();
        found.sort_unstable();
        found
    }

    /// Whether every hour and type of an export was audited after all records of the export were
    /// available.
    fn is_audited(&self, export: &PlannedExport) -> bool {
        let Some(window) = Window::new(export.from, export.to) else {
            return true;
        };
        let mut hours = window.cut(HOUR);
        hours.all(|hour| {
            export.types.iter().all(|kind| {
                self.audited_at(&export.group, kind, hour.from())
                    .is_some_and(|at| at >= export.not_before)
            })
        })
    }

    /// When an hour of a group and type was last audited; `None` if never.
    fn audited_at(&self, group: &str, kind: &str, hour: Timestamp) -> Option<Timestamp> {
        let group = safe(group);
        let is_it = |one: &&AuditedHour| {
            one.hour == hour
                && is_of(&one.kind, kind)
                && (one.group == group || one.group.is_empty())
        };
        self.audited.iter().filter(is_it).map(|one| one.at).max()
    }
}

/// Whether an export of the type `exported` contains the records of `kind`. The type `ALL` contains
/// all types of dialog records.
fn is_of(exported: &str, kind: &str) -> bool {
    exported == kind || is_all(exported) && covers(&[exported.to_owned()].into(), kind)
}

/// The time `count` hours after a fixed time, for tests.
#[cfg(test)]
const fn hours(count: i64) -> Timestamp {
    Timestamp::from_millis(1_793_491_200_000 + count * crate::time::HOUR_MS)
}

#[cfg(test)]
mod tests;
