//! Numbers that a naive client loses or invents, one test for each.

use serde_json::{Value, json};

use crate::metrics::site::{Site, last_body, latest};

fn values(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["value"].to_string()).collect()
}

fn reply(site: &Site, body: &str) {
    site.metrics().reply_with(200, body);
}

fn series(dps: &str) -> String {
    format!(r#"[{{"metric":"dialogs","tags":{{"group":"acme"}},"dps":{{{dps}}}}}]"#)
}

const DAY: &str = "batch dialogs --metric dialogs --from 2026-11-04 --to 2026-11-05";

#[test]
fn m05_a_start_in_the_middle_of_a_bucket_is_never_sent() {
    let site = Site::new();
    site.run(
        "batch dialogs --from 2026-11-04T10:20:00Z --to 2026-11-04T11:20:00Z",
        0,
    );
    let body = last_body(&site);
    assert_eq!(body["start"], "2026/11/04 10:00:00");
    assert_eq!(body["end"], "2026/11/04 12:00:00");
    site.run("realtime dialogs --from -59m --to -51m", 0);
    let body = last_body(&site);
    assert_eq!(body["start"], "2026/11/05 15:00:00");
    assert_eq!(body["end"], "2026/11/05 15:15:00");
}

#[test]
fn m05_a_bucket_at_the_end_is_dropped_and_counted() {
    let site = Site::new();
    reply(
        &site,
        &series(r#""2026-11-04 23:00:00.0":1,"2026-11-05 00:00:00.0":2"#),
    );
    assert_eq!(values(&site.run(DAY, 0).records()), ["1"]);
    assert_eq!(site.report()["beyond_end"], 1);
}

#[test]
fn m06_a_key_that_comes_twice_is_an_error_and_leaves_no_row() {
    let site = Site::new();
    let twice = r#""2026-11-04 01:00:00.0":1,"2026-11-04 01:00:00.0":2"#;
    reply(&site, &series(twice));
    let ran = site.run(DAY, 65);
    assert_eq!(ran.stdout(), "");
    assert!(
        ran.stderr().contains("2026-11-04T01:00:00Z occurs twice"),
        "{}",
        ran.stderr()
    );
    // The same hour in another spelling, and the same series a second time.
    for body in [
        series(r#""2026-11-04 01:00:00.0":1,"2026-11-04T01:00:00.000":2"#),
        format!(
            "[{0},{0}]",
            series(r#""2026-11-04 01:00:00.0":1"#).trim_matches(['[', ']'])
        ),
    ] {
        let site = Site::new();
        reply(&site, &body);
        assert_eq!(site.run(DAY, 65).stdout(), "");
    }
}

#[test]
fn m06_hours_are_asked_for_in_utc() {
    let site = Site::new();
    site.run(DAY, 0);
    assert_eq!(last_body(&site)["timezone"], "UTC");
}

#[test]
fn m07_a_missing_bucket_is_no_zero_and_an_error_unless_tolerated() {
    for (args, status, rows) in [("", 65, 2), ("--max-gap 1", 0, 2), ("--assume-zero", 0, 3)] {
        let site = Site::new();
        reply(
            &site,
            &series(r#""2026-11-04 01:00:00.0":1,"2026-11-04 03:00:00.0":3"#),
        );
        let ran = site.run(&format!("{DAY} {args}"), status);
        let records = ran.records();
        assert_eq!(records.len(), rows, "{args}: what is sound leaves");
        assert_eq!(site.report()["missing"], 1);
        if status == 65 {
            let said = ran.stderr();
            assert!(
                said.contains("dialogs of group acme at 2026-11-04T02:00:00Z"),
                "{said}"
            );
        }
        if rows == 3 {
            assert_eq!(
                (&records[0]["value"], &records[0]["assumed"]),
                (&json!(0), &json!(true))
            );
        }
    }
}

#[test]
fn m07_a_bucket_that_every_window_lacks_at_its_end_is_missing() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.drops_last = true);
    let args = format!("{DAY} --window 6h");
    let ran = site.run(&args, 65);
    assert_eq!(ran.lines().len(), 20);
    // The last window's has none after it.
    assert_eq!(site.report()["missing"], 3);
    site.run(&format!("{args} --by channel"), 65);
    assert_eq!(site.report()["missing"], 6);
}

#[test]
fn m07_a_series_that_a_reply_leaves_out_was_quiet_in_that_window() {
    for (by, status) in [("--by channel", 0), ("", 65)] {
        let site = Site::new();
        for body in [
            series(r#""2026-11-04 00:00:00.0":1"#),
            "[]".to_owned(),
            series(r#""2026-11-04 02:00:00.0":1"#),
        ] {
            site.metrics().reply_with(200, &body);
        }
        let args = "batch dialogs --metric dialogs --from 2026-11-04 --to 2026-11-04T03:00:00Z --window 1h";
        assert_eq!(site.run(&format!("{args} {by}"), status).lines().len(), 2);
    }
}

#[test]
fn m08_sessions_by_the_hour_are_warned_about() {
    let site = Site::new();
    let ran = site.run("realtime sessions --step hour --from -3h", 0);
    assert!(
        ran.stderr().contains("once for each five minutes"),
        "{}",
        ran.stderr()
    );
    let ran = site.run("realtime sessions --from -3h", 0);
    assert!(!ran.stderr().contains("five minutes"), "{}", ran.stderr());
}

#[test]
fn m09_days_are_asked_for_as_days() {
    let site = Site::new();
    let rows = site.run(
        "batch sessions --metric sessions --step day --from 2026-11-01 --to 2026-11-04",
        0,
    );
    let rows = rows.records();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["step"] == "day"));
    assert_eq!(last_body(&site)["downsampling"], "day");
}

#[test]
fn m10_real_time_and_batch_are_kept_apart() {
    let site = Site::new();
    let of = |source: &str| {
        let args = format!("{source} dialogs --metric x --step hour --from -5h --to -4h");
        site.run(&args, 0).records().remove(0)
    };
    let (batch, realtime) = (of("batch"), of("realtime"));
    assert_eq!(batch["source"], "batch");
    assert_ne!(batch["series"], realtime["series"]);
}

#[test]
fn m11_test_calls_are_asked_for_apart() {
    let site = Site::new();
    let base = "realtime dialogs --metric dialogs_completed --from -1h";
    let sum = |args: &str| -> u64 {
        let rows = site.run(&format!("{base} {args}"), 0).records();
        rows.iter().map(|row| row["value"].as_u64().unwrap()).sum()
    };
    let asked = site.metrics().bodies().len();
    let both = sum("--by test_flag");
    let flags: Vec<Value> = site.metrics().bodies()[asked..]
        .iter()
        .map(|body| body["filters"]["test_flag"].clone())
        .collect();
    // The first one told the time.
    assert_eq!(flags, [json!(true), json!(true), json!(false)]);
    let (tests, others) = (
        sum("--filter test_flag=true"),
        sum("--filter test_flag=false"),
    );
    assert_eq!(both, tests + others);
    assert!(tests > 0 && others > 0);
    let rows = site.run(&format!("{base} --by test_flag"), 0).records();
    let mut series: Vec<&Value> = rows.iter().map(|row| &row["series"]).collect();
    series.dedup();
    assert_eq!(series.len(), 2);
}

#[test]
fn m12_a_filter_of_the_other_source_is_warned_about() {
    let site = Site::new();
    let ran = site.run(&format!("{DAY} --filter locale=en-US"), 0);
    assert!(
        ran.stderr().contains("no filter 'locale' here"),
        "{}",
        ran.stderr()
    );
    assert!(ran.stderr().contains("language"), "{}", ran.stderr());
}

#[test]
fn m12_a_key_that_the_reply_does_not_have_is_warned_about() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.has_no_tags = true);
    let ran = site.run(&format!("{DAY} --by channel"), 0);
    assert!(
        ran.stderr()
            .contains("no series has the tag channel: try the other --by-style"),
        "{}",
        ran.stderr()
    );
    let ran = site.run(&format!("{DAY} --by channel --by-style omit"), 0);
    assert_eq!(last_body(&site)["filters"], json!({}));
    assert_eq!(last_body(&site)["drilldown"], true);
    drop(ran);
}

#[test]
fn m13_keys_are_read_in_every_spelling() {
    let site = Site::new();
    let keys = [
        "2026-11-04 00:00:00.0",
        "2026-11-04 01:00:00.000",
        "2026-11-04T02:00:00",
        "2026/11/04 03:00:00.123456789",
        "2026-11-04T04:00:00Z",
    ];
    let dps: Vec<String> = keys[..3]
        .iter()
        .chain(&keys[4..])
        .enumerate()
        .map(|(at, key)| format!("\"{key}\":{at}"))
        .collect();
    reply(&site, &series(&dps.join(",")));
    let rows = site.run(&format!("{DAY} --max-gap 1"), 0).records();
    let from: Vec<&str> = rows
        .iter()
        .map(|row| &row["from"].as_str().unwrap()[11..13])
        .collect();
    assert_eq!(from, ["00", "01", "02", "04"]);
    let site = Site::new();
    reply(&site, &series(r#""04.11.2026 00:00":1"#));
    let ran = site.run(DAY, 65);
    assert!(
        ran.stderr()
            .contains("the key '04.11.2026 00:00' is not a time"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn m14_what_is_older_than_the_service_keeps_is_cut_off_and_said() {
    let site = Site::new();
    let ran = site.run("realtime dialogs --from -72h", 0);
    assert!(
        ran.stderr().contains("starting at 2026-11-03T16:15:00Z"),
        "{}",
        ran.stderr()
    );
    assert_eq!(last_body(&site)["start"], "2026/11/03 16:15:00");
    let report = site.report();
    assert_eq!(report["lost_from"], "2026-11-02T16:00:00Z");
    assert_eq!(report["lost_to"], "2026-11-03T16:15:00Z");
    // The first request tells the time; after that nothing is asked.
    let asked = site.metrics().bodies().len();
    site.run("realtime dialogs --from -72h --strict", 69);
    site.run("batch dialogs --from -800d --to -750d", 69);
    assert!(site.metrics().bodies().len() <= asked + 1);
}

#[test]
fn m15_one_giant_request_is_many_small_ones() {
    let site = Site::new();
    let rows = site
        .run("batch dialogs --metric dialogs --from -60d", 0)
        .records();
    assert!(site.metrics().bodies().len() >= 9);
    assert_eq!(rows.len(), 60 * 24 - 2);
}

#[test]
fn m16_a_message_with_status_200_is_an_error() {
    let site = Site::new();
    site.metrics()
        .reply_with(200, r#"{"message":"the group is unknown"}"#);
    let ran = site.run(DAY, 69);
    assert!(
        ran.stderr().contains("the group is unknown"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.metrics().bodies().len(), 1);
    for body in [r#"{"message":""}"#, "{}", "7", ""] {
        let site = Site::new();
        for _ in 0..9 {
            site.metrics().reply_with(200, body);
        }
        let ran = site.program(DAY).run();
        assert!([69, 75].contains(&ran.status()), "{body}: {}", ran.stderr());
        assert_eq!(ran.stdout(), "");
    }
}

#[test]
fn m17_a_refusal_is_not_repeated() {
    let site = Site::new();
    site.sim.fault("metrics=400");
    site.run(DAY, 69);
    assert_eq!(site.sim.stats().requests["metrics"], 1);
}

#[test]
fn m18_numbers_keep_their_text() {
    let site = Site::new();
    reply(
        &site,
        &series(
            r#""2026-11-04 00:00:00.0":1152921504606846977,"2026-11-04 01:00:00.0":1.0,"2026-11-04 02:00:00.0":"12","2026-11-04 03:00:00.0":null,"2026-11-04 04:00:00.0":1.10"#,
        ),
    );
    let lines = site.run(DAY, 0).lines();
    for (line, value) in lines
        .iter()
        .zip(["1152921504606846977", "1.0", "12", "null", "1.10"])
    {
        assert!(line.contains(&format!("\"value\":{value},")), "{line}");
    }
    assert_eq!(lines.len(), 5);
}

#[test]
fn m19_v2_is_said_to_be_retired_and_is_not_replaced() {
    let site = Site::new();
    let ran = site.run(&format!("{DAY} --api v2"), 69);
    assert!(
        ran.stderr().contains("v2 is retired, use --api v3"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.sim.stats().requests["metrics"], 1);
    site.metrics().set(|knobs| knobs.versions = vec!["v4"]);
    assert_eq!(site.run(&format!("{DAY} --api v4"), 0).lines().len(), 24);
}

#[test]
fn v2_is_asked_for_what_it_has() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.versions = vec!["v2"]);
    for (source, of_each) in [("realtime", vec![9, 1]), ("batch", vec![5, 3, 7])] {
        let asked = site.metrics().bodies().len();
        let args = format!("{source} all --api v2 --from -5h --to -4h --by channel");
        let rows = site.run(&args, 0).records();
        assert!(rows.iter().all(|row| row["api"] == "v2"));
        let buckets = if source == "batch" { 2 } else { 13 };
        assert_eq!(rows.len(), of_each.iter().sum::<usize>() * 2 * buckets);
        let names = |body: &Value| body["metrics"].as_array().unwrap().len();
        let mut bodies: Vec<usize> = site.metrics().bodies()[asked..].iter().map(names).collect();
        // The first request of a run may be asked again when the time is known.
        bodies.dedup();
        assert_eq!(bodies, of_each, "{source}");
    }
    let names = site.metrics().bodies()[0]["metrics"].to_string();
    assert!(
        names.contains("\"no_inputs\"") && !names.contains("root_"),
        "{names}"
    );
}

#[test]
fn tags_are_passed_on_as_they_come() {
    let site = Site::new();
    reply(
        &site,
        r#"[{"metric":"dialogs","tags":{"b":"","a":null},"dps":{"2026-11-04 00:00:00.0":1}},{"metric":"dialogs","dps":{"2026-11-04 00:00:00.0":2}}]"#,
    );
    let lines = site.run(DAY, 0).lines();
    assert!(
        lines[0].contains(r#""tags":{"b":"","a":null}"#),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains(r#""tags":{}"#), "{}", lines[1]);
}

#[test]
fn a_reply_that_breaks_off_leaves_no_row() {
    let site = Site::new();
    let whole = site.run(DAY, 0).records();
    let site = Site::new();
    site.metrics().cut_next(&series(
        r#""2026-11-04 00:00:00.0":77,"2026-11-04 01:00:00.0":78"#,
    ));
    // Whole for HTTP, and yet not JSON.
    site.metrics().reply_with(
        200,
        r#"[{"metric":"dialogs","dps":{"2026-11-04 00:00:00.0":79}},"#,
    );
    let rows = site.run(DAY, 0).records();
    assert_eq!(latest(&rows), latest(&whole));
    assert_eq!(rows.len(), whole.len());
}
