//! Polls real-time numbers. Each poll reads the last hours again, because a bucket grows until the
//! longest call that started in it has ended. A poll writes only rows that are new or changed, and
//! one row for each bucket that has disappeared.

use std::collections::HashSet;
use std::time::Duration;

use super::args::Entry;
use super::export::{MetricsExport, Pulled, Recall};
use super::progress::{EntryProgress, OpenState, ReadUpTo, outcome};
use crate::cli::args;
use crate::cli::run::{Outcome, Report};
use crate::error::{self, Status};
use crate::export::window::Window;
use crate::time::{Timestamp, parse_duration, parse_positive_duration, show_duration};

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Polls at shorter intervals than this need `--rate`.
const SHORT: Duration = Duration::from_secs(30);

/// The flags for polling.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Polling")]
pub struct FollowArgs {
    /// How far back each poll reads. DUR should be more than the longest call plus 10 minutes.
    #[arg(long, value_name = "DUR", default_value = "2h", value_parser = parse_duration, help_heading = "Range")]
    pub span: Duration,

    /// Poll until SIGTERM or the end of --for, and write only rows that are new or changed. A
    /// bucket that the service no longer sends appears once more with "gone":true. With --state and
    /// without --follow there is one poll.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    pub follow: bool,

    /// Poll every DUR. If a poll takes longer than DUR, the polls that it misses are skipped. After
    /// a failed poll the pause doubles, up to 5 minutes. A DUR of less than 30s needs --rate.
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_positive_duration)]
    pub every: Duration,

    /// In the first poll, read from T on. This flag has no effect if the state already has a poll.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub since: Option<String>,

    /// Exit with status 0 after DUR.
    #[arg(long = "for", value_name = "DUR", requires = "follow", value_parser = parse_positive_duration)]
    pub length: Option<Duration>,
}

impl FollowArgs {
    /// Fails with status 2 if the interval is short and `--rate` is missing.
    pub fn check(&self, has_rate: bool) -> anyhow::Result<()> {
        match self.follow && self.every < SHORT && !has_rate {
            true => Err(error::usage(format!(
                "--every {}: polls closer than 30s need --rate, for example --rate 60/60s",
                show_duration(self.every)
            ))),
            false => Ok(()),
        }
    }
}

/// The result of polling so far.
#[derive(Debug)]
struct Polls {
    done: u64,
    failed: u64,
    missing: u64,
    /// Entries (category and group) that the service refused in the first poll, although it did
    /// not refuse all entries. They are not polled again.
    left_out: HashSet<String>,
    /// The worst status with which an entry in `left_out` was refused.
    refused: Status,
}

impl MetricsExport<'_, '_> {
    /// Polls once, or with `--follow` until the run is stopped.
    pub fn run_polls(
        mut self,
        entries: &[Entry],
        follow: &FollowArgs,
        mut state: OpenState,
        report: &mut Report,
    ) -> anyhow::Result<Outcome> {
        let clock = self.api.retry().clock().clone();
        let end = follow.length.map(|length| clock.now().plus(length));
        let offset = follow.every.mul_f64(self.api.retry().jitter());
        let mut polls = Polls {
            done: 0,
            failed: 0,
            missing: 0,
            left_out: HashSet::new(),
            refused: Status::Done,
        };
        let mut failures = 0_u32;
        let stopped = loop {
            let polled = self.poll(entries, follow, &mut state, &mut polls);
            polls.missing += self.forget_gaps();
            match polled {
                Ok(true) => {
                    polls.done += 1;
                    failures = 0;
                }
                Ok(false) => {
                    polls.failed += 1;
                    failures += 1;
                }
                Err(e) if is_stop(&e) => break Some(e),
                Err(e) => {
                    self.report(report);
                    return Err(e);
                }
            }
            self.report(report);
            if !follow.follow {
                break None;
            }
            let now = clock.now();
            let pause = match failures {
                0 => next_poll(now, follow.every, offset).since(now),
                _ => {
                    let doubled = follow.every.saturating_mul(1 << failures.min(16));
                    doubled.min(LONGEST_PAUSE.max(follow.every))
                }
            };
            if end.is_some_and(|end| now.plus(pause) > end) {
                let rest = end.map_or(Duration::ZERO, |end| end.since(now));
                break self.api.retry().sleep(rest).err();
            }
            if let Err(e) = self.api.retry().sleep(pause) {
                break Some(e);
            }
        };
        self.report(report);
        report.set("polls", polls.done);
        report.set("failed_polls", polls.failed);
        report.set("missing", polls.missing);
        let status = if follow.follow {
            polls.refused
        } else {
            self.status
        };
        state.finish(&mut self.commit, status, clock.now())?;
        match stopped {
            Some(e) => Err(e),
            None => Ok(outcome(status, true)),
        }
    }

    /// Requests every entry once. Returns false if an entry failed, but the run can continue. An
    /// entry that this poll adds to `left_out` does not count as failed.
    fn poll(
        &mut self,
        entries: &[Entry],
        follow: &FollowArgs,
        state: &mut OpenState,
        polls: &mut Polls,
    ) -> anyhow::Result<bool> {
        let is_first = polls.done + polls.failed == 0;
        let mut is_good = true;
        let mut refusals = Vec::new();
        let asked = entries
            .iter()
            .filter(|entry| !polls.left_out.contains(&entry.name));
        for entry in asked.collect::<Vec<_>>() {
            match self.poll_entry(entry, follow, state) {
                Ok(()) => {}
                Err(e) if follow.follow && is_first && is_refusal(&e) => refusals.push((entry, e)),
                Err(e) if is_final(&e, is_first) => return Err(e),
                Err(e) if !follow.follow => {
                    self.pass_over(e)?;
                    is_good = false;
                }
                Err(e) => {
                    log::error!("{e:#}; polling continues");
                    is_good = false;
                }
            }
        }
        // If the service refuses all entries, the first error ends the run.
        let is_all = refusals.len() == entries.len();
        for (entry, e) in refusals {
            if is_all {
                return Err(e);
            }
            log::error!("{e:#}; the others continue");
            polls.refused = polls.refused.worse(Status::of(&e));
            polls.left_out.insert(entry.name.clone());
        }
        self.publish(is_good)?;
        state.note(&mut self.commit, self.api.retry().now())?;
        Ok(is_good)
    }

    fn poll_entry(
        &mut self,
        entry: &Entry,
        follow: &FollowArgs,
        state: &mut OpenState,
    ) -> anyhow::Result<()> {
        let calendar = entry.questions[0].calendar;
        let known = state.progress.get(&entry.name);
        let seen_to = known.map(|known| known.reach.time());
        let plan = |export: &mut MetricsExport<'_, '_>| {
            let now = export.api.now();
            let from = match (seen_to, &follow.since) {
                (Some(seen_to), _) => seen_to.min(now).minus(follow.span),
                (None, Some(text)) => args::time_in("--since", text, now, calendar.zone)?,
                (None, None) => now.minus(follow.span),
            };
            let asked = Window::new(calendar.floor(from), calendar.ceil(now));
            let asked = asked.map(|asked| export.clamp(&entry.questions[0], asked));
            asked.transpose()
        };
        let refused = self.refused();
        let memory = known.map(|known| known.remembered.clone());
        let mut recall = Recall::silent(memory.unwrap_or_default());
        let (seen_to, asked) = loop {
            let now = self.api.now();
            let Some(asked) = plan(self)? else {
                return Ok(());
            };
            if self.pull(entry, asked, &plan, Some(&mut recall))? == Pulled::Whole {
                break (now, asked);
            }
        };
        if self.refused() != refused {
            return Err(error::refused(format!(
                "{}: a metric was refused",
                entry.name
            )));
        }
        self.write_gone(entry, asked, &mut recall)?;
        recall
            .memory
            .forget_before(calendar.floor(seen_to.minus(follow.span)));
        let progress = EntryProgress {
            reach: ReadUpTo::SeenTo(seen_to),
            as_of: self.api.now(),
            remembered: recall.memory,
        };
        state.progress.insert(entry.name.clone(), progress);
        Ok(())
    }
}

/// The time of the next poll after `now`. It is a multiple of `every`, plus `offset`. Because of
/// the offset, many programs do not poll at the same moment.
fn next_poll(now: Timestamp, every: Duration, offset: Duration) -> Timestamp {
    let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
    let offset = i64::try_from(offset.as_millis()).unwrap_or_default();
    let turn = (now.millis() - offset).div_euclid(every) + 1;
    Timestamp::from_millis(turn.saturating_mul(every).saturating_add(offset))
}

/// Whether the service refused only one group and category, so that the other groups and categories
/// can continue.
fn is_refusal(e: &anyhow::Error) -> bool {
    error::is_narrow(e) && matches!(Status::of(e), Status::Refused | Status::Auth)
}

/// Whether an error ends the run instead of only one poll: a failure of this machine, a reader that
/// is gone, or a refusal in the first poll, for example of a wrong name.
fn is_final(e: &anyhow::Error, is_first: bool) -> bool {
    match Status::of(e) {
        Status::Refused | Status::Auth => is_first,
        Status::TryLater | Status::BadInput => false,
        _ => true,
    }
}

fn is_stop(e: &anyhow::Error) -> bool {
    matches!(Status::of(e), Status::Interrupted | Status::Terminated)
}
