//! A ledger and its ZIPs, checked and pruned by `export-plan`.

use std::fs;

use serde_json::Value;

use crate::harness::{Program, program};
use crate::site::{NOW, Site, sorted};

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-14T00:00:00Z";
const HAVE: [&str; 2] = ["--have", "cdrs/ledger.ndjson"];

/// A site with two exports on disk, and the lines about their ZIPs.
fn site() -> (Site, Vec<Value>) {
    let site = Site::new();
    let plan = site.plan(FROM, TO, &[]);
    let lines = site.fetch(&plan).run().ends(0).records();
    (site, lines)
}

fn export_plan(site: &Site, command: &str, flags: &[&str]) -> Program {
    program("export-plan")
        .dir(site.dir.path())
        .args([command, "--ledger", "cdrs/ledger.ndjson"])
        .args(flags)
}

fn check(site: &Site, flags: &[&str]) -> Program {
    export_plan(site, "check", &["--now", NOW]).args(flags)
}

/// Changes a digit of the first line that holds `event`.
fn flip(site: &Site, event: &str, digit: u8) -> usize {
    let path = site.path("cdrs/ledger.ndjson");
    let mut text = fs::read(&path).unwrap();
    let whole = String::from_utf8(text.clone()).unwrap();
    let at =
        whole.find(event).unwrap() + whole[whole.find(event).unwrap()..].find("2026").unwrap() + 9;
    text[at] = digit;
    fs::write(path, text).unwrap();
    whole[..at].lines().count()
}

#[test]
fn a_sound_ledger_is_said_to_be_sound() {
    let (site, lines) = site();
    let before = site.read("cdrs/ledger.ndjson");
    let text = check(&site, &[]).run().ends(0).stdout();
    assert!(text.contains(" 0 damaged; 2 ZIPs of "), "{text}");
    assert!(text.contains("acme dialog_end: 96 h have"), "{text}");
    assert_eq!(site.read("cdrs/ledger.ndjson"), before);
    let found = check(&site, &["--format", "ndjson"])
        .run()
        .ends(0)
        .records();
    let zips: Vec<&Value> = found.iter().filter(|one| one["check"] == "zip").collect();
    assert_eq!(zips.len(), 2);
    assert_eq!(zips[0]["sha256"], lines[0]["sha256"]);
    assert_eq!(zips[0]["members"], 48);
}

#[test]
fn one_flipped_digit_is_65_and_names_the_line() {
    for event in [
        "{\"event\":\"created\"",
        "{\"event\":\"fetched\"",
        "{\"event\":\"page\"",
    ] {
        for damage in [b'7', 0xff] {
            let (site, _) = site();
            let line = flip(&site, event, damage);
            let place = format!("ledger.ndjson: line {line}: ");
            let plan = program("export-plan")
                .dir(site.dir.path())
                .args(["windows", "--group", "acme", "--type", "dialog_end"])
                .args(["--from", "-60d"])
                .args(HAVE);
            let said = plan.run().ends(65).stderr();
            assert!(
                said.contains(&place) && said.contains("to do: restore"),
                "{said}"
            );
            let said = export_plan(&site, "coverage", &[]).run().ends(65).stderr();
            assert!(said.contains(&place), "{said}");
            let said = site.fetch("").run().ends(65).stderr();
            assert!(said.contains(&place), "{said}");
            let text = check(&site, &[]).run().ends(65).stdout();
            assert!(text.starts_with(&format!("line {line}: ")), "{text}");
            // Without that line the ledger is readable again.
            let ledger = fs::read(site.path("cdrs/ledger.ndjson")).unwrap();
            let mut kept: Vec<&[u8]> = ledger.split_inclusive(|byte| *byte == b'\n').collect();
            kept.remove(line - 1);
            fs::write(site.path("cdrs/ledger.ndjson"), kept.concat()).unwrap();
            site.fetch("").prints("");
        }
    }
}

#[test]
fn a_last_line_cut_within_a_character_is_dropped() {
    let (site, _) = site();
    let path = site.path("cdrs/ledger.ndjson");
    let mut text = fs::read(&path).unwrap();
    let whole = text.clone();
    text.extend(b"{\"event\":\"page\",\"file\":\"\xd0");
    fs::write(&path, text).unwrap();
    assert_eq!(site.plan(FROM, TO, &HAVE), "");
    check(&site, &[]).run().ends(0);
    let said = site.fetch("").run().ends(0).stderr();
    assert!(said.contains("the last line is incomplete"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), whole);
}

#[test]
fn zips_that_are_not_as_they_were_are_named_and_planned_again() {
    type Damage = fn(&std::path::Path);
    let damages: [(Damage, &str); 3] = [
        (|zip| fs::remove_file(zip).unwrap(), "the file is missing"),
        (
            |zip| fs::write(zip, "short").unwrap(),
            "has 5 bytes instead of",
        ),
        (
            |zip| {
                let mut bytes = fs::read(zip).unwrap();
                bytes[500] ^= 1;
                fs::write(zip, bytes).unwrap();
            },
            "its SHA-256 differs",
        ),
    ];
    for (at, (damage, words)) in damages.into_iter().enumerate() {
        let (site, lines) = site();
        let zip = lines[0]["path"].as_str().unwrap();
        damage(&site.path(zip));
        let text = check(&site, &[]).run().ends(65).stdout();
        assert!(text.contains(words) && text.contains(zip), "{text}");
        assert_eq!(
            site.plan(FROM, TO, &HAVE),
            "",
            "the ledger alone does not tell"
        );
        let verify = [HAVE[0], HAVE[1], "--verify"];
        // A file of the right size is read only by check.
        let planned = site.plan(FROM, TO, &verify);
        assert_eq!(planned.lines().count(), usize::from(at < 2), "{planned}");
        let hours = |flags: &[&str]| {
            let flags = [&["--now", NOW, "--to", TO], flags].concat();
            export_plan(&site, "coverage", &flags)
                .run()
                .ends(0)
                .stdout()
        };
        assert!(hours(&[]).starts_with("acme dialog_end: 96 h have"));
        if at < 2 {
            assert!(hours(&["--verify"]).starts_with("acme dialog_end: 48 h have"));
            let again = site.fetch(&planned).run().ends(0).records();
            assert_eq!(again.len(), 1);
            check(&site, &[]).run().ends(0);
        }
    }
}

#[test]
fn pruned_zips_are_gone_and_their_hours_stay_had() {
    let (site, lines) = site();
    let prune = |flags: &[&str]| export_plan(&site, "prune", flags).run().ends(0).records();
    assert_eq!(prune(&["--older-than", "1d"]).len(), 0, "they are new");
    let old = ["--older-than", "0s"];
    assert_eq!(prune(&[&old[..], &["--dry-run"]].concat()).len(), 2);
    assert_eq!(site.files().len(), 3);
    let removed = prune(&old);
    assert_eq!(removed[0]["path"], lines[0]["path"]);
    assert_eq!(site.files(), ["ledger.ndjson"]);
    check(&site, &[]).run().ends(0);
    assert_eq!(site.plan(FROM, TO, &[HAVE[0], HAVE[1], "--verify"]), "");
    let flags = ["--now", NOW, "--to", TO, "--verify"];
    let text = export_plan(&site, "coverage", &flags)
        .run()
        .ends(0)
        .stdout();
    assert!(text.starts_with("acme dialog_end: 96 h have"), "{text}");
    // Asked for by name they come again.
    let again = site
        .fetch(&site.plan(FROM, TO, &[]))
        .run()
        .ends(0)
        .records();
    assert_eq!(sorted(site.records(&again)), site.truth(FROM, TO));
}

#[test]
fn what_was_not_delivered_is_not_pruned() {
    let site = Site::new();
    let plan = site.plan(FROM, TO, &[]);
    site.shell("export-fetch --out-dir cdrs --poll 10ms > /dev/full")
        .stdin(&plan)
        .run()
        .ends(74);
    let removed = export_plan(&site, "prune", &["--older-than", "0s"]);
    assert_eq!(removed.run().ends(0).records().len(), 0);
    assert!(site.files().len() > 1);
    let none = program("export-plan").dir(site.dir.path()).args([
        "prune",
        "--older-than",
        "0s",
        "--ledger",
        "none",
    ]);
    none.fails(2, "export-plan: none: no such ledger\n");
    assert!(!site.path("none").exists());
}

#[test]
fn a_prune_that_was_killed_is_finished_by_the_next() {
    let (site, lines) = site();
    let zip = site.path(lines[0]["path"].as_str().unwrap());
    let bytes = fs::read(&zip).unwrap();
    let prune = || {
        export_plan(&site, "prune", &["--older-than", "0s"])
            .run()
            .ends(0)
    };
    prune();
    // Killed after the note and before the file was removed.
    fs::write(&zip, bytes).unwrap();
    prune();
    assert_eq!(site.files(), ["ledger.ndjson"]);
}
