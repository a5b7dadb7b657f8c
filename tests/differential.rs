//! cdr-filter decides as jq does, and its engines decide alike: expressions and
//! records are made at random, by a seed that a failure names.

pub mod dice;
mod engines;
mod expression;
mod known;
mod pairs;
mod record;
mod table;

use std::fmt::Write;
use std::process::Command;

use crate::harness::program;
use dice::Dice;
use record::Extras;

const RECORDS: usize = 100;

/// Which seeds to try: `CALLPIPE_SEEDS=FROM..TO`, or these.
fn seeds(default: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CALLPIPE_SEEDS") else {
        return default;
    };
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// The expression and the records of a seed.
fn made(seed: u64, minor: u32, extras: Extras) -> (String, Vec<String>) {
    let mut dice = Dice::seeded(seed);
    let expression = expression::expression(&mut dice, minor);
    let records = (0..RECORDS).map(|_| record::record(&mut dice, extras));
    (expression, records.collect())
}

#[test]
fn every_engine_decides_as_jaq_on_the_whole_record() {
    let seeds = seeds(0..200);
    let extras = Extras {
        big: true,
        halves: true,
    };
    let fast = seeds.clone().filter(|seed| {
        let (expression, records) = made(*seed, 8, extras);
        engines::agree(&expression, &records)
    });
    let (fast, tried) = (fast.count(), seeds.count());
    assert!(fast > tried / 4, "{fast} of {tried} are fast");
}

/// The fuzz targets themselves are built by `make fuzz` alone.
#[test]
fn what_the_fuzzer_runs_runs() {
    for step in 0..=255_u8 {
        let bytes: Vec<u8> = (1..200_u8).map(|at| at.wrapping_mul(step)).collect();
        engines::fuzz(&bytes);
    }
    for text in [
        ".a == \"x\"",
        "def f: f+1; f",
        ".a[",
        "\u{fffd}",
        "test(\"[\")",
    ] {
        engines::fuzz(&[b"\xff", text.as_bytes()].concat());
    }
}

/// What jq makes of each record; `None` if it cannot compile the expression.
fn by_jq(expression: &str, records: &[String]) -> Option<Vec<String>> {
    let ran = program("jq")
        .env("LINE", "a")
        .arg("-r")
        .arg(format!(
            r#"[try (({expression}) | if . then "keep" else empty end) catch "bad"][0] // "drop""#
        ))
        .stdin(records.join("\n"))
        .run();
    match ran.status() {
        0 => Some(ran.lines()),
        3 => None,
        _ => panic!("{expression}: {}", ran.stderr()),
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that did not run must say so")]
fn jq_decides_alike() {
    let Ok(version) = Command::new("jq").arg("--version").output() else {
        return eprintln!("NOT TESTED: there is no jq to compare with");
    };
    let version = String::from_utf8(version.stdout).unwrap();
    let minor = version.trim().strip_prefix("jq-1.").unwrap();
    let minor: u32 = minor.split(['.', '-']).next().unwrap().parse().unwrap();
    let extras = Extras {
        big: minor > 6,
        halves: false,
    };
    let mut differ = String::new();
    let mut pairs = 0;
    for seed in seeds(0..120) {
        let (expression, records) = made(seed, minor, extras);
        let ours = engines::by_jaq(&expression, &records);
        let theirs = by_jq(&expression, &records);
        let (Some(ours), Some(theirs)) = (&ours, &theirs) else {
            if ours.is_some() != theirs.is_some() {
                let who = if ours.is_some() { "jq" } else { "we" };
                writeln!(differ, "seed {seed}: {who} cannot compile {expression}").unwrap();
            }
            continue;
        };
        assert_eq!(ours.len(), theirs.len(), "seed {seed}: {expression}");
        for ((ours, theirs), record) in ours.iter().zip(theirs).zip(&records) {
            pairs += 1;
            let verdict = match ours {
                Ok(true) => "keep",
                Ok(false) => "drop",
                Err(_) => "bad",
            };
            if verdict != theirs && !known::differs(&expression, verdict, theirs, minor) {
                writeln!(differ, "seed {seed}: {theirs} by jq, {verdict} by us: {expression} of {record}: {ours:?}").unwrap();
                break;
            }
        }
    }
    eprintln!("{pairs} pairs, against {}", version.trim());
    assert!(differ.is_empty(), "{differ}");
}
