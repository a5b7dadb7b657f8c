//! The content of a state, when it is written, and runs that do not come to their end.

use std::time::Duration;

use crate::dialpad::site::{Site, sorted};

const ARGS: [&str; 6] = ["--state", "S", "--from", "-12d", "--window", "6h"];

#[test]
fn each_run_brings_what_is_new_and_nothing_twice() {
    let site = Site::new();
    let mut lines = site.run(&ARGS, 0).lines();
    assert_eq!(sorted(lines.clone()), sorted(site.messages().truth()));
    for _ in 0..3 {
        assert_eq!(site.run(&ARGS, 0).stdout(), "");
        site.messages().grow(30, 0.9, chrono::Utc::now());
        lines.extend(site.run(&["--state", "S"], 0).lines());
        assert_eq!(sorted(lines.clone()), sorted(site.messages().truth()));
    }
    assert!(site.report()["late"].as_u64() >= Some(20));
}

#[test]
fn a_longer_look_back_does_not_double_what_was_forgotten() {
    let site = Site::new();
    site.run(&ARGS, 0);
    assert_eq!(
        site.run(&["--state", "S", "--lookback", "10d"], 0).stdout(),
        ""
    );
    assert_eq!(
        site.run(&["--state", "S", "--lookback", "0s"], 0).stdout(),
        ""
    );
    assert_eq!(
        site.run(&["--state", "S", "--lookback", "2d"], 0).stdout(),
        ""
    );
}

#[test]
fn other_settings_are_refused_and_a_second_run_waits_its_turn() {
    let site = Site::new();
    site.run(&ARGS, 0);
    for (args, words) in [
        (["--epoch-unit", "s"], "made with epoch_unit = ms, not s"),
        (
            ["--provider-id", "7"],
            "made with provider_id = 1020, not 7",
        ),
    ] {
        let ran = site.run(&[&ARGS[..], &args].concat(), 2);
        assert!(ran.stderr().contains(words), "{}", ran.stderr());
    }
    let ran = site.run(&["--state", "S", "--from", "-30d"], 0);
    assert!(
        ran.stderr()
            .contains("use another --state for older messages"),
        "{}",
        ran.stderr()
    );
    let script = "exec 9> S.lock; flock 9; dialpad-window --state S";
    site.shell(script).run().ends(75);
}

#[test]
fn settings_that_bring_nothing_leave_no_state_behind() {
    let site = Site::new();
    site.run(&[&ARGS[..], &["--epoch-unit", "s"]].concat(), 2);
    assert!(!site.path("S").exists());
    assert_eq!(site.run(&ARGS, 0).lines().len(), 300);
}

#[test]
fn a_reader_that_left_moves_nothing_and_without_a_state_nobody_minds() {
    let site = Site::new();
    for reader in ["true", "head -c 1 > /dev/null"] {
        let ran = site
            .shell(&format!("dialpad-window {} | {reader}", ARGS.join(" ")))
            .run()
            .ends(1);
        assert!(
            ran.stderr().contains("the reader closed stdout"),
            "{}",
            ran.stderr()
        );
    }
    let ran = site
        .shell("dialpad-window --from -12d | head -n 1")
        .run()
        .ends(0);
    assert_eq!((ran.lines().len(), ran.stderr().as_str()), (1, ""));
    let script = format!("dialpad-window {} | head -n 10", ARGS.join(" "));
    let mut seen = site.shell(&script).run().lines();
    seen.extend(site.run(&ARGS, 0).lines());
    let truth = site.messages().truth();
    assert!(
        truth.iter().all(|line| seen.contains(line)),
        "what was not read comes again"
    );
}

#[test]
fn a_state_that_goes_elsewhere_is_committed_by_mv() {
    let site = Site::new();
    let mut lines = Vec::new();
    for run in 0..4 {
        let args = [&ARGS[..], &["--state-out", "next"]].concat();
        let again = site.run(&args, 0).lines();
        assert_eq!(
            sorted(site.run(&args, 0).lines()),
            sorted(again.clone()),
            "not committed: the same again"
        );
        lines.extend(again);
        std::fs::rename(site.path("next"), site.path("S")).unwrap();
        assert_eq!(
            sorted(lines.clone()),
            sorted(site.messages().truth()),
            "{run}"
        );
        site.messages().grow(25, 0.9, chrono::Utc::now());
    }
}

#[test]
fn killed_at_any_moment_the_next_run_goes_on() {
    let site = Site::with(|config| config.messages = 500);
    let script = format!("exec dialpad-window {} >> out", ARGS.join(" "));
    let mut moment = 0.0_f64;
    for _ in 0..12 {
        moment = (moment + 0.618_034).fract();
        let mut child = site.shell(&script).spawn();
        std::thread::sleep(Duration::from_secs_f64(0.02 + moment * 0.15));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    site.shell(&script).run().ends(0);
    let lines: Vec<String> = site.read("out").lines().map(str::to_owned).collect();
    let truth = site.messages().truth();
    let count = |all: &[String], line: &String| all.iter().filter(|l| *l == line).count();
    assert!(
        truth
            .iter()
            .all(|line| count(&lines, line) >= count(&truth, line)),
        "nothing is lost"
    );
    let doubled = lines.len() - truth.len();
    assert!(
        doubled <= 12 * 40,
        "at most the window at hand comes again: {doubled}"
    );
    assert_eq!(site.run(&ARGS, 0).stdout(), "");
}

#[test]
fn a_file_of_messages_has_its_name_before_the_state_says_so() {
    let site = Site::new();
    site.sim.fault("messages@20+=401");
    site.run(&[&ARGS[..], &["-o", "out"]].concat(), 77);
    assert!(!site.path("out").exists() && !site.path("S").exists());
    site.sim.reset();
    site.run(&[&ARGS[..], &["-o", "out"]].concat(), 0);
    assert_eq!(site.read("out").lines().count(), 300);
    assert!(site.path("S").exists());
}

#[test]
fn a_full_disk_is_74_and_moves_nothing() {
    let site = Site::new();
    let args = ARGS.join(" ");
    for script in [
        format!("dialpad-window {args} > /dev/full"),
        format!("dialpad-window {args} -o /dev/full"),
        "dialpad-window --from -2d --state /proc/S".to_owned(),
        format!("trap '' XFSZ; ulimit -f 0; dialpad-window {args}"),
    ] {
        site.shell(&script).run().ends(74);
        assert!(!site.path("S").exists(), "{script}");
    }
}

#[test]
fn terminated_or_interrupted_the_state_is_where_its_windows_are() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let site = Site::new();
        site.sim.fault("messages@30=stall,for=60s");
        let script = format!(
            "env --default-signal=INT dialpad-window {} --read-timeout 60s > out & sleep 0.7; kill -{signal} $!; wait $!",
            ARGS.join(" ")
        );
        let ran = site.shell(&script).run();
        assert_eq!(ran.status(), code, "{}", ran.stderr());
        let mut lines: Vec<String> = site.read("out").lines().map(str::to_owned).collect();
        assert!(!lines.is_empty());
        site.sim.reset();
        lines.extend(site.run(&ARGS, 0).lines());
        assert_eq!(sorted(lines), sorted(site.messages().truth()));
    }
}

#[test]
fn a_deadline_ends_with_75_and_the_next_run_goes_on() {
    let site = Site::new();
    site.sim.fault("messages@25=slow-headers,for=60s");
    let args = [&ARGS[..], &["--deadline", "500ms", "--read-timeout", "30s"]].concat();
    let mut lines = site.run(&args, 75).lines();
    lines.extend(site.run(&ARGS, 0).lines());
    assert_eq!(sorted(lines), sorted(site.messages().truth()));
}

#[test]
fn a_gap_that_the_service_has_forgotten_is_said() {
    let site = Site::new();
    site.run(&ARGS, 0);
    let mut state: serde_json::Value = serde_json::from_str(&site.read("S")).unwrap();
    state.as_object_mut().unwrap().remove("crc");
    for name in ["from", "to", "seen_from"] {
        state["data"][name] = "2024-11-20T00:00:00Z".into();
    }
    std::fs::write(site.path("S"), state.to_string()).unwrap();
    let ran = site.run(&["--state", "S", "--window", "7d"], 0);
    assert!(
        ran.stderr()
            .contains("is older than the service keeps (365d)"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_state_from_a_clock_that_was_ahead_is_no_silence() {
    let site = Site::new();
    site.run(&["--from", "-12d", "--state", "S"], 0);
    let mut state: serde_json::Value = serde_json::from_str(&site.read("S")).unwrap();
    state.as_object_mut().unwrap().remove("crc");
    state["data"]["to"] = "2999-01-01T00:00:00Z".into();
    std::fs::write(site.path("S"), state.to_string()).unwrap();
    let ran = site.run(&["--state", "S"], 65);
    assert!(
        ran.stderr().contains("a clock is or was wrong"),
        "{}",
        ran.stderr()
    );
}
