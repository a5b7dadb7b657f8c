//! Reports how a run ended: as a message on stderr, and in the report.

use std::time::Duration;

use serde_json::{Value, json};

use super::progress::{CallProgress, Unfinished};
use super::stuck::WalkEnd;
use crate::cli::run::Report;
use crate::time::{Timestamp, show_duration};

/// If a call younger than this blocks the export, there is no warning: in a busy account this is
/// normal.
const USUAL: Duration = Duration::from_secs(3600);

/// The counts of a run.
#[derive(Debug, Default)]
pub(super) struct CallCounts {
    pub(super) pages: u64,
    pub(super) late: u64,
    pub(super) gone: u64,
    pub(super) skipped: u64,
    pub(super) changed: u64,
    pub(super) noted: u64,
    span: Option<(Timestamp, Timestamp)>,
}

impl CallCounts {
    /// Adds the start of a call to the time span of the exported calls.
    pub(super) fn add_time(&mut self, start: Option<Timestamp>) {
        if let Some(start) = start {
            let (first, last) = self.span.unwrap_or((start, start));
            self.span = Some((first.min(start), last.max(start)));
        }
    }

    pub(super) fn report(&self, report: &mut Report) {
        report.set("pages", self.pages);
        report.set("late", self.late);
        report.set("changed", self.changed);
        report.set("noted", self.noted);
        report.set("skipped", self.skipped);
        report.set("gone", self.gone);
        report.set("first_time", self.span.map(|span| span.0.rfc3339()));
        report.set("last_time", self.span.map(|span| span.1.rfc3339()));
    }
}

/// Describes an unfinished call in a message.
pub(super) fn describe(call: &Unfinished, now: Timestamp) -> String {
    let began = match call.start {
        Some(start) => format!("began {} ago", shown(now.since(start))),
        None => "of unknown age".to_owned(),
    };
    let since = call.since.rfc3339_seconds();
    let phase = &call.phase;
    format!(
        "call {} ({phase}, {began}, blocking since {since})",
        call.call_id
    )
}

/// Logs why there are no more calls. True if the call that blocks is older than `stall_after`.
pub(super) fn say_end(
    end: &WalkEnd,
    progress: &CallProgress,
    stall_after: Option<Duration>,
    now: Timestamp,
) -> bool {
    match end {
        WalkEnd::CaughtUp => log::info!("caught up with call {}", progress.cursor),
        WalkEnd::Unclear(why) => log::warn!("no more calls after {}: {why}", progress.cursor),
        WalkEnd::Moving => {}
        WalkEnd::Blocked(call) => {
            let text = format!("blocked by {}", describe(call, now));
            let age = call.age(now);
            if stall_after.is_some_and(|limit| age > limit) {
                log::error!(
                    "{text}: no later call can be exported; --skip-blocked-after skips this call"
                );
                return true;
            }
            match age > USUAL {
                true => log::warn!("{text}"),
                false => log::info!("{text}"),
            }
        }
    }
    for call in &progress.pending {
        log::info!("still not finished: {}", describe(call, now));
    }
    false
}

/// Adds the position, and how the run ended, to the report.
pub(super) fn report(report: &mut Report, end: &WalkEnd, progress: &CallProgress, now: Timestamp) {
    let facts = |call: &Unfinished| {
        json!({
            "call_id": call.call_id,
            "phase": call.phase,
            "start": call.start,
            "since": call.since,
            "age_seconds": call.age(now).as_secs(),
        })
    };
    let (word, blocked_by) = match end {
        WalkEnd::CaughtUp => ("caught-up", None),
        WalkEnd::Blocked(call) => ("blocked", Some(facts(call))),
        WalkEnd::Moving | WalkEnd::Unclear(_) => ("unclear", None),
    };
    let pending: Vec<Value> = progress.pending.iter().map(facts).collect();
    report.set("cursor", progress.cursor);
    report.set("ended", word);
    report.set("blocked_by", blocked_by);
    report.set("pending", pending);
}

fn shown(length: Duration) -> String {
    let unit = match length.as_secs() {
        0..3600 => 1,
        3600..86_400 => 60,
        _ => 3600,
    };
    show_duration(Duration::from_secs(length.as_secs() / unit * unit))
}
