//! Failures on this side of the network, and the first thing that a user sees.

use crate::dialpad::site::{KEY, Site, sorted};
use crate::harness::{program, shell};
use crate::sim::dialpad::{IdForm, Shape};

#[test]
fn without_a_key_a_server_or_a_start_nothing_is_asked() {
    let site = Site::new();
    let url = site.sim.url();
    for (vars, words) in [
        (
            vec![
                ("DIALPAD_BASE_URL", url.as_str()),
                ("DIALPAD_PROVIDER_ID", "1020"),
            ],
            "set DIALPAD_API_KEY or DIALPAD_API_KEY_FILE",
        ),
        (
            vec![("DIALPAD_API_KEY", KEY), ("DIALPAD_PROVIDER_ID", "1020")],
            "give --base-url or DIALPAD_BASE_URL",
        ),
        (
            vec![("DIALPAD_API_KEY", KEY), ("DIALPAD_BASE_URL", &url)],
            "give --provider-id",
        ),
        (
            vec![
                ("DIALPAD_API_KEY", KEY),
                ("DIALPAD_PROVIDER_ID", "1"),
                ("DIALPAD_BASE_URL", "http://app.koopid.io"),
            ],
            "use https",
        ),
    ] {
        let mut program = program("dialpad-window").args(["--from", "-1d"]);
        for (name, value) in vars {
            program = program.env(name, value);
        }
        let ran = program.run().ends(2);
        assert!(ran.stderr().contains(words), "{}", ran.stderr());
    }
    let ran = site.run(&[], 2);
    assert!(ran.stderr().contains("give --from"), "{}", ran.stderr());
    for args in [
        ["--window", "8d"],
        ["--window", "0s"],
        ["--from", "tomorrow"],
        ["--to", ""],
        ["--customer-session", ""],
        ["--customer-session", "\n"],
        ["--overlap", "2d"],
    ] {
        site.export(&["--from", "-1d"]).args(args).run().ends(2);
    }
    for (from, to) in [("now", "-1d"), ("-1d", "-1d"), ("now+3d", "now")] {
        let ran = site.run(&["--from", from, "--to", to], 2);
        assert!(ran.stderr().contains("is empty"), "{}", ran.stderr());
    }
    assert_eq!(site.messages().requests(), 0);
}

#[test]
fn a_key_may_come_from_a_file_and_is_needed() {
    let site = Site::new();
    std::fs::write(site.path("key"), format!("{KEY}\n")).unwrap();
    let file = |name: &str| {
        site.shell(&format!(
            "unset DIALPAD_API_KEY; DIALPAD_API_KEY_FILE={name} dialpad-window --from -11d"
        ))
    };
    assert_eq!(file("key").run().ends(0).lines().len(), 300);
    file("/no/such/file").run().ends(2);
    site.export(&["--from", "-1d"])
        .env("DIALPAD_API_KEY", "wrong")
        .run()
        .ends(77);
}

#[test]
fn an_empty_variable_is_unset_and_a_line_end_is_no_part_of_an_id() {
    let site = Site::new();
    for (name, words) in [
        ("DIALPAD_BASE_URL", "no server: give --base-url"),
        ("DIALPAD_PROVIDER_ID", "no provider: give --provider-id"),
        ("DIALPAD_API_KEY", "no key: set DIALPAD_API_KEY"),
    ] {
        let ran = site.export(&["--from", "-1d"]).env(name, "").run().ends(2);
        assert!(ran.stderr().contains(words), "{name}: {}", ran.stderr());
    }
    let url = site.sim.url();
    let lines = site
        .export(&["--from", "-11d", "--base-url", &url, "--state", "S"])
        .env("DIALPAD_BASE_URL", "")
        .env("DIALPAD_PROVIDER_ID", "1020\n")
        .env("DIALPAD_API_KEY", format!("{KEY}\r\n"))
        .run()
        .ends(0)
        .lines();
    assert_eq!(lines.len(), 300);
    site.export(&["--state", "S"]).run().ends(0);
}

#[test]
fn a_plan_asks_nobody_and_can_be_taken_off() {
    let site = Site::new();
    let args = [
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-04T12:00",
        "--history",
        "100y",
        "--plan",
    ];
    program("dialpad-window").args(args).prints(
        "{\"from\":\"2026-01-01T00:00:00Z\",\"to\":\"2026-01-02T00:00:00Z\",\"start\":1767225599000,\"end\":1767312001000,\"epoch_unit\":\"ms\"}\n{\"from\":\"2026-01-02T00:00:00Z\",\"to\":\"2026-01-03T00:00:00Z\",\"start\":1767311999000,\"end\":1767398401000,\"epoch_unit\":\"ms\"}\n{\"from\":\"2026-01-03T00:00:00Z\",\"to\":\"2026-01-04T00:00:00Z\",\"start\":1767398399000,\"end\":1767484801000,\"epoch_unit\":\"ms\"}\n{\"from\":\"2026-01-04T00:00:00Z\",\"to\":\"2026-01-04T12:00:00Z\",\"start\":1767484799000,\"end\":1767528001000,\"epoch_unit\":\"ms\"}\n",
    );
    let plan = site.run(&["--from", "-1y", "--window", "7d", "--plan"], 0);
    assert_eq!((plan.lines().len(), plan.stderr().as_str()), (53, ""));
    assert_eq!(site.messages().requests(), 0);
    std::fs::write(site.path("had"), plan.lines()[..52].join("\n")).unwrap();
    site.run(&["--from", "-1y", "--have", "had"], 0);
    let missing = site.report()["windows"].as_array().unwrap().len();
    assert!(
        missing <= 2,
        "the last window, and the moments since: {missing}"
    );
}

#[test]
fn a_report_of_what_was_done_is_what_is_there() {
    let site = Site::new();
    site.sim.fault("messages@12+=403");
    let mut lines = site.run(&["--from", "-11d"], 77).lines();
    std::fs::rename(site.path("report"), site.path("had")).unwrap();
    site.sim.reset();
    lines.extend(
        site.run(&["--from", "-11d", "--have", "had", "--to", "now"], 0)
            .lines(),
    );
    assert_eq!(sorted(lines), sorted(site.messages().truth()));
}

#[test]
fn a_year_is_53_windows_in_seconds_and_what_is_empty_is_said() {
    let site = Site::with(|config| config.days = 29.0);
    let begun = std::time::Instant::now();
    let ran = site.run(&["--from", "-1y", "--window", "7d"], 0);
    assert!(begun.elapsed().as_secs() < 10);
    assert_eq!(ran.lines().len(), 300);
    let report = site.report();
    assert_eq!(report["windows"].as_array().unwrap().len(), 53);
    assert_eq!(report["empty_older_than_30d"].as_array().unwrap().len(), 1);
    assert!(
        ran.stderr()
            .contains("this is older than the 30 days that the service keeps for its dashboards"),
        "{}",
        ran.stderr()
    );
    assert_eq!(ran.stderr().lines().count(), 1);
}

#[test]
fn what_is_beyond_the_history_or_in_the_future_is_said() {
    let site = Site::new();
    let ran = site.run(
        &[
            "--from", "-2y", "--to", "now+1d", "--window", "7d", "--plan",
        ],
        0,
    );
    assert!(
        ran.stderr()
            .contains("is older than the service keeps (365d): starting at "),
        "{}",
        ran.stderr()
    );
    assert!(
        ran.stderr().contains("is in the future: ending now"),
        "{}",
        ran.stderr()
    );
    assert_eq!(ran.lines().len(), 53);
}

#[test]
fn an_unknown_provider_is_nothing_and_is_said() {
    let site = Site::new();
    let ran = site.run(
        &["--from", "-20d", "--provider-id", "7", "--skip-code", "99"],
        99,
    );
    assert!(
        ran.stderr().contains("check --provider-id and the key"),
        "{}",
        ran.stderr()
    );
    let requests = site.messages().requests();
    assert_eq!(
        requests,
        20 + 2 * 5,
        "each window, and what was empty a week at a time"
    );
}

#[test]
fn numbers_keep_their_digits_and_wrappers_can_be_lifted() {
    let site = Site::with(|config| config.id_form = IdForm::Number);
    let lines = site.run(&["--from", "-11d"], 0).lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains(r#""sessionid":13.10,"#))
    );
    assert_eq!(sorted(lines.clone()), sorted(site.messages().truth()));
    let lifted = site.run(&["--from", "-11d", "--add-session"], 0).lines();
    assert_eq!(lifted.len(), lines.len());
    for line in lifted {
        let at = line
            .find(",\"sessionowner\":\"agent-")
            .unwrap_or_else(|| panic!("{line}"));
        assert!(line.ends_with(",\"segments\":2.50,\"ts0\":null}"), "{line}");
        let own = line[..at].trim_end();
        assert!(
            lines
                .iter()
                .any(|line| line.strip_suffix('}').map(str::trim_end) == Some(own)),
            "{line}"
        );
    }
    let flat = Site::with(|config| config.shape = Shape::Flat);
    let lines = flat.run(&["--from", "-11d", "--add-session"], 0).lines();
    assert_eq!(sorted(lines), sorted(flat.messages().truth()));
}

#[test]
fn what_is_not_redacted_is_refused_before_it_leaves() {
    let site = Site::new();
    let ran = site.run(&["--from", "-11d", "--require-redacted"], 0);
    assert_eq!(
        sorted(ran.lines()),
        sorted(site.messages().truth()),
        "tokens are left alone"
    );
    site.messages()
        .add(site.messages().before_now(1000), "I am pat@example.test", 0);
    let ran = site.run(&["--from", "-11d", "--require-redacted"], 65);
    assert!(
        ran.stderr().contains("has an e-mail address"),
        "{}",
        ran.stderr()
    );
    assert!(!ran.stdout().contains("pat@") && !ran.stderr().contains("pat@"));
}

#[test]
fn every_window_can_be_verified() {
    let site = Site::new();
    let ran = site.run(&["--from", "-11d", "--verify-split"], 0);
    assert_eq!(sorted(ran.lines()), sorted(site.messages().truth()));
    assert_eq!(site.report()["halved"], 11);
}

#[test]
fn it_runs_without_a_home_and_reports_on_stdout_beside_a_file() {
    let site = Site::new();
    let ran = site
        .export(&["--from", "-11d", "-o", "out", "--report", "-"])
        .run()
        .ends(0);
    let report = &ran.records()[0];
    assert_eq!(
        (&report["messages"], &report["program"]),
        (&300.into(), &"dialpad-window".into())
    );
    assert!(report["first_time"].as_str() < report["last_time"].as_str());
    assert_eq!(
        report["bytes"].as_u64(),
        Some(site.read("out").len() as u64)
    );
}

/// The more there are, the longer it takes, and no more.
#[test]
fn memory_does_not_depend_on_how_many_there_are() {
    if shell("command -v time").run().status() != 0 {
        return;
    }
    let peak = |messages: u64| {
        let site = Site::with(|config| {
            (config.messages, config.days, config.shape) = (messages, 360.0, Shape::Wrapped);
        });
        let script = "command time -f %M -o peak dialpad-window --from -1y --window 7d --read-timeout 60s | wc -l";
        let lines = site.shell(script).run().ends(0).stdout();
        assert_eq!(lines.trim(), messages.to_string());
        site.read("peak").trim().parse::<u64>().unwrap()
    };
    let (few, many) = (peak(10_000), peak(1_000_000));
    assert!(
        many < few + 8192,
        "{few} KiB for 10 000 messages, {many} KiB for 1 000 000"
    );
}
