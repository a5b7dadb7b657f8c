//! Work that is in a ledger is not done again, and exports are never mixed.

use std::fs;

use crate::harness::program;
use crate::sim::Config;
use crate::site::{Site, config, sorted};

#[test]
fn a_rerun_says_the_same_and_asks_for_nothing() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-14", &[]);
    let first = site.fetch(&plan).run().ends(0).stdout();
    let requests = site.sim.stats().requests;
    site.fetch(&plan).prints(&first);
    assert_eq!(site.sim.stats().requests, requests);
}

#[test]
fn a_plan_with_have_lacks_what_is_had() {
    let site = Site::new();
    site.fetch(&site.plan("2026-11-10", "2026-11-12", &[]))
        .run()
        .ends(0);
    site.fetch(&site.plan("2026-11-14", "2026-11-15", &[]))
        .run()
        .ends(0);
    let have = ["--have", "cdrs/ledger.ndjson"];
    let plan = site.plan("2026-11-09", "2026-11-16", &have);
    let windows: Vec<(String, String)> = plan
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| (line["from"].to_string(), line["to"].to_string()))
        .map(|(from, to)| (from[1..14].to_owned(), to[1..14].to_owned()))
        .collect();
    let window = |from: &str, to: &str| (format!("{from}T00"), format!("{to}T00"));
    assert_eq!(
        windows,
        [
            window("2026-11-09", "2026-11-10"),
            window("2026-11-12", "2026-11-14"),
            window("2026-11-15", "2026-11-16")
        ]
    );
    site.fetch(&plan).run().ends(0);
    assert_eq!(site.plan("2026-11-09", "2026-11-16", &have), "");
    // All of it, once, on disk.
    let all = site
        .fetch(&site.plan("2026-11-09", "2026-11-16", &[]))
        .run()
        .ends(0);
    let truth = site.truth("2026-11-09T00:00:00Z", "2026-11-16T00:00:00Z");
    assert_eq!(sorted(site.records(&all.records())), truth);
}

#[test]
fn a_range_that_moved_by_an_hour_doubles_nothing() {
    let site = Site::new();
    site.fetch(&site.plan("2026-11-10", "2026-11-13", &[]))
        .run()
        .ends(0);
    let moved = site.plan("2026-11-10T01:00Z", "2026-11-13T01:00Z", &[]);
    let lines = site.fetch(&moved).run().ends(0).records();
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-13T01:00:00Z");
    assert_eq!(sorted(site.records(&lines)), truth);
    assert_eq!(
        site.sim.stats().creates_accepted,
        3,
        "one for the hour that was new"
    );
}

#[test]
fn an_export_that_was_begun_keeps_its_bounds_in_a_new_plan() {
    let site = Site::new();
    site.sim.fault("status=503");
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    site.fetch(&plan).args(["--tries", "1"]).run().ends(75);
    site.sim.reset();
    let later = ["--have", "cdrs/ledger.ndjson"];
    let plan = site.plan("2026-11-10T05:00Z", "2026-11-12T05:00Z", &later);
    let first = plan.lines().next().unwrap();
    assert!(
        first.contains("\"from\":\"2026-11-10T00:00:00Z\",\"to\":\"2026-11-12T00:00:00Z\""),
        "{first}"
    );
    assert_eq!(plan.lines().count(), 2);
}

#[test]
fn other_types_of_the_same_hours_are_refused_or_planned_apart() {
    let site = Site::new();
    site.fetch(&site.plan("2026-11-10", "2026-11-12", &[]))
        .run()
        .ends(0);
    let both = site.plan("2026-11-10", "2026-11-12", &["--type", "dialog_start"]);
    let ran = site.fetch(&both).run().ends(69);
    assert!(
        ran.stderr().contains("shares records with"),
        "{}",
        ran.stderr()
    );
    let apart = site.plan(
        "2026-11-10",
        "2026-11-12",
        &["--type", "dialog_start", "--have", "cdrs/ledger.ndjson"],
    );
    assert!(apart.contains("\"types\":[\"dialog_start\"]"), "{apart}");
    site.fetch(&apart).run().ends(0);
}

#[test]
fn pages_of_two_sizes_are_never_mixed() {
    let site = Site::new();
    site.sim.fault("data@2-3=503");
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let fetch = |size| {
        site.fetch(&plan)
            .args(["--tries", "1", "--page-size", size])
            .run()
    };
    assert_eq!(fetch("20").status(), 75);
    let ran = fetch("10").ends(2);
    assert!(
        ran.stderr().contains("was started with --page-size 20"),
        "{}",
        ran.stderr()
    );
    assert_eq!(fetch("20").status(), 75);
    let lines = fetch("20").ends(0).records();
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&lines)), truth);
    // What is complete stays as it is, and stands in nobody's way.
    let more = site.plan("2026-11-10", "2026-11-13", &[]);
    let lines = site
        .fetch(&more)
        .args(["--page-size", "10"])
        .run()
        .ends(0)
        .records();
    let sizes: Vec<_> = lines
        .iter()
        .map(|line| line["page_size"].as_u64().unwrap())
        .collect();
    assert_eq!(sizes, [20, 20, 20, 10, 10, 10]);
}

#[test]
fn a_page_whose_file_is_gone_is_downloaded_again_alone() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let fetch = || {
        site.fetch(&plan)
            .args(["--page-size", "20"])
            .run()
            .ends(0)
            .records()
    };
    let first = fetch();
    fs::remove_file(site.path(first[1]["path"].as_str().unwrap())).unwrap();
    fs::write(site.path(first[2]["path"].as_str().unwrap()), "short").unwrap();
    // Changed, and as long as it was.
    let path = site.path(first[0]["path"].as_str().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[500] ^= 1;
    fs::write(&path, bytes).unwrap();
    let second = fetch();
    assert_eq!(
        sorted(site.records(&second)),
        site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z")
    );
    let stats = site.sim.stats();
    assert_eq!((stats.creates_accepted, stats.requests["data"]), (1, 6));
}

#[test]
fn zips_are_kept_until_there_is_a_complete_successor() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let fetch = || site.fetch(&plan).args(["--page-size", "20"]).run();
    let lines = fetch().ends(0).records();
    fs::remove_file(site.path(lines[0]["path"].as_str().unwrap())).unwrap();
    site.sim.fault("status=expire");
    site.sim.fault("create@2=404");
    fetch().ends(69);
    assert_eq!(
        site.files().len(),
        3,
        "two ZIPs and the ledger: {:?}",
        site.files()
    );
    let had = site.plan(
        "2026-11-10",
        "2026-11-12",
        &["--have", "cdrs/ledger.ndjson"],
    );
    assert_eq!(had, "", "they were delivered once");
    site.sim.reset();
    let lines = fetch().ends(0).records();
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&lines)), truth);
    assert_eq!(
        site.files().len(),
        4,
        "the old ones are gone: {:?}",
        site.files()
    );
}

#[test]
fn lines_of_one_input_that_overlap_double_nothing() {
    let site = Site::new();
    let mut plan = site.plan("2026-11-10", "2026-11-12", &[]);
    plan += &site.plan("2026-11-10T01:00Z", "2026-11-12T01:00Z", &[]);
    plan += &site.plan("2026-11-10", "2026-11-12", &[]);
    for _ in 0..2 {
        let lines = site.fetch(&plan).run().ends(0).records();
        let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T01:00:00Z");
        assert_eq!(sorted(site.records(&lines)), truth);
    }
}

#[test]
fn all_stands_for_the_records_of_dialogs_and_no_more() {
    let site = Site::new();
    let plan = |types: &[&str]| {
        let mut more = vec!["--have", "cdrs/ledger.ndjson"];
        more.extend(types.iter().flat_map(|kind| ["--type", kind]));
        let text = site.plan("2026-11-10", "2026-11-11", &more);
        text.replace("\"types\":[\"dialog_end\"],", "")
    };
    let all = program("export-plan")
        .args([
            "windows",
            "--group",
            "acme",
            "--type",
            "ALL",
            "--now",
            crate::site::NOW,
        ])
        .args(["--from", "2026-11-10", "--to", "2026-11-11"]);
    site.fetch(&all.run().ends(0).stdout()).run().ends(0);
    assert_eq!(plan(&["dialog_start"]), "");
    assert!(plan(&["wcr"]).contains("\"types\":[\"wcr\"]"));

    // The other way round: if one type is there, ALL asks for the others.
    let other = Site::new();
    other
        .fetch(&other.plan("2026-11-10", "2026-11-11", &[]))
        .run()
        .ends(0);
    let rest = program("export-plan")
        .dir(other.dir.path())
        .args([
            "windows",
            "--group",
            "acme",
            "--type",
            "ALL",
            "--now",
            crate::site::NOW,
        ])
        .args([
            "--from",
            "2026-11-10",
            "--to",
            "2026-11-11",
            "--have",
            "cdrs/ledger.ndjson",
        ])
        .run()
        .ends(0)
        .stdout();
    assert!(
        rest.contains("\"types\":[\"dialog_start\",\"dialog_step\"]"),
        "{rest}"
    );
    other.fetch(&rest).run().ends(0);
}

#[test]
fn a_ledger_of_another_service_is_refused() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    site.fetch(&plan).run().ends(0);
    let other = Site::new();
    let ran = site
        .fetch(&plan)
        .env("OCP_API_URL", other.sim.url())
        .run()
        .ends(2);
    assert!(
        ran.stderr()
            .contains("this ledger belongs to http://127.0.0.1:"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_half_written_last_line_is_dropped_and_said() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let first = site.fetch(&plan).run().ends(0).stdout();
    let ledger = site.read("cdrs/ledger.ndjson");
    let cut = &ledger[..ledger.len() - 20];
    fs::write(site.path("cdrs/ledger.ndjson"), cut).unwrap();
    let ran = site.fetch(&plan).run().ends(0);
    assert_eq!(ran.stdout(), first);
    assert!(
        ran.stderr().contains("the last line is incomplete"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.sim.stats().creates_accepted, 1);
}

#[test]
fn a_broken_ledger_is_an_error_and_is_not_touched() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    site.fetch(&plan).run().ends(0);
    let broken =
        site.read("cdrs/ledger.ndjson")
            .replacen("\"event\":\"ready\"", "\"event\":\"steady\"", 1);
    fs::write(site.path("cdrs/ledger.ndjson"), &broken).unwrap();
    let ran = site.fetch(&plan).run().ends(65);
    assert!(
        ran.stderr().contains("ledger.ndjson: line 4: not an event"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.read("cdrs/ledger.ndjson"), broken);
}

#[test]
fn the_rate_of_an_earlier_run_counts() {
    let site = Site::with(Config {
        zip_window: std::time::Duration::from_secs(2),
        ..config()
    });
    let fetch = |from, to| {
        let plan = site.plan(from, to, &[]);
        site.fetch(&plan)
            .args(["--rate", "5/2s", "--page-size", "10"])
            .run()
            .ends(0)
    };
    fetch("2026-11-10", "2026-11-12");
    fetch("2026-11-12", "2026-11-14");
    assert_eq!(site.sim.stats().rate_violations, 0);
}

#[test]
fn two_runs_on_one_ledger_the_second_tries_later() {
    let site = Site::with(Config {
        processing: vec![std::time::Duration::from_millis(800)],
        ..config()
    });
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let first = site.fetch(&plan).spawn();
    while site.sim.stats().creates_accepted == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    site.fetch(&plan).fails(
        75,
        "export-fetch: cdrs/ledger.ndjson: another run holds it\n",
    );
    assert!(first.wait_with_output().unwrap().status.success());
    assert_eq!(site.sim.stats().creates_accepted, 1);
}

#[test]
fn a_flipped_digit_in_the_ledger_is_an_error_that_names_its_line() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    let first = site.fetch(&plan).run().ends(0).stdout();
    let text = site.read("cdrs/ledger.ndjson");
    assert!(
        text.lines().all(|line| line.contains(",\"crc\":\"")),
        "{text}"
    );
    let (at, line) = (1..)
        .zip(text.lines())
        .find(|(_, line)| line.contains("\"num_of_files\":24"))
        .unwrap();
    let damaged = text.replace("\"num_of_files\":24", "\"num_of_files\":25");
    std::fs::write(site.path("cdrs/ledger.ndjson"), &damaged).unwrap();
    let ran = site.fetch(&plan).run().ends(65);
    let said = format!("line {at}: not an event of a ledger: its checksum");
    assert!(ran.stderr().contains(&said), "{}", ran.stderr());
    assert_eq!(site.read("cdrs/ledger.ndjson"), damaged);
    // Without any checksum it is as an older version wrote it.
    let old: String = text
        .lines()
        .map(|line| format!("{}}}\n", line.split(",\"crc\"").next().unwrap()))
        .collect();
    std::fs::write(site.path("cdrs/ledger.ndjson"), old).unwrap();
    assert_eq!(site.fetch(&plan).run().ends(0).stdout(), first, "{line}");
}

#[test]
fn what_is_compared_shares_records_and_is_exported_anew_where_it_came_too_early() {
    let site = Site::new();
    site.fetch(&site.plan("2026-11-10", "2026-11-12", &[]))
        .run()
        .ends(0);
    let line = |not_before: &str| {
        let (from, to) = ("2026-11-11T00:00:00Z", "2026-11-12T06:00:00Z");
        format!(
            r#"{{"group":"acme","types":["dialog_end","dialog_start"],"from":"{from}","to":"{to}","not_before":"{not_before}","reason":"down"}}"#
        ) + "\n"
    };
    let id = |not_before: &str| {
        let lines = site.fetch(&line(not_before)).run().ends(0).records();
        let of_line = |line: &serde_json::Value| line["from"] == "2026-11-11T00:00:00Z";
        assert!(lines.iter().all(of_line), "{lines:?}");
        lines[0]["export_id"].as_str().unwrap().to_owned()
    };
    let first = id("2026-11-12T08:00:00Z");
    assert_eq!(id("2026-11-12T08:00:00Z"), first, "it is resumed");
    let now = chrono::Utc::now().to_rfc3339();
    let second = id(&now);
    assert_ne!(second, first, "what came since is not in it");
    assert_eq!(id(&now), second);
}
