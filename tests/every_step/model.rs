//! The cron job beside a service that reads its contract otherwise each time: replies are
//! lost, exports end, lists lag, ids are those of others. Meanwhile a program is killed and
//! the clock is set, also back. Each record comes once.

use std::fs;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use super::checks::{Check, each_once, ensure, lines, named, tidy};
use super::fetch;
use super::scenario::{Run, Scenario};
use crate::differential::dice::Dice;
use crate::site::{NOW, Site};

/// A fault of the service that comes once, at any of its replies.
const READINGS: [&str; 33] = [
    "create=lost",
    "create=500",
    "create=cut",
    "create=garbage",
    "create=busy",
    "create=names-running",
    "create=429,retry-after=1",
    "status=502",
    "status=cut",
    "status=html",
    "status=404",
    "status=state=THAWING",
    "status=lost",
    "status=expire",
    "status=fail",
    "metadata=503,retry-after=0",
    "metadata=404",
    "metadata=garbage",
    "metadata=expire",
    "list=500",
    "list=cut",
    "list=list-empty",
    "data=404",
    "data=cut",
    "data=429",
    "data=500",
    "data=html",
    "data=redirect",
    "data=same-page",
    "data=bad-crc",
    "data=short-zip",
    "data=expire",
    "any=forget-token",
];

/// The number of runs after the last fault that must finish the job.
const RUNS: usize = 12;

/// `CALLPIPE_SEEDS=100..300` replays or adds some.
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("CALLPIPE_SEEDS") else {
        return 0..60;
    };
    let (from, to) = text.split_once("..").expect("CALLPIPE_SEEDS=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The hours that a run at `now` asks for.
fn window(now: DateTime<Utc>) -> (String, String) {
    let back = |hours| shown(now - TimeDelta::hours(hours));
    (back(72), back(2))
}

/// All that the last run asked for, and nothing that none asked for.
fn is_whole(site: &Site, last: DateTime<Utc>, all: &[DateTime<Utc>]) -> Check {
    let got = lines(site, &named(site, "records", ".ndjson"));
    let (from, to) = window(last);
    let wanted = site.truth(&from, &to);
    let (first, _) = window(*all.iter().min().unwrap());
    let (_, end) = window(*all.iter().max().unwrap());
    let possible = site.truth(&first, &end);
    let strange = got
        .iter()
        .filter(|line| possible.binary_search(line).is_err());
    let strange = strange.count();
    ensure(
        &format!("{strange} records that nobody asked for"),
        strange == 0,
    )?;
    let of_last = |line: &String| wanted.binary_search(line).is_ok();
    let (of_last, others): (Vec<_>, Vec<_>) = got.into_iter().partition(of_last);
    let mut once = others.clone();
    once.sort();
    once.dedup();
    ensure(
        "a record of earlier hours is doubled",
        once.len() == others.len(),
    )?;
    each_once(of_last, wanted)
}

/// When the program is killed, in milliseconds after its start. A run takes about 50 ms, and more
/// when it waits for a service that failed.
fn kill_after(dice: &mut Dice) -> usize {
    match dice.below(4) {
        0 => 20 + dice.below(600),
        _ => 2 + dice.below(60),
    }
}

fn story(seed: u64) {
    let mut dice = Dice::seeded(seed);
    let killed = ["export-fetch", "unzip-jsonl"][dice.below(2)];
    let job = fetch::hourly("out of a model", killed);
    let scenario = Scenario {
        script: job.script.replace(NOW, "\"$(cat now)\""),
        ..job
    };
    let tools = scenario.tools();
    let run: Run<'_> = scenario.run(&tools);
    let mut diary = format!("seed {seed}, {killed} is killed\n");
    for _ in 0..1 + dice.below(8) {
        let (role, kind) = READINGS[dice.below(READINGS.len())]
            .split_once('=')
            .unwrap();
        let fault = format!("{role}@{}={kind}", 1 + dice.below(6));
        diary += &format!("{fault}\n");
        run.site.sim.fault(&fault);
    }
    let start: DateTime<Utc> = NOW.parse().unwrap();
    let mut all = Vec::new();
    for round in 0..RUNS {
        let now = start + TimeDelta::hours(dice.below(5) as i64 - 2);
        all.push(now);
        fs::write(run.site.path("now"), shown(now)).unwrap();
        let prefix = match round < 4 && dice.below(2) == 0 {
            true => format!("timeout -s KILL 0.{:03}", kill_after(&mut dice)),
            false => String::new(),
        };
        let ran = run.script(&prefix);
        diary += &format!(
            "{} {prefix} {}: {}\n",
            shown(now),
            ran.status(),
            ran.stderr()
        );
        assert!(!ran.stderr().contains("panicked"), "{diary}");
        if ran.status() == 0 && round >= 4 {
            let checked = is_whole(&run.site, now, &all).and_then(|()| tidy(&run.root()));
            assert_eq!(checked, Ok(()), "{diary}");
            return;
        }
    }
    panic!("no end:\n{diary}");
}

#[test]
fn each_record_comes_once() {
    std::thread::scope(|scope| {
        for worker in 0..2 {
            scope.spawn(move || seeds().filter(|seed| seed % 2 == worker).for_each(story));
        }
    });
}
