//! Outages at random, each filled from batch: in the end the lake has what the vendor has,
//! each record once.
//!
//! `CALLPIPE_SEEDS=FROM..TO` tries other seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::served::{Place, Served};
use crate::harness::shell;
use crate::pusher::canonical::canonical;
use crate::pusher::{Habits, Load, Pusher, Shape};
use crate::sim::prng::Prng;
use crate::sim::subscriptions::Feed;
use crate::sim::truth::{EmptyHours, Truth};
use crate::sim::{Config, Sim};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// How many hours ago the records begin and end.
const OLDEST: i64 = 90;
const NEWEST: i64 = 8;

const TYPES: [&str; 2] = ["dialog_start", "dialog_end"];

/// Receivers run for some seconds; this sets what they noted of coverage to the time that the
/// test plays. A time without an outage lasts until `stop`.
const SET_COVERAGE: &str = "
import sqlite3, sys
path, start, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
database = sqlite3.connect(path, timeout=30)
with database:
    (last,) = database.execute('SELECT coalesce(max(id), 0) FROM coverage WHERE clock_jump = -1').fetchone()
    database.execute('''UPDATE coverage SET clock_jump = -1, stop = ?2,
        start = CASE state WHEN 'down' THEN ?2 ELSE ?1 END WHERE id > ?3''', (start, stop, last))
";

/// What brings windows into the lake, between two rounds and at the end.
const FILL: &str = "
set -o pipefail
$WINDOWS | export-fetch --out-dir $ZIPS --rate 50/1s --poll 20ms |
    unzip-jsonl --with-source | ocp-receive reconcile --dir ocp";

/// A record, and when the vendor pushes it first.
#[derive(Clone)]
struct Arrival {
    at: i64,
    kind: &'static str,
    record: String,
}

/// What happens to the receiver in a span of time.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Stopped,
    Killed,
    /// It runs, and refuses all.
    Refuses,
    /// It runs until the end.
    Stays,
}

struct Story {
    seed: u64,
    dice: Prng,
    sim: Sim,
    place: Place,
    /// The records of the vendor, in the order in which they are pushed.
    arrivals: Vec<Arrival>,
    /// Pushed without success, for the vendor's repair.
    dropped: Vec<Arrival>,
    now: i64,
}

/// The seeds in the environment, or these.
pub fn seeds(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("CALLPIPE_SEEDS") else {
        return usual;
    };
    let (from, to) = text.split_once("..").expect("CALLPIPE_SEEDS=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

fn shown(millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis).unwrap();
    time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn gaps(now: i64) -> String {
    format!("ocp-receive gaps --dir ocp --now {}", shown(now))
}

fn feeds(served: &Served) -> [Feed; 2] {
    TYPES.map(|kind| served.feed(kind))
}

fn loads(feeds: &[Feed; 2], arrivals: &[Arrival]) -> Vec<Load> {
    let feed = |kind| feeds.iter().find(|feed| feed.settings.message_type == kind);
    let loads = arrivals.chunk_by(|a, b| a.kind == b.kind).map(|same| Load {
        feed: feed(same[0].kind).unwrap().clone(),
        records: same.iter().map(|one| one.record.clone()).collect(),
    });
    loads.collect()
}

impl Story {
    fn new(seed: u64) -> Story {
        let mut dice = Prng::seeded(&["outages", &seed.to_string()]);
        let now = Utc::now();
        let sim = Sim::start(Config {
            now,
            processing: vec![Duration::from_millis(10)],
            zip_limit: 1000,
            truth: Truth {
                records: 1,
                files: 1,
                recordings: 0,
                empty_hours: EmptyHours::Some,
            },
            ..Config::default()
        });
        let sim = sim.expect("a free port");
        let hour = |back: i64| {
            let time = now - TimeDelta::hours(back);
            time.format("%Y-%m-%dT%H:00:00Z").to_string()
        };
        let mut arrivals = Vec::new();
        for kind in TYPES {
            for record in sim.truth("acme", &[kind], &hour(OLDEST), &hour(NEWEST)) {
                let value: serde_json::Value = serde_json::from_str(&record).unwrap();
                let longest = if kind == "dialog_end" {
                    4 * HOUR
                } else {
                    MINUTE
                };
                let at = value["time"].as_i64().unwrap() + dice.below(longest as u64) as i64;
                arrivals.push(Arrival { at, kind, record });
            }
        }
        arrivals.sort_by_key(|one| one.at);
        Story {
            seed,
            dice,
            sim,
            place: Place::new(),
            arrivals,
            dropped: Vec::new(),
            now: now.timestamp_millis(),
        }
    }

    /// Spans in which the receiver runs, with outages between them. All outages are longer
    /// than the two minutes that are none, and end so early that batch has everything.
    fn spans(&mut self) -> Vec<(Range<i64>, Fate)> {
        let mut start = self.arrivals[0].at;
        let latest = self.now - 14 * HOUR;
        let mut spans = Vec::new();
        loop {
            let stop = start + (1 + self.dice.below(16 * 60) as i64) * MINUTE;
            let outage = match self.dice.below(4) {
                0 => 3 + self.dice.below(10) as i64,
                1 => self.dice.below(30 * 60) as i64 + 3,
                _ => self.dice.below(8 * 60) as i64 + 3,
            };
            let next = stop + outage * MINUTE;
            if next > latest {
                spans.push((start..self.now, Fate::Stays));
                return spans;
            }
            // What was never pushed to has no gaps.
            let fate = match self.dice.below(4) {
                0 if !spans.is_empty() => Fate::Refuses,
                1 => Fate::Stopped,
                _ => Fate::Killed,
            };
            spans.push((start..stop, fate));
            start = next;
        }
    }

    /// What arrives in a span, in its order.
    fn arriving(&self, span: &Range<i64>) -> Vec<Arrival> {
        let in_span = |one: &&Arrival| span.contains(&one.at);
        self.arrivals.iter().filter(in_span).cloned().collect()
    }

    /// Pushes what arrives in a span; when the receiver was last seen to take everything.
    fn push(&mut self, feeds: &[Feed; 2], span: &Range<i64>, killed: bool) -> i64 {
        let arriving = self.arriving(span);
        let mut habits = Habits {
            connections: 1,
            repeats: 20,
            shapes: vec![Shape::Envelope, Shape::Array, Shape::Lines],
            ..Habits::seeded(&format!("{} {}", self.seed, span.start))
        };
        if killed {
            let pusher = Arc::new(Pusher::new(habits));
            let account = pusher.run(&loads(feeds, &arriving));
            let dropped: BTreeSet<&String> = account
                .dropped
                .iter()
                .flat_map(|load| &load.records)
                .collect();
            let lost: Vec<Arrival> = arriving
                .into_iter()
                .filter(|one| dropped.contains(&one.record))
                .collect();
            let seen = lost.first().map_or(span.end, |one| one.at);
            self.dropped.extend(lost);
            return seen;
        }
        // The vendor repairs beside what is new: some of what it could not push in a day.
        let mut repaired = Vec::new();
        self.dropped.retain(|one| {
            let comes = one.at > span.start - 24 * HOUR && self.dice.below(2) == 0;
            if comes {
                repaired.push(one.clone());
            }
            !comes
        });
        (habits.cuts, habits.connections) = (15, 4);
        let pusher = Arc::new(Pusher::new(habits));
        let account = pusher.run_beside(&loads(feeds, &arriving), &loads(feeds, &repaired));
        let left = pusher.repair(account.dropped, 30);
        assert!(left.dropped.is_empty(), "seed {}", self.seed);
        span.end
    }

    fn set_coverage(&self, span: Range<i64>) {
        let ran = Command::new("python3")
            .args(["-c", SET_COVERAGE])
            .arg(self.place.path("ocp/receive.db"))
            .args([span.start.to_string(), span.end.to_string()])
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }

    /// One span; the receiver if it stays.
    fn live(&mut self, span: Range<i64>, fate: Fate) -> Option<Served> {
        // While it is down another program may take the port.
        self.place.port = 0;
        if fate == Fate::Refuses {
            let served = self.place.refuse();
            let arriving = self.arriving(&span);
            let pusher = Arc::new(Pusher::new(Habits::seeded("refused")));
            let account = pusher.run(&loads(&feeds(&served), &arriving));
            assert!(account.delivered.is_empty(), "seed {}", self.seed);
            self.dropped.extend(arriving);
            served.stop();
            self.set_coverage(span);
            return None;
        }
        let served = self.place.serve();
        if fate == Fate::Killed {
            let wait = Duration::from_millis(self.dice.below(150));
            let feeds = feeds(&served);
            let first = &self.arrivals[..1];
            if span.start == first[0].at {
                // The first receiver lives until it has acknowledged a push: coverage begins
                // with it, and before it there are no gaps.
                let pusher = Arc::new(Pusher::new(Habits::seeded("first")));
                let account = pusher.run(&loads(&feeds, first));
                assert!(account.dropped.is_empty(), "seed {}", self.seed);
            }
            let killing = thread::spawn(move || {
                thread::sleep(wait);
                served.kill();
            });
            let seen = self.push(&feeds, &span, true);
            killing.join().unwrap();
            self.set_coverage(span.start..seen.max(span.start));
            return None;
        }
        self.push(&feeds(&served), &span, false);
        if fate == Fate::Stopped {
            served.stop();
            self.set_coverage(span);
            return None;
        }
        self.set_coverage(span);
        Some(served)
    }

    /// Fills what is known to be missing at a time.
    fn fill(&self, now: i64) {
        self.reconcile(&gaps(now), "zips");
    }

    /// Compares windows with the lake; what reconcile printed.
    fn reconcile(&self, windows: &str, zips: &str) -> String {
        let ran = shell(FILL)
            .dir(self.place.dir.path())
            .env("WINDOWS", windows)
            .env("ZIPS", zips)
            .env("OCP_API_URL", self.sim.url())
            .env("OCP_IAM_URL", self.sim.url())
            .env("OCP_USERNAME", "demo")
            .env("OCP_PASSWORD", "demo-password")
            .env("XDG_CACHE_HOME", self.place.path("cache"))
            .run();
        assert_eq!(ran.status(), 0, "seed {}: {}", self.seed, ran.stderr());
        ran.stdout()
    }

    /// The missing ones of the records that arrived.
    fn missing(&self) -> Vec<String> {
        let lake = self.place.lake();
        let lacking = self
            .arrivals
            .iter()
            .filter(|one| !lake.contains_key(&canonical(&one.record)));
        lacking
            .map(|one| format!("{} {}", one.kind, shown(one.at)))
            .collect()
    }

    fn check(&self, when: &str) {
        let seed = self.seed;
        // A receiver that runs publishes what it took within a fifth of a second; at most it
        // waits for its turn on a busy machine.
        for _ in 0..200 {
            if self.missing().is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let lake = self.place.lake();
        let twice: Vec<&String> = lake
            .iter()
            .filter(|(_, count)| **count > 1)
            .map(|(record, _)| record)
            .collect();
        assert!(
            twice.is_empty(),
            "seed {seed}, {when}: there more than once: {twice:?}"
        );
        let missing = self.missing();
        assert!(
            missing.is_empty(),
            "seed {seed}, {when}: missing: {missing:?}"
        );
        let from = shown(self.now - 10 * 24 * HOUR);
        let all = self.sim.truth("acme", &TYPES, &from, &shown(self.now));
        let all: BTreeMap<String, ()> = all.iter().map(|record| (canonical(record), ())).collect();
        assert!(
            lake.keys().all(|record| all.contains_key(record)),
            "seed {seed}, {when}: a record that never was"
        );
    }
}

fn tell(seed: u64) {
    let mut story = Story::new(seed);
    let spans = story.spans();
    let middle = story.dice.below(spans.len() as u64) as usize;
    let mut stays = None;
    for (at, (span, fate)) in spans.into_iter().enumerate() {
        let end = span.end;
        stays = story.live(span, fate);
        // Some is filled before the next outage.
        if at == middle {
            story.fill(end);
        }
    }
    let served = stays.expect("the last one stays");
    story.fill(story.now);
    story.check("filled");
    // What was filled comes by the vendor's repair after all, and again.
    let mut late = std::mem::take(&mut story.dropped);
    let again = story
        .arrivals
        .iter()
        .filter(|_| story.dice.below(8) == 0)
        .cloned();
    late.extend(again.collect::<Vec<_>>());
    let pusher = Arc::new(Pusher::new(Habits {
        cuts: 10,
        repeats: 30,
        ..Habits::seeded("late")
    }));
    let account = pusher.repair(loads(&feeds(&served), &late), 30);
    assert!(account.dropped.is_empty(), "seed {seed}");
    served.stop();
    story.check("pushed again");
    let ran = shell(&gaps(story.now)).dir(story.place.dir.path()).run();
    assert_eq!(ran.stdout(), "", "seed {seed}: everything was filled");
    // And batch has nothing that is not there.
    let this_hour = story.now - story.now % HOUR;
    let (first, last) = (
        shown(this_hour - OLDEST * HOUR),
        shown(this_hour - NEWEST * HOUR),
    );
    let plan = format!(
        "export-plan windows --group acme --type {} --type {} --from {first} --to {last}",
        TYPES[0], TYPES[1]
    );
    let proof = story.reconcile(&plan, "proof");
    assert!(!proof.contains("\"filled\""), "seed {seed}: {proof}");
    story.check("proved");
}

#[test]
fn r19_r25_random_outages_filled_from_batch_give_the_truth() {
    let seeds = Mutex::new(seeds(0..6));
    thread::scope(|scope| {
        // They wait for disks and for each other more than they compute.
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(seed) = { seeds.lock().unwrap().next() } {
                    tell(seed);
                }
            });
        }
    });
}
