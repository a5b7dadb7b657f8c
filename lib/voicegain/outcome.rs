//! How a run ended, for a person on stderr and for a program in the report.

use std::time::Duration;

use serde_json::json;

use super::export::CallExport;
use super::progress::Unfinished;
use super::stuck::WalkEnd;
use crate::cli::run::Report;
use crate::time::show_duration;

/// A call that blocks for less is what every busy account has.
const USUAL: Duration = Duration::from_secs(3600);

impl CallExport<'_> {
    pub(super) fn describe(&self, call: &Unfinished) -> String {
        let now = self.api.retry().now();
        let began = match call.start {
            Some(start) => format!("began {} ago", shown(now.since(start))),
            None => "of unknown age".to_owned(),
        };
        let since = call.since.rfc3339_seconds();
        let phase = &call.phase;
        format!(
            "call {} ({phase}, {began}, blocks since {since})",
            call.call_id
        )
    }

    /// Says why the walk ended; whether it is stalled.
    pub(super) fn say_ending(&self) -> bool {
        let now = self.api.retry().now();
        match &self.ending {
            WalkEnd::CaughtUp => log::info!("caught up with call {}", self.progress.cursor),
            WalkEnd::Unclear(why) => {
                log::warn!("no more calls after {}: {why}", self.progress.cursor)
            }
            WalkEnd::Moving => {}
            WalkEnd::Blocked(call) => {
                let text = format!("blocked by {}", self.describe(call));
                let age = call.age(now);
                if self.options.stall_after.is_some_and(|limit| age > limit) {
                    log::error!(
                        "{text}: nothing behind it can be exported; --skip-blocked-after goes past it"
                    );
                    return true;
                }
                match age > USUAL {
                    true => log::warn!("{text}"),
                    false => log::info!("{text}"),
                }
            }
        }
        for call in &self.progress.pending {
            log::info!("still not finished: {}", self.describe(call));
        }
        false
    }

    pub(super) fn report(&self, report: &mut Report) {
        let now = self.api.retry().now();
        let facts = |call: &Unfinished| {
            json!({
                "call_id": call.call_id,
                "phase": call.phase,
                "start": call.start,
                "since": call.since,
                "age_seconds": call.age(now).as_secs(),
            })
        };
        let counts = &self.counts;
        let span = counts.span;
        report.set("calls", self.sink.count);
        report.set("pages", counts.pages);
        report.set("requests", self.api.client().requests());
        report.set("cursor", self.progress.cursor);
        report.set("late", counts.late);
        report.set("changed", counts.changed);
        report.set("noted", counts.noted);
        report.set("skipped", counts.skipped);
        report.set("gone", counts.gone);
        report.set("first_time", span.map(|span| span.0.rfc3339()));
        report.set("last_time", span.map(|span| span.1.rfc3339()));
        let word = match &self.ending {
            WalkEnd::CaughtUp => "caught-up",
            WalkEnd::Blocked(_) => "blocked",
            WalkEnd::Moving | WalkEnd::Unclear(_) => "unclear",
        };
        report.set("ended", word);
        report.set(
            "blocked_by",
            match &self.ending {
                WalkEnd::Blocked(call) => Some(facts(call)),
                _ => None,
            },
        );
        let pending: Vec<_> = self.progress.pending.iter().map(facts).collect();
        report.set("pending", pending);
        if let Some(recordings) = &self.recordings {
            recordings.report(report);
        }
    }
}

fn shown(length: Duration) -> String {
    let unit = match length.as_secs() {
        0..3600 => 1,
        3600..86_400 => 60,
        _ => 3600,
    };
    show_duration(Duration::from_secs(length.as_secs() / unit * unit))
}
