//! What changed after it was exported.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::sim::voicegain::Change;
use crate::voicegain::site::{Site, id_of, ids};

const REFRESH: [&str; 2] = ["--refresh-days", "3"];

/// Lines of the exported calls that count.
fn hashes(site: &Site) -> usize {
    let generation = &site.state()["exported"]["mark"]["generation"];
    match generation.as_u64() {
        None => 0,
        Some(generation) => site
            .read(&format!("S.exported.{generation}"))
            .lines()
            .count(),
    }
}

#[test]
fn the_first_time_only_notes_what_was_exported_before() {
    let site = Site::new();
    site.run(&[], 0);
    assert_eq!(hashes(&site), 0);
    assert_eq!(site.run(&REFRESH, 0).stdout(), "");
    assert_eq!(site.report()["noted"], 40);
    assert_eq!(hashes(&site), 40);
    let known = site.calls().ids();
    for index in [3, 17, 39] {
        site.change(Change::Edit(known[index]));
    }
    let lines = site.run(&REFRESH, 0).lines();
    assert_eq!(ids(&lines), [known[3], known[17], known[39]]);
    assert_eq!(site.report()["changed"], 3);
    assert_eq!(site.run(&REFRESH, 0).stdout(), "");
}

#[test]
fn runs_without_it_keep_note() {
    let site = Site::new();
    site.run(&REFRESH, 0);
    site.change(Change::Add(10));
    assert_eq!(site.run(&[], 0).lines().len(), 10);
    site.change(Change::Edit(site.calls().ids()[45]));
    assert_eq!(site.run(&REFRESH, 0).lines().len(), 1);
    assert_eq!(hashes(&site), 50);
}

#[test]
fn one_that_is_worked_on_anew_comes_when_that_is_done() {
    let site = Site::new();
    let id = site.calls().ids()[7];
    site.run(&REFRESH, 0);
    site.change(Change::Phase(id, "RECOMPUTING"));
    site.change(Change::Edit(id));
    assert_eq!(site.run(&REFRESH, 0).stdout(), "");
    site.change(Change::Phase(id, "DONE"));
    assert_eq!(ids(&site.run(&REFRESH, 0).lines()), [id]);
}

#[test]
fn one_that_was_gone_past_and_came_is_known_then() {
    let site = Site::new();
    let id = site.calls().ids()[7];
    site.change(Change::Phase(id, "STOPPED"));
    site.calls().age(id, TimeDelta::hours(9));
    let skip = [&REFRESH[..], &["--skip-blocked-after", "6h"]].concat();
    assert_eq!(site.run(&skip, 0).lines().len(), 39);
    site.change(Change::Phase(id, "DONE"));
    assert_eq!(ids(&site.run(&skip, 0).lines()), [id]);
    assert_eq!(site.run(&skip, 0).stdout(), "");
    site.change(Change::Edit(id));
    assert_eq!(ids(&site.run(&skip, 0).lines()), [id]);
    assert_eq!(site.run(&skip, 0).stdout(), "");
}

#[test]
fn what_is_older_than_the_days_is_forgotten_and_does_not_come_again() {
    let site = Site::new();
    let known = site.calls().ids();
    for (index, id) in known.iter().enumerate() {
        let days = i64::try_from(40 - index).unwrap();
        site.calls()
            .age(*id, TimeDelta::days(days) - TimeDelta::hours(1));
    }
    assert_eq!(site.run(&REFRESH, 0).lines().len(), 40);
    assert_eq!(hashes(&site), 5, "three days, and two for good measure");
    assert_eq!(site.run(&["--refresh-days", "30"], 0).stdout(), "");
    assert_eq!(site.report()["noted"], 25, "known from now on");
    site.change(Change::Edit(known[20]));
    assert_eq!(
        ids(&site.run(&["--refresh-days", "30"], 0).lines()),
        [known[20]]
    );
}

#[test]
fn hindered_it_still_finds_what_changed() {
    for fault in [
        "calls@5=cut",
        "calls@6=503",
        "calls@7=html",
        "calls@%4=cut",
        "calls@6=stall,for=9s",
    ] {
        let site = Site::new();
        let args = [&REFRESH[..], &["--per-page", "10"]].concat();
        site.run(&args, 0);
        let known = site.calls().ids();
        for index in [0, 9, 10, 25, 39] {
            site.change(Change::Edit(known[index]));
        }
        site.sim.reset();
        site.sim.fault(fault);
        let lines = site.run(&args, 0).lines();
        assert_eq!(
            ids(&lines),
            [0, 9, 10, 25, 39].map(|index| known[index]),
            "{fault}"
        );
        assert_eq!(hashes(&site), 40, "{fault}");
    }
}

#[test]
fn in_two_phases_and_with_output_nothing_is_forgotten_and_nothing_known_too_early() {
    let site = Site::new();
    site.run(&REFRESH, 0);
    let known = site.calls().ids();
    site.change(Change::Edit(known[5]));
    let run = "vg-consecutive --state S --state-out S.next --refresh-days 3";
    for _ in 0..2 {
        let ran = site.shell(run).run().ends(0);
        assert_eq!(ids(&ran.lines()), [known[5]], "it was not committed");
    }
    site.shell(&format!("{run} > calls && mv S.next S"))
        .prints("");
    assert_eq!(site.run(&REFRESH, 0).stdout(), "");
    site.change(Change::Edit(known[6]));
    site.shell("vg-consecutive --state S --refresh-days 3 > /dev/full")
        .run()
        .ends(74);
    site.shell("vg-consecutive --state S --refresh-days 3 | true")
        .run();
    let lines = site
        .run(&[&REFRESH[..], &["-o", "calls"]].concat(), 0)
        .lines();
    assert!(lines.is_empty());
    assert!(site.read("calls").is_empty() || site.read("calls").lines().map(id_of).eq([known[6]]));
    assert_eq!(site.run(&REFRESH, 0).stdout(), "");
}

#[test]
fn a_log_of_changes_replayed_is_the_truth() {
    let site = Site::new();
    let mut last = BTreeMap::new();
    for round in 0..8_u64 {
        for line in site
            .run(&[&REFRESH[..], &["--per-page", "7"]].concat(), 0)
            .lines()
        {
            last.insert(id_of(&line), line);
        }
        let known = site.calls().ids();
        for step in 0..4 {
            let index = (round * 13 + step * 7) % known.len() as u64;
            site.change(Change::Edit(known[usize::try_from(index).unwrap()]));
        }
        site.change(Change::Add(3));
    }
    for line in site.run(&REFRESH, 0).lines() {
        last.insert(id_of(&line), line);
    }
    assert_eq!(last.into_values().collect::<Vec<_>>(), site.calls().truth());
}

#[test]
fn hashes_that_are_lost_are_an_error() {
    let site = Site::new();
    site.run(&REFRESH, 0);
    let generation = &site.state()["exported"]["mark"]["generation"];
    let name = format!("S.exported.{generation}");
    std::fs::write(site.path(&name), "").unwrap();
    let ran = site.run(&[], 65);
    assert!(ran.stderr().contains(&name), "{}", ran.stderr());
}

#[test]
fn a_flipped_digit_of_a_hash_is_an_error_that_names_its_file() {
    let site = Site::new();
    site.run(&[], 0);
    site.run(&REFRESH, 0);
    let generation = &site.state()["exported"]["mark"]["generation"];
    let name = format!("S.exported.{generation}");
    let mut bytes = std::fs::read(site.path(&name)).unwrap();
    let digit = bytes.iter().position(|byte| *byte == b' ').unwrap() + 1;
    bytes[digit] ^= 1;
    std::fs::write(site.path(&name), bytes).unwrap();
    let ran = site.run(&REFRESH, 65);
    assert!(ran.stderr().contains(&name), "{}", ran.stderr());
    assert!(ran.stderr().contains("checksum"), "{}", ran.stderr());
}
