//! Batch with a state: what a run from cron reads, and when it says so.

use std::process::Stdio;

use serde_json::json;

use crate::metrics::site::{Site, latest};

const RUN: &str = "batch dialogs --metric dialogs --state S --from 2026-11-03";

fn starts(site: &Site) -> Vec<String> {
    let bodies = site.metrics().bodies();
    let start = |body: &serde_json::Value| body["start"].as_str().unwrap().to_owned();
    bodies.iter().map(start).collect()
}

#[test]
fn m03_batch_is_read_up_to_the_watermark_and_then_a_while_again() {
    let site = Site::new();
    let first = site.run(RUN, 0).records();
    assert_eq!(first.last().unwrap()["from"], "2026-11-05T13:00:00Z");
    assert_eq!(site.entry("dialogs/acme")["next"], "2026-11-05T14:00:00Z");
    // Nothing new yet.
    site.run(&format!("{RUN} --skip-code 99"), 99);
    site.metrics().set_now("2026-11-05T17:30:00Z");
    let again = site
        .run("batch dialogs --metric dialogs --state S", 0)
        .records();
    assert_eq!(
        again[0]["from"], "2026-11-04T14:00:00Z",
        "24 hours before the end of the last run"
    );
    assert_eq!(again.len(), 25);
    assert_eq!(site.entry("dialogs/acme")["next"], "2026-11-05T15:00:00Z");
    site.metrics().set_now("2026-11-05T18:30:00Z");
    site.run("batch dialogs --metric dialogs --state S --lookback 2h", 0);
    assert_eq!(starts(&site).last().unwrap(), "2026/11/05 13:00:00");
}

#[test]
fn m04_a_cursor_is_a_settled_border_and_late_events_are_read() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.is_empty = true);
    site.metrics().event(
        "dialogs",
        "dialogs",
        "2026-11-05T13:50:00Z",
        "2026-11-05T17:00:00Z",
    );
    let mut rows = site.run(RUN, 0).records();
    assert!(rows.iter().all(|row| row["value"] == 0));
    site.metrics().set_now("2026-11-05T18:30:00Z");
    rows.extend(site.run(RUN, 0).records());
    let total: u64 = latest(&rows)
        .values()
        .map(|value| value.as_u64().unwrap())
        .sum();
    assert_eq!(total, 1);
}

#[test]
fn m02_of_rows_about_one_bucket_the_newest_is_right() {
    let site = Site::new();
    let mut rows = site.run(RUN, 0).records();
    site.metrics()
        .restate("dialogs", "dialogs", "2026-11-05T10:00:00Z", 99);
    site.metrics().set_now("2026-11-05T18:30:00Z");
    rows.extend(site.run(RUN, 0).records());
    let body = json!({
        "metrics": ["dialogs"], "filters": {}, "group": "acme", "downsampling": "hour",
        "start": "2026/11/03 00:00:00", "end": "2026/11/05 16:00:00", "drilldown": false,
    });
    assert_eq!(
        latest(&rows),
        site.metrics().truth("batch", "dialogs", &body)
    );
}

#[test]
fn changes_are_told_with_what_was_there_before() {
    let site = Site::new();
    let run = format!("{RUN} --changes-only --lookback 12h");
    let first = site.run(&run, 0).records();
    let hour = |rows: &[serde_json::Value], from: &str| {
        let found = rows.iter().find(|row| row["from"] == from);
        found.cloned().unwrap_or_default()
    };
    let before = hour(&first, "2026-11-05T10:00:00Z")["value"].clone();
    site.metrics()
        .restate("dialogs", "dialogs", "2026-11-05T10:00:00Z", 99);
    // Before the lookback: nobody sees it.
    site.metrics()
        .restate("dialogs", "dialogs", "2026-11-04T10:00:00Z", 99);
    site.metrics().hide("dialogs", "2026-11-05T02:00:00Z", true);
    site.metrics().set_now("2026-11-05T17:30:00Z");
    let rows = site.run(&run, 0).records();
    assert_eq!(rows.len(), 3, "a changed one, a new one, a gone one");
    let changed = hour(&rows, "2026-11-05T10:00:00Z");
    assert_eq!(
        (
            &changed["value"],
            &changed["revision"],
            &changed["previous"]
        ),
        (&json!(99), &json!(1), &before)
    );
    assert!(hour(&rows, "2026-11-05T14:00:00Z")["revision"].is_null());
    let gone = hour(&rows, "2026-11-05T02:00:00Z");
    assert_eq!(
        (&gone["value"], &gone["gone"]),
        (&json!(null), &json!(true))
    );
    site.metrics().set_now("2026-11-05T18:30:00Z");
    assert_eq!(
        site.run(&run, 0).records().len(),
        1,
        "a series that is gone has one row"
    );
    site.metrics()
        .restate("dialogs", "dialogs", "2026-11-05T10:00:00Z", 98);
    site.metrics().set_now("2026-11-05T19:30:00Z");
    let again = hour(&site.run(&run, 0).records(), "2026-11-05T10:00:00Z");
    assert_eq!(
        (&again["revision"], &again["previous"]),
        (&json!(2), &json!(99))
    );
}

#[test]
fn a_bucket_that_is_back_is_told_again() {
    let site = Site::new();
    let run = format!("{RUN} --changes-only");
    site.run(&run, 0);
    for (hour, is_hidden, rows) in [(17, true, 2), (18, false, 2), (19, false, 1)] {
        site.metrics()
            .hide("dialogs", "2026-11-05T13:00:00Z", is_hidden);
        site.metrics().set_now(&format!("2026-11-05T{hour}:30:00Z"));
        // A gap, too, where it is hidden.
        let ran = site.run(&format!("{run} --max-gap 1"), 0);
        assert_eq!(ran.records().len(), rows, "{hour}");
    }
}

#[test]
fn every_group_and_category_goes_on_by_itself() {
    let site = Site::new();
    site.run("batch dialogs sessions --state S --from 2026-11-05", 0);
    let ran = site.run("batch all --state S", 2);
    assert!(
        ran.stderr()
            .contains("miniapps/acme: the state has no position"),
        "{}",
        ran.stderr()
    );
    site.run(
        "batch all --group acme-qa --state S --from 2026-11-05T06:00:00Z",
        0,
    );
    for name in [
        "dialogs/acme",
        "sessions/acme",
        "miniapps/acme",
        "dialogs/acme-qa",
        "miniapps/acme-qa",
    ] {
        assert_eq!(site.entry(name)["next"], "2026-11-05T14:00:00Z", "{name}");
    }
    assert!(starts(&site).contains(&"2026/11/05 06:00:00".to_owned()));
    for other in [
        "--step day",
        "--by channel",
        "--filter channel=chat",
        "--api v4",
        "--metric dialogs",
    ] {
        let ran = site.run(&format!("batch dialogs sessions --state S {other}"), 2);
        assert!(
            ran.stderr().contains("this state was made with"),
            "{other}: {}",
            ran.stderr()
        );
    }
}

#[test]
fn the_first_day_of_a_week_is_a_setting() {
    let site = Site::new();
    let weeks = "batch dialogs --metric dialogs --state S --step week --from 2026-10-01";
    site.run(weeks, 0);
    let ran = site.run(&format!("{weeks} --week-start sun"), 2);
    assert!(
        ran.stderr().contains("this state was made with"),
        "{}",
        ran.stderr()
    );
    site.run(&format!("{weeks} --week-start mon"), 0);
    // A state of an older version does not have it, and is of whichever day is asked for.
    let path = site.dir.path().join("S");
    let state = std::fs::read_to_string(&path).unwrap();
    let (state, _) = state.split_once(",\"crc\"").unwrap();
    let older = state.replace(",\"week_start\":\"mon\"", "");
    assert_ne!(older, state);
    std::fs::write(&path, format!("{older}}}\n")).unwrap();
    site.metrics().set_now("2026-11-20T12:00:00Z");
    let ran = site.run(&format!("{weeks} --week-start sun"), 0);
    assert!(!ran.records().is_empty());
    let ran = site.run(&format!("{weeks} --week-start mon"), 2);
    assert!(
        ran.stderr().contains("week_start = sun, not mon"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn what_fails_moves_nothing() {
    let site = Site::new();
    site.run(RUN, 0);
    let before = site.entry("dialogs/acme");
    site.metrics().set_now("2026-11-05T17:30:00Z");
    // A failed window.
    site.sim.fault("metrics@3=503");
    site.sim.fault("metrics@4=503");
    site.run(RUN, 75);
    assert_eq!(site.entry("dialogs/acme"), before);
    // A gap.
    site.metrics().hide("dialogs", "2026-11-05T08:00:00Z", true);
    assert_eq!(
        site.run(RUN, 65).records().len(),
        24,
        "what is sound leaves"
    );
    assert_eq!(site.entry("dialogs/acme"), before);
    site.metrics()
        .hide("dialogs", "2026-11-05T08:00:00Z", false);
    // A reader that leaves.
    let ran = site.program(RUN).with(|command| {
        let mut reader = std::process::Command::new("true")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe = reader.stdin.take().unwrap();
        reader.wait().unwrap();
        command.stdout(pipe);
    });
    assert_eq!(ran.status(), 1, "{}", ran.stderr());
    assert_eq!(site.entry("dialogs/acme"), before);
    // A full disk.
    site.run(&format!("{RUN} -o /dev/full"), 74);
    assert_eq!(site.entry("dialogs/acme"), before);
    site.run(&format!("{RUN} -o rows"), 0);
    assert_eq!(site.entry("dialogs/acme")["next"], "2026-11-05T15:00:00Z");
}

#[test]
fn a_successor_of_the_state_is_complete_or_absent() {
    let site = Site::new();
    let run = format!("{RUN} --state-out S.next");
    site.run(&run, 0);
    assert!(site.path("S.next").exists() && !site.path("S").exists());
    std::fs::rename(site.path("S.next"), site.path("S")).unwrap();
    site.metrics().set_now("2026-11-05T17:30:00Z");
    site.metrics().hide("dialogs", "2026-11-05T08:00:00Z", true);
    site.run(&run, 65);
    assert!(!site.path("S.next").exists());
}

#[test]
fn what_the_service_does_not_keep_any_more_is_said() {
    let site = Site::new();
    let args = "batch dialogs --metric dialogs --state S --from 2026-11-01 --max-age 2d";
    let ran = site.run(args, 0);
    assert!(
        ran.stderr().contains("starting at 2026-11-03T17:00:00Z"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.report()["lost_to"], "2026-11-03T17:00:00Z");
    site.run(&format!("{args} --strict --state T"), 69);
}
