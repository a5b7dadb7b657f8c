//! Real-time polling: what is written again, what a failure costs, how it ends.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::metrics::site::{Site, latest};

const POLL: &str = "realtime dialogs --metric dialogs_completed --state S";
const FOLLOW: &str = "realtime dialogs --metric dialogs_completed --state S --follow --every 50ms";

/// Metric, the beginning of the bucket, value: of the rows that are not zero.
fn counted(rows: &[Value]) -> Vec<(String, String, u64)> {
    let mut counted: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            let from = text("from")[11..16].to_owned();
            (text("metric"), from, row["value"].as_u64().unwrap())
        })
        .filter(|(_, _, value)| *value > 0)
        .collect();
    counted.sort();
    counted
}

#[test]
fn the_vendors_example_of_a_call_comes_as_it_is_told() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.is_empty = true);
    let time = |text: &str| format!("2026-11-05T{text}Z");
    for (category, metric, at, known) in [
        ("miniapps", "miniapps_invocations", "10:01:00", "10:02:01"),
        ("miniapps", "miniapps_invocations", "10:02:00", "10:06:01"),
        ("miniapps", "miniapps_invocations", "10:06:00", "10:08:01"),
        ("sessions", "session.initiated", "10:01:00", "10:02:01"),
        ("sessions", "session.initiated", "10:05:00", "10:06:01"),
        ("dialogs", "dialogs_completed", "10:01:00", "10:08:01"),
    ] {
        site.metrics()
            .event(category, metric, &time(at), &time(known));
    }
    let poll = |at: &str| {
        site.metrics().set_now(&time(at));
        let args = "realtime all --metric miniapps_invocations --metric session.initiated --metric dialogs_completed --state S --span 1h";
        counted(&site.run(args, 0).records())
    };
    let row = |metric: &str, from: &str, value| (metric.to_owned(), from.to_owned(), value);
    assert_eq!(poll("10:01:30"), []);
    assert_eq!(
        poll("10:03:00"),
        [
            row("miniapps_invocations", "10:00", 1),
            row("session.initiated", "10:00", 1)
        ]
    );
    assert_eq!(
        poll("10:07:00"),
        [
            row("miniapps_invocations", "10:00", 2),
            row("session.initiated", "10:05", 1)
        ]
    );
    assert_eq!(
        poll("10:09:00"),
        [
            row("dialogs_completed", "10:00", 1),
            row("miniapps_invocations", "10:05", 1)
        ]
    );
    assert_eq!(poll("10:09:30"), []);
}

#[test]
fn m01_a_long_call_is_seen_when_it_ends() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.is_empty = true);
    let mut rows = site.run(POLL, 0).records();
    site.metrics().event(
        "dialogs",
        "dialogs_completed",
        "2026-11-05T16:01:00Z",
        "2026-11-05T17:40:00Z",
    );
    for now in ["2026-11-05T17:00:00Z", "2026-11-05T17:45:00Z"] {
        site.metrics().set_now(now);
        rows.extend(site.run(POLL, 0).records());
    }
    assert_eq!(
        counted(&rows),
        [("dialogs_completed".to_owned(), "16:00".to_owned(), 1)]
    );
}

#[test]
fn m02_a_poll_writes_only_what_is_new_or_changed() {
    let site = Site::new();
    let first = site.run(POLL, 0).records();
    assert_eq!(
        first.len(),
        25,
        "two hours and the bucket that has just begun"
    );
    assert_eq!(site.run(POLL, 0).lines().len(), 0);
    let entry = site.entry("dialogs/acme");
    let next = entry["seen_to"].as_str().unwrap();
    assert!(next.starts_with("2026-11-05T16:02:1"), "{next}");
    assert!(
        first
            .iter()
            .all(|row| row["settled"] == false && row["revision"].is_null())
    );
}

#[test]
fn after_a_pause_all_of_it_is_asked_for_and_a_hole_is_said() {
    let site = Site::new();
    site.run(POLL, 0);
    site.metrics().set_now("2026-11-06T06:02:11Z");
    let rows = site.run(POLL, 0).records();
    assert_eq!(rows.last().unwrap()["from"], "2026-11-06T06:00:00Z");
    let bodies = site.metrics().bodies();
    assert_eq!(bodies.last().unwrap()["start"], "2026/11/05 14:00:00");
    site.metrics().set_now("2026-11-09T16:02:11Z");
    let ran = site.run(POLL, 0);
    assert!(
        ran.stderr()
            .contains("older ones cannot be read, but batch has them by the hour"),
        "{}",
        ran.stderr()
    );
    let report = site.report();
    assert_eq!(report["lost_from"], "2026-11-06T04:00:00Z");
    assert_eq!(report["lost_to"], "2026-11-07T16:15:00Z");
}

#[test]
fn the_first_poll_begins_where_since_says() {
    let site = Site::new();
    let rows = site.run(&format!("{POLL} --since -302m"), 0).records();
    assert_eq!(rows[0]["from"], "2026-11-05T11:00:00Z");
}

#[test]
fn following_ends_with_its_time_and_writes_what_grows() {
    let site = Site::new();
    site.metrics().run(600.0);
    let args = format!("{FOLLOW} --for 1500ms");
    let ran = site.run(&args, 0);
    let report = site.report();
    assert!(report["polls"].as_u64() > Some(2), "{report}");
    let rows = ran.records();
    assert!(
        rows.len() > latest(&rows).len(),
        "some bucket was written twice"
    );
    let distinct: std::collections::HashSet<String> = rows
        .iter()
        .map(|row| format!("{}{}{}", row["series"], row["from"], row["value"]))
        .collect();
    assert_eq!(distinct.len(), rows.len(), "nothing is written twice");
}

#[test]
fn a_failed_poll_is_made_up_for_by_the_next_one() {
    let site = Site::new();
    // Each poll tries twice; the first request of all is asked again when the time is known.
    site.sim.fault("metrics@3-4=503");
    let ran = site.run(&format!("{FOLLOW} --for 1500ms"), 0);
    assert_eq!(site.report()["failed_polls"], 1);
    assert_eq!(ran.records().len(), 25);
    assert!(
        ran.stderr().contains("polling continues"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_key_that_comes_twice_fails_one_poll() {
    let site = Site::new();
    site.metrics().reply_with(200, "[]");
    let twice = r#"[{"metric":"m","dps":{"2026-11-05 16:00:00.0":1,"2026-11-05 16:00:00.0":2}}]"#;
    site.metrics().reply_with(200, twice);
    let ran = site.run(&format!("{FOLLOW} --for 1500ms"), 0);
    assert_eq!(site.report()["failed_polls"], 1);
    assert_eq!(ran.records().len(), 25);
}

#[test]
fn a_refusal_ends_the_first_poll_and_no_later_one() {
    for (fault, status) in [
        ("metrics=400", 69),
        ("metrics=403", 77),
        ("metrics=404", 69),
    ] {
        let site = Site::new();
        site.sim.fault(fault);
        assert_eq!(site.run(&format!("{FOLLOW} --for 5s"), status).stdout(), "");
    }
    let site = Site::new();
    site.sim.fault("metrics@3+=403");
    let ran = site.run(&format!("{FOLLOW} --for 1s"), 0);
    assert_eq!(ran.records().len(), 25);
    assert!(site.report()["failed_polls"].as_u64() > Some(0));
}

#[test]
fn a_group_that_is_refused_does_not_end_the_polls_of_the_others() {
    let site = Site::new();
    let ran = site.run(
        &format!("{FOLLOW} --group hidden --group acme-qa --for 2s"),
        77,
    );
    let rows = ran.records();
    assert!(rows.iter().any(|row| row["group"] == "acme-qa"));
    let said = ran.stderr();
    assert_eq!(
        said.matches("may not see group hidden").count(),
        1,
        "{said}"
    );
    assert!(said.contains("; the others continue"), "{said}");
    assert_eq!(site.report()["failed_polls"], 0);
    assert!(site.report()["polls"].as_u64() > Some(1));
}

#[test]
fn missing_buckets_are_only_counted() {
    let site = Site::new();
    site.metrics()
        .hide("dialogs_completed", "2026-11-05T15:00:00Z", true);
    assert_eq!(site.run(POLL, 0).records().len(), 24);
    assert_eq!(site.report()["missing"], 1);
}

#[test]
fn a_terminated_run_has_saved_its_state() {
    let site = Site::new();
    let rows = site.path("rows");
    let mut child = Command::new(crate::harness::bin_dir().join("ocp-metrics"))
        .args(FOLLOW.split(' '))
        .args(["--group", "acme", "--rate", "9999/1s"])
        .current_dir(site.dir.path())
        .env("OCP_API_URL", site.sim.url())
        .env("OCP_PAT", crate::metrics::site::PAT)
        .stdout(File::create(&rows).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !site.path("S").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let entry = site.entry("dialogs/acme");
    let next = entry["seen_to"].as_str().unwrap();
    assert!(next.starts_with("2026-11-05T16:02:1"), "{next}");
    assert_eq!(std::fs::read_to_string(&rows).unwrap().lines().count(), 25);
}

#[test]
fn a_reader_that_leaves_and_a_full_disk_end_it() {
    let site = Site::new();
    let ran = site.program(FOLLOW).with(|command| {
        let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let pipe = reader.stdin.take().unwrap();
        reader.wait().unwrap();
        command.stdout(pipe);
    });
    assert_eq!(ran.status(), 1, "{}", ran.stderr());
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ran = site.program(FOLLOW).with(|command| {
        command.stdout(full);
    });
    assert_eq!(ran.status(), 74, "{}", ran.stderr());
    assert!(!site.path("S").exists());
}

#[test]
fn a_bucket_that_does_not_come_any_more_is_gone_once() {
    let site = Site::new();
    site.run(POLL, 0);
    let hide = |is_hidden| {
        site.metrics()
            .hide("dialogs_completed", "2026-11-05T15:00:00Z", is_hidden);
    };
    hide(true);
    site.metrics().set_now("2026-11-05T16:03:11Z");
    let of = |rows: Vec<Value>| -> Vec<Value> {
        let at = |row: &Value| row["from"] == "2026-11-05T15:00:00Z";
        rows.into_iter().filter(at).collect()
    };
    let rows = of(site.run(POLL, 0).records());
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (&rows[0]["value"], &rows[0]["gone"], &rows[0]["as_of"]),
        (&json!(null), &json!(true), &json!("2026-11-05T16:03:11Z"))
    );
    assert!(rows[0].get("revision").is_none(), "{}", rows[0]);
    assert_eq!(site.report()["gone"], 1);
    site.metrics().set_now("2026-11-05T16:04:11Z");
    assert!(of(site.run(POLL, 0).records()).is_empty());
    hide(false);
    site.metrics().set_now("2026-11-05T16:05:11Z");
    let rows = of(site.run(POLL, 0).records());
    assert!(rows.len() == 1 && rows[0].get("gone").is_none(), "{rows:?}");
}

#[test]
fn a_state_says_seen_to_and_an_older_one_that_says_next_is_read() {
    let site = Site::new();
    site.run(POLL, 0);
    let entry = site.entry("dialogs/acme");
    let seen_to = entry["seen_to"].as_str().unwrap();
    assert!(seen_to.starts_with("2026-11-05T16:02:1"), "{entry}");
    assert!(entry.get("next").is_none(), "{entry}");
    let state = std::fs::read_to_string(site.path("S")).unwrap();
    // Without its checksum, as one that was edited.
    let mut older: Value = serde_json::from_str(&state.replace("\"seen_to\"", "\"next\"")).unwrap();
    older.as_object_mut().unwrap().remove("crc").unwrap();
    std::fs::write(site.path("S"), older.to_string()).unwrap();
    site.metrics().set_now("2026-11-05T17:02:11Z");
    site.run(POLL, 0);
    let body = crate::metrics::site::last_body(&site);
    assert_eq!(body["start"], "2026/11/05 14:00:00", "the span before it");
    assert_eq!(
        site.entry("dialogs/acme")["seen_to"],
        "2026-11-05T17:02:11Z"
    );
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    let site = Site::new();
    for (args, words) in [
        (
            "realtime dialogs --follow --every 5s",
            "polls closer than 30s need --rate",
        ),
        ("realtime dialogs --state S --from -1h", "use --since"),
        (
            "realtime dialogs --follow --from -1h",
            "cannot be used with",
        ),
        ("realtime dialogs --for 5s", "--follow"),
        ("batch dialogs --from -1d --follow", "unexpected argument"),
    ] {
        let ran = crate::harness::program("ocp-metrics")
            .args(args.split(' '))
            .args(["--group", "acme", "--api-url", "http://127.0.0.1:9"])
            .env("OCP_PAT", "x")
            .dir(site.dir.path())
            .run()
            .ends(2);
        assert!(ran.stderr().contains(words), "{args}: {}", ran.stderr());
    }
}

#[test]
fn a_batch_state_is_not_taken_for_a_realtime_one() {
    let site = Site::new();
    site.run("batch dialogs --state S --from 2026-11-05", 0);
    let ran = site.run(POLL, 2);
    assert!(
        ran.stderr().contains("this state was made with"),
        "{}",
        ran.stderr()
    );
    assert_eq!(json!(null), site.entry("nothing"));
}
