//! The progress line, on a terminal that script(1) gives.

use std::time::Duration;

use crate::dialpad::site::Site as DialpadSite;
use crate::harness::{Program, program, scratch};
use crate::metrics::site::{PAT, Site as MetricsSite};
use crate::sim::Config;
use crate::site::{Site, config};
use crate::voicegain::site::Site as VoicegainSite;

/// Removes a line from the terminal.
const CLEAR: &str = "\u{1b}[2K";

/// Runs a pipeline on a terminal of 100 columns; what the terminal got.
fn terminal(script: &str, with: impl FnOnce(Program) -> Program) -> String {
    let script = format!("stty cols 100 rows 24; set -e; {script}");
    let on_terminal = program("script").args(["-qec", &script, "/dev/null"]);
    let ran = with(on_terminal).env("TERM", "xterm").run();
    assert_eq!(ran.status(), 0, "{}", ran.stdout());
    ran.stdout()
}

/// That the line said this, and nothing of it is left.
#[track_caller]
fn said(shown: &str, text: &str) {
    assert!(shown.contains(text), "no {text:?} in {shown:?}");
    let (_, rest) = shown.rsplit_once(CLEAR).expect("the line was removed");
    let left = rest.split('\u{1b}').next().unwrap_or_default().trim();
    assert_eq!(left, "", "{shown:?}");
}

#[test]
fn a_filter_that_waits_says_how_far_it_is() {
    let dir = scratch();
    let records = r#"echo '{"a":1}'; echo '{"a":2}'; sleep 3"#;
    let shown = terminal(
        &format!("({records}) | cdr-filter '.a == 1' > kept"),
        |program| program.dir(dir.path()),
    );
    said(&shown, "stdin: 16 B; 1 of 2 records kept");
    let kept = std::fs::read_to_string(dir.path().join("kept")).unwrap();
    assert_eq!(kept, "{\"a\":1}\n");
    for quiet in [
        "cdr-filter .",
        "cdr-filter --no-progress . > kept",
        "cdr-filter -q . > kept",
    ] {
        let shown = terminal(&format!("({records}) | {quiet}"), |program| {
            program.dir(dir.path())
        });
        assert!(
            !shown.contains("records kept") && !shown.contains(CLEAR),
            "{shown:?}"
        );
    }
}

#[test]
fn a_short_run_shows_no_line() {
    let dir = scratch();
    let shown = terminal("echo '{}' | cdr-filter . > kept", |program| {
        program.dir(dir.path())
    });
    assert_eq!(shown, "");
}

#[test]
fn unpacking_says_what_it_waits_for() {
    let dir = scratch();
    let shown = terminal("sleep 3 | unzip-jsonl > lines", |program| {
        program.dir(dir.path())
    });
    said(&shown, "waiting for a ZIP");
}

#[test]
fn recordings_are_counted_while_they_come() {
    let site = VoicegainSite::with(|config| {
        config.calls = 6;
        config.quota = (1000, 40_000);
    });
    site.sim.fault("recording@2=slow-headers,for=3s");
    let shown = terminal(
        "vg-consecutive --state S --audio-dir audio > calls",
        |program| program.dir(site.dir.path()).envs(site.env()),
    );
    said(&shown, "recordings: 1 of 5 done");
}

#[test]
fn windows_are_counted_while_they_come() {
    let site = DialpadSite::new();
    site.sim.fault("messages@2=slow-headers,for=3s");
    let shown = terminal(
        "dialpad-window --from -3d --window 1d > messages",
        |program| program.dir(site.dir.path()).envs(site.env()),
    );
    said(&shown, "window 1 of 3");
}

#[test]
fn the_line_names_the_reason_of_a_wait() {
    let site = DialpadSite::new();
    site.sim.fault("messages@2=503,retry-after=4");
    let shown = terminal(
        "dialpad-window --from -3d --window 1d > messages",
        |program| program.dir(site.dir.path()).envs(site.env()),
    );
    said(&shown, "waiting for the ");
    said(&shown, "; window 1 of 3");
}

#[test]
fn an_export_that_is_not_ready_is_named() {
    let site = Site::with(Config {
        processing: vec![Duration::from_secs(4)],
        ..config()
    });
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    std::fs::write(site.path("plan"), plan).unwrap();
    let shown = terminal(
        "export-fetch --out-dir cdrs --rate 5/1s --poll 100ms < plan > list",
        |program| program.dir(site.dir.path()).envs(site.env()),
    );
    said(&shown, "exports 0/1, pages 0/0, 0 B; acme: ");
    assert!(!site.read("list").is_empty());
}

#[test]
fn requests_for_metrics_are_counted_while_they_come() {
    let site = MetricsSite::new();
    site.sim.fault("metrics@1=slow-headers,for=3s");
    let shown = terminal(
        "ocp-metrics batch dialogs --group acme --from 2026-11-04T00:00:00Z --to 2026-11-05T00:00:00Z > rows",
        |program| {
            program
                .dir(site.dir.path())
                .env("OCP_API_URL", site.sim.url())
                .env("OCP_PAT", PAT)
        },
    );
    said(
        &shown,
        "requests left: 1, rows: 0; batch dialogs of group acme, ",
    );
}
