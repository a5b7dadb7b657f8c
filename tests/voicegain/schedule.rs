//! The job as it runs for months: every minute, while calls come, finish, are deleted and sent back,
//! and the network does what it does. By a seeded die.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use crate::sim::voicegain::{Change, StopRule};
use crate::voicegain::site::{Site, id_of};

struct Die(u64);

impl Die {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick(&mut self, from: &[u64]) -> u64 {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }
}

const FAULTS: [&str; 10] = [
    "cut",
    "503",
    "429,retry-after=0",
    "html",
    "lost",
    "garbage",
    "504",
    "413",
    "500",
    "401",
];

/// Something happens to the calls, now or in the middle of the next run.
fn happen(site: &Site, die: &mut Die) {
    let ids = site.calls().ids();
    let now = site.calls().requests();
    let change = match die.roll(8) {
        0 | 1 => Change::Add(1 + die.roll(12)),
        2 => Change::Phase(die.pick(&ids), "PROCESSING"),
        3 => Change::Phase(die.pick(&ids), "RECOMPUTING"),
        4 => Change::Phase(die.pick(&ids), "STOPPED"),
        5 => Change::Delete(die.pick(&ids)),
        _ => Change::Phase(die.pick(&ids), "DONE"),
    };
    match die.roll(2) {
        0 => site.change(change),
        _ => site.calls().at(now + 1 + die.roll(6), change),
    }
}

fn month(seed: u64, skip: bool) {
    let mut die = Die(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let site = Site::with(|config| {
        config.calls = 30;
        config.stop = if seed.is_multiple_of(2) {
            StopRule::Query
        } else {
            StopRule::Page
        };
        config.max_per_page = 4 + seed % 9;
        config.quota = (500, 100_000);
    });
    let mut had = BTreeMap::new();
    let mut cursor = 0;
    let mut run = |site: &Site, faulty: bool| {
        let skip: &[&str] = if skip {
            &["--skip-blocked-after", "1h"]
        } else {
            &[]
        };
        let ran = site
            .export(&[
                "--state",
                "S",
                "--per-page",
                "9",
                "--tries",
                "3",
                "--report",
                "report",
            ])
            .args(skip)
            .run();
        assert!(
            faulty && [69, 75, 77].contains(&ran.status()) || ran.status() == 0,
            "{seed}: {}",
            ran.stderr()
        );
        for line in ran.lines() {
            let twice = had.insert(id_of(&line), line.clone());
            assert_eq!(twice, None, "{seed}: a call that came twice");
        }
        if site.path("S").exists() {
            let moved = site.cursor();
            assert!(moved >= cursor, "{seed}: the state went back");
            cursor = moved;
        }
        had.clone()
    };
    for _ in 0..12 {
        for _ in 0..die.roll(4) {
            happen(&site, &mut die);
        }
        for id in site.calls().ids() {
            if die.roll(9) == 0 {
                site.calls().age(id, TimeDelta::hours(2));
            }
        }
        let faulty = die.roll(3) == 0;
        if faulty {
            let request = site.sim.stats().requests["calls"] + 1 + die.roll(6);
            let kind = FAULTS[usize::try_from(die.roll(FAULTS.len() as u64)).unwrap()];
            site.sim.fault(&format!("calls@{request}={kind}"));
        }
        run(&site, true);
    }
    // In the end everything finishes.
    site.sim.reset();
    for id in site.calls().ids() {
        site.change(Change::Phase(id, "DONE"));
    }
    let ids: Vec<u64> = site.calls().ids();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let had = run(&site, false);
        let missing: Vec<&u64> = ids.iter().filter(|id| !had.contains_key(id)).collect();
        if missing.is_empty() {
            break;
        }
        // A call that was passed is asked for again after a tenth of the time that it
        // has been unfinished, which depends on how fast this machine is.
        assert!(Instant::now() < deadline, "{seed}: {missing:?}");
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(site.sim.stats().panics, 0);
}

#[test]
fn run_every_minute_it_has_every_call_once() {
    for seed in 1..=16 {
        month(seed, false);
    }
}

#[test]
fn going_past_what_is_stuck_it_has_every_call_once() {
    for seed in 101..=116 {
        month(seed, true);
    }
}
