//! The text for Prometheus.

use std::collections::BTreeMap;

use crate::metrics::site::Site;

/// The samples of a text, after a check of what the format asks for.
fn samples(text: &str) -> BTreeMap<String, String> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut samples = BTreeMap::new();
    let mut typed = Vec::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let name = family.split(' ').next().unwrap().to_owned();
            assert!(!typed.contains(&name), "{name} comes in two places");
            typed.push(name);
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let end = line
            .find('}')
            .map_or_else(|| line.find(' ').unwrap(), |end| end + 1);
        let (name, value) = line.split_at(end);
        let family = typed.last().unwrap();
        assert!(name.starts_with(family.as_str()), "{name} in {family}");
        samples.insert(name.to_owned(), value.trim().to_owned());
    }
    samples
}

#[test]
fn m20_the_newest_complete_bucket_is_a_gauge() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.is_empty = true);
    for (at, known) in [
        ("15:48:00", "15:49:00"),
        ("15:51:00", "15:52:00"),
        ("15:52:00", "15:53:00"),
    ] {
        let time = |text: &str| format!("2026-11-05T{text}Z");
        site.metrics()
            .event("dialogs", "dialogs_completed", &time(at), &time(known));
    }
    let args = "realtime dialogs sessions --metric dialogs_completed --metric session.initiated --by channel --state S --openmetrics ocp.prom";
    site.run(args, 0);
    let read = || std::fs::read_to_string(site.path("ocp.prom")).unwrap();
    let text = read();
    assert!(
        text.contains("# TYPE ocp_realtime_dialogs_dialogs_completed gauge\n"),
        "{text}"
    );
    assert!(!text.contains("counter\nocp_realtime"), "{text}");
    let chat = r#"{channel="chat",group="acme",step="five_min"}"#;
    let name = |metric: &str| format!("ocp_realtime_{metric}{chat}");
    let of = samples(&text);
    // At 16:02 the bucket that ended at 15:50 is the newest one that is 10 minutes old.
    assert_eq!(of[&name("dialogs_dialogs_completed")], "1");
    let start = &of[&name("dialogs_dialogs_completed_start_time_seconds")];
    assert_eq!(start, "1793893500");
    assert_eq!(of[&name("sessions_session_initiated")], "0");
    assert_eq!(of["ocp_metrics_up"], "1");
    site.metrics().set_now("2026-11-05T16:05:11Z");
    site.run(args, 0);
    assert_eq!(samples(&read())[&name("dialogs_dialogs_completed")], "2");
}

#[test]
fn how_late_a_bucket_changes_is_measured() {
    let site = Site::new();
    site.metrics().run(600.0);
    let args = "realtime dialogs --follow --every 50ms --for 1500ms --openmetrics ocp.prom";
    site.run(args, 0);
    let of = samples(&std::fs::read_to_string(site.path("ocp.prom")).unwrap());
    let number = |name: &str| of[name].parse::<u64>().unwrap();
    assert!(number(r#"ocp_metrics_polls_total{result="ok"}"#) > 1);
    assert!(number("ocp_metrics_changed_after_seconds_count") > 0);
    let most = number(r#"ocp_metrics_changed_after_seconds_bucket{le="+Inf"}"#);
    assert_eq!(most, number("ocp_metrics_changed_after_seconds_count"));
    assert!(number(r#"ocp_metrics_changed_after_seconds_bucket{le="300.0"}"#) <= most);
    assert!(number("ocp_metrics_rows_total") > 100);
}

#[test]
fn history_has_times_and_goes_to_stdout_in_place_of_rows() {
    let site = Site::new();
    let args = "batch dialogs --metric dialogs --metric error --from 2026-11-04 --to 2026-11-05 --window 6h --openmetrics - --timestamps";
    let text = site.run(args, 0).stdout();
    samples(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 2 * 24);
    let first = lines[0];
    assert!(
        first.starts_with(r#"ocp_batch_dialogs_dialogs{group="acme",step="hour"} "#),
        "{first}"
    );
    assert!(first.ends_with(" 1793750400"), "{first}");
    site.run("realtime dialogs --follow --openmetrics -", 2);
    site.run("realtime dialogs --follow --openmetrics x --timestamps", 2);
    site.run("realtime dialogs --openmetrics x -o x", 2);
}

#[test]
fn too_many_series_are_an_error_before_the_file_is_written() {
    let site = Site::new();
    site.metrics().set(|knobs| knobs.flows = 20);
    let args = "realtime dialogs --metric dialogs_completed --by flow_name --openmetrics x";
    let ran = site.run(&format!("{args} --max-series 19"), 69);
    assert!(
        ran.stderr().contains("more than 19 series"),
        "{}",
        ran.stderr()
    );
    assert!(!site.path("x").exists());
    site.run(args, 0);
}

#[test]
fn labels_are_escaped_and_test_calls_are_told_apart() {
    let site = Site::new();
    let body = r#"[{"metric":"m","tags":{"a-b":"x\"\\\ny","group":"acme"},"dps":{"2026-11-05 10:00:00.0":1}}]"#;
    site.metrics().reply_with(200, body);
    let args = "batch dialogs --metric m --from 2026-11-05T10:00:00Z --to 2026-11-05T11:00:00Z --openmetrics -";
    let text = site.run(args, 0).stdout();
    let sample = r#"ocp_batch_dialogs_m{a_b="x\"\\\ny",group="acme",step="hour"} 1"#;
    assert!(text.contains(sample), "{text}");
    let args = "realtime dialogs --metric dialogs_completed --by test_flag --openmetrics -";
    let text = site.run(args, 0).stdout();
    for flag in ["true", "false"] {
        assert!(text.contains(&format!("test_flag=\"{flag}\"")), "{text}");
    }
}
