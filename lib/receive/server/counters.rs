//! Counts events for the metrics and the status page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use crate::os::mutex::lock;
use crate::time::Timestamp;

/// The most paths that have counts of their own in the metrics, so that memory is limited. All
/// other paths are counted together.
const MOST_PATHS: usize = 1000;

/// Requests are counted under this name if they have no valid client or the client may not use
/// their path, or if their path is new and [`MOST_PATHS`] paths are counted already.
const OTHER: &str = "";

/// The borders of the histograms, in milliseconds.
pub(crate) const BORDERS_MS: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000, 2500, 8000];

/// The durations of an operation, as a histogram.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    pub(crate) counts: [u64; BORDERS_MS.len() + 1],
    pub(crate) sum: Duration,
}

impl Durations {
    fn count(&mut self, took: Duration) {
        let place = BORDERS_MS
            .iter()
            .position(|border| took <= Duration::from_millis(*border));
        self.counts[place.unwrap_or(BORDERS_MS.len())] += 1;
        self.sum += took;
    }
}

/// The activity of one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamActivity {
    /// The number of requests by the name of their result.
    pub(crate) results: BTreeMap<&'static str, u64>,
    /// When the last push was accepted.
    pub(crate) last: Option<Timestamp>,
    /// The start of the time without a push. For a path of an earlier run, this can be later than
    /// the last push, so that the time in which no receiver ran does not count.
    silent_since: Option<Timestamp>,
    /// The minute of the last accepted push, the number of pushes accepted in that minute, and the
    /// number in the minute before.
    minute: (i64, u64, u64),
}

impl StreamActivity {
    /// The number of pushes accepted in the last whole minute.
    pub(crate) fn in_last_minute(&self, now: Timestamp) -> u64 {
        let this = now.millis().div_euclid(60_000);
        match this - self.minute.0 {
            0 => self.minute.2,
            1 => self.minute.1,
            _ => 0,
        }
    }

    /// The number of accepted pushes, and of refused requests.
    pub(crate) fn taken_and_refused(&self) -> (u64, u64) {
        let taken = self.results.get("ok").copied().unwrap_or_default();
        let all: u64 = self.results.values().sum();
        (taken, all - taken)
    }

    fn take(&mut self, now: Timestamp) {
        self.last = Some(now);
        self.silent_since = Some(now);
        let this = now.millis().div_euclid(60_000);
        let before = match this - self.minute.0 {
            0 => self.minute.2,
            1 => self.minute.1,
            _ => 0,
        };
        let count = match this == self.minute.0 {
            true => self.minute.1 + 1,
            false => 1,
        };
        self.minute = (this, count, before);
    }
}

#[derive(Debug, Default)]
struct ReceiveCounts {
    streams: BTreeMap<String, StreamActivity>,
    commit: Durations,
    reply: Durations,
    silent: BTreeSet<String>,
}

/// A copy of all counts.
#[derive(Clone, Debug)]
pub(crate) struct CountersNow {
    pub(crate) streams: BTreeMap<String, StreamActivity>,
    pub(crate) commit: Durations,
    pub(crate) reply: Durations,
}

/// A path that received pushes in earlier runs.
#[derive(Clone, Debug)]
pub(crate) struct EarlierStream {
    pub(crate) path: String,
    pub(crate) last: Timestamp,
    /// The part of the time since `last` in which a receiver accepted pushes.
    pub(crate) listened: Duration,
}

/// The counts of one process.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<ReceiveCounts>);

impl Counters {
    /// The counts of a process that starts at `now`, with the paths of earlier runs.
    pub(crate) fn after(earlier: Vec<EarlierStream>, now: Timestamp) -> Counters {
        let activity = |one: EarlierStream| {
            let activity = StreamActivity {
                last: Some(one.last),
                silent_since: Some(now.minus(one.listened)),
                ..StreamActivity::default()
            };
            (one.path, activity)
        };
        Counters(Mutex::new(ReceiveCounts {
            streams: earlier.into_iter().map(activity).collect(),
            ..ReceiveCounts::default()
        }))
    }

    /// Counts an answered request. `stream` is the path of the callback, if the client may use it.
    pub(crate) fn answered(
        &self,
        stream: Option<&str>,
        result: &'static str,
        took: Duration,
        now: Timestamp,
    ) {
        let mut counts = lock(&self.0);
        counts.reply.count(took);
        let stream = stream.unwrap_or(OTHER);
        let is_known = counts.streams.contains_key(stream);
        let stream = match is_known || counts.streams.len() < MOST_PATHS {
            true => stream,
            false => OTHER,
        };
        // `entry` would copy the name at each push.
        if !counts.streams.contains_key(stream) {
            let name = stream.to_owned();
            counts.streams.insert(name, StreamActivity::default());
        }
        if let Some(activity) = counts.streams.get_mut(stream) {
            *activity.results.entry(result).or_default() += 1;
            if result == "ok" {
                activity.take(now);
                counts.silent.remove(stream);
            }
        }
    }

    /// Counts data that was not a request.
    pub(crate) fn malformed(&self) {
        let mut counts = lock(&self.0);
        let activity = counts.streams.entry(OTHER.to_owned()).or_default();
        *activity.results.entry("malformed").or_default() += 1;
    }

    /// Counts the duration of a commit.
    pub(crate) fn committed(&self, took: Duration) {
        lock(&self.0).commit.count(took);
    }

    /// The paths that had no push for the time `silence`. A path that was returned is returned
    /// again only if a push has arrived in between.
    pub(crate) fn newly_silent(&self, silence: Duration, now: Timestamp) -> Vec<String> {
        let mut counts = lock(&self.0);
        let is_silent = |activity: &StreamActivity| {
            let since = activity.silent_since;
            since.is_some_and(|since| now.since(since) >= silence)
        };
        let silent: Vec<String> = counts
            .streams
            .iter()
            .filter(|(name, activity)| is_silent(activity) && !counts.silent.contains(*name))
            .map(|(name, _)| name.clone())
            .collect();
        counts.silent.extend(silent.iter().cloned());
        silent
    }

    /// A copy of all counts.
    pub(crate) fn now(&self) -> CountersNow {
        let counts = lock(&self.0);
        CountersNow {
            streams: counts.streams.clone(),
            commit: counts.commit.clone(),
            reply: counts.reply.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn r24_one_silent_path_is_told_once_until_it_speaks() {
        let counters = Counters::default();
        let start = Timestamp::from_millis(1_795_176_000_000);
        let push = |stream, now| counters.answered(Some(stream), "ok", Duration::ZERO, now);
        push("g/a", start);
        push("g/b", start);
        let later = start.plus(MINUTE * 30);
        push("g/b", later);
        assert_eq!(counters.newly_silent(MINUTE * 30, later), ["g/a"]);
        assert!(counters.newly_silent(MINUTE * 30, later).is_empty());
        push("g/a", later);
        let later = later.plus(MINUTE * 30);
        assert_eq!(counters.newly_silent(MINUTE * 30, later), ["g/a", "g/b"]);
    }

    #[test]
    fn r24_a_path_of_an_earlier_run_is_silent_when_nothing_comes() {
        let start = Timestamp::from_millis(1_795_176_000_000);
        let earlier = EarlierStream {
            path: "g/a".to_owned(),
            last: start.minus(MINUTE * 600),
            listened: MINUTE * 20,
        };
        let counters = Counters::after(vec![earlier], start);
        assert!(counters.newly_silent(MINUTE * 30, start).is_empty());
        let later = start.plus(MINUTE * 10);
        assert_eq!(counters.newly_silent(MINUTE * 30, later), ["g/a"]);
    }

    #[test]
    fn paths_beyond_the_limit_are_counted_together() {
        let counters = Counters::default();
        let now = Timestamp::from_millis(1_795_176_000_000);
        for number in 0..MOST_PATHS + 3 {
            let path = format!("g/{number}");
            counters.answered(Some(&path), "unauthorized", Duration::ZERO, now);
        }
        counters.malformed();
        let streams = counters.now().streams;
        assert_eq!(streams.len(), MOST_PATHS + 1);
        assert_eq!(streams[OTHER].results["unauthorized"], 3);
        assert_eq!(streams[OTHER].results["malformed"], 1);
    }

    #[test]
    fn pushes_are_counted_by_the_minute() {
        let counters = Counters::default();
        let start = Timestamp::from_millis(1_795_176_000_000);
        for _ in 0..3 {
            counters.answered(Some("g/a"), "ok", Duration::ZERO, start);
        }
        let rate = |now| counters.now().streams["g/a"].in_last_minute(now);
        assert_eq!(rate(start), 0);
        assert_eq!(rate(start.plus(MINUTE)), 3);
        assert_eq!(rate(start.plus(MINUTE * 2)), 0);
    }
}
