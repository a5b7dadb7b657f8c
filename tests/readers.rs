//! Only records that were read are marked: readers that take some bytes, wait and die, at each program with
//! a state; and in the end all records were read by one of them.

use chrono::Utc;

use crate::differential::dice::Dice;
use crate::every_step::checks::{Check, each_at_least_once};
use crate::sim::{Config, dialpad, voicegain};
use crate::site::{NOW, Site, config};

/// Runs the command with readers that die, and then with one that reads to the end. What
/// all of them read, as lines; the last of a reader may be a part of one.
fn read_by_all(site: &Site, command: &str, seed: u64) -> Vec<String> {
    let mut dice = Dice::seeded(seed);
    let mut lines = Vec::new();
    let mut read = |reader: &str| {
        let script =
            format!("set +o pipefail; {command} | {reader} > part; exit ${{PIPESTATUS[0]}}");
        let ran = site.shell(&script).run();
        let part = site.read("part");
        lines.extend(part.lines().map(str::to_owned));
        (ran.status(), ran.stderr())
    };
    for _ in 0..8 {
        let bytes = 1 + dice.below(6000);
        let pause = dice.below(3);
        let reader = format!(
            "(head -c {}; sleep 0.{pause}5; head -c {})",
            bytes / 2,
            bytes / 2
        );
        let (status, said) = read(&reader);
        assert!([0, 1].contains(&status), "{status}: {said}");
    }
    let (status, said) = read("cat");
    assert_eq!(status, 0, "{said}");
    let (status, said) = read("cat");
    assert_eq!(status, 0, "{said}");
    lines
}

#[track_caller]
fn all_were_read(site: &Site, command: &str, truth: &[String]) {
    for seed in 0..3 {
        for name in ["S", "S.lock", "zips"] {
            let path = site.path(name);
            let _ = std::fs::remove_file(&path);
            let _ = std::fs::remove_dir_all(path);
        }
        let got = read_by_all(site, command, seed);
        let checked: Check = each_at_least_once(&got, truth);
        assert_eq!(checked, Ok(()), "seed {seed}");
    }
}

#[test]
fn of_calls() {
    let site = Site::with(Config {
        now: Utc::now(),
        voicegain: voicegain::Config {
            minute: std::time::Duration::from_secs(1),
            calls: 20,
            quota: (1000, 40_000),
            ..voicegain::Config::default()
        },
        ..Config::default()
    });
    let truth = site.sim.voicegain().truth();
    let command = "vg-consecutive --state S --per-page 4 --rate 1000/1s";
    all_were_read(&site, command, &truth);
}

#[test]
fn of_messages() {
    let site = Site::with(Config {
        now: Utc::now(),
        dialpad: dialpad::Config {
            messages: 40,
            ..dialpad::Config::default()
        },
        ..Config::default()
    });
    let truth = site.sim.dialpad().truth();
    let command = "dialpad-window --state S --from -12d --window 2d --rate 100000/1s";
    all_were_read(&site, command, &truth);
}

#[test]
fn of_exports() {
    let site = Site::with(Config {
        processing: vec![std::time::Duration::ZERO],
        zip_limit: 1000,
        ..config()
    });
    let plan = format!(
        "export-plan windows --group acme --type dialog_end --from -5d --now {NOW} --window 12h"
    );
    let fetch = "export-fetch --out-dir zips --rate 1000/1s --poll 5ms";
    // What the ledger lacks, as long as it lacks something.
    let command = format!(
        "if [ -e zips/ledger.ndjson ]; then {plan} --have zips/ledger.ndjson; else {plan}; fi | {fetch}"
    );
    for seed in 0..2 {
        let _ = std::fs::remove_dir_all(site.path("zips"));
        let got = read_by_all(&site, &format!("({command})"), seed);
        let whole = got
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut paths: Vec<serde_json::Value> = whole.collect();
        paths.sort_by_key(|line| line["path"].to_string());
        paths.dedup_by_key(|line| line["path"].to_string());
        let truth = site.truth("2026-11-15T12:00:00Z", "2026-11-20T10:00:00Z");
        let records = crate::site::sorted(site.records(&paths));
        assert!(
            records == truth,
            "seed {seed}: {} of {}",
            records.len(),
            truth.len()
        );
    }
}
