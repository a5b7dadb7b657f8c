//! Faults of the network and the service: the same messages, none twice.

use std::time::{Duration, Instant};

use crate::dialpad::site::{KEY, Site, sorted};

fn survives(faults: &[&str]) {
    let site = Site::new();
    for fault in faults {
        site.sim.fault(fault);
    }
    let ran = site.run(&["--from", "-11d"], 0);
    assert_eq!(
        sorted(ran.lines()),
        sorted(site.messages().truth()),
        "{faults:?}: {}",
        ran.stderr()
    );
    let stats = site.sim.stats();
    assert_eq!(
        (stats.leaked_credentials, stats.panics),
        (0, 0),
        "{faults:?}"
    );
    let id = &site.messages().sessions()[0];
    for fault in faults {
        // Two of the three requests that this takes.
        let fault = fault
            .replace("messages", "session")
            .replace("@2-4", "@1-2")
            .replace("@2", "@1");
        site.sim.fault(&fault);
    }
    let ran = site.run(&["--customer-session", id], 0);
    assert_eq!(
        sorted(ran.lines()),
        sorted(site.messages().truth_of(id)),
        "{faults:?}: {}",
        ran.stderr()
    );
}

macro_rules! survives {
    ($($name:ident: [$($fault:literal),*];)*) => {
        $(#[test] fn $name() { survives(&[$($fault),*]); })*
    };
}

survives! {
    throttled_for_seconds: ["messages@2=429,retry-after=1"];
    throttled_until_a_date: ["messages@2=429,retry-after=date:1"];
    throttled_without_a_word: ["messages@2=429"];
    a_burst_of_500: ["messages@2-4=500"];
    a_burst_of_503: ["messages@2-4=503,retry-after=0"];
    a_gateway_times_out: ["messages@2-4=504"];
    a_gateway_fails: ["messages@1=502", "messages@4=502"];
    every_fifth_request_fails: ["messages@%5=503"];
    a_body_is_cut: ["messages@2=cut"];
    every_second_body_is_cut: ["messages@%2=cut"];
    a_body_stalls: ["messages@2=stall,for=20s"];
    headers_do_not_come: ["messages@3=slow-headers,for=20s"];
    a_proxy_answers_in_html: ["messages@2=html"];
    json_is_broken: ["messages@2=garbage"];
    a_reply_is_lost: ["messages@1=lost", "messages@3=lost"];
    everything_at_once: ["messages@1=cut", "messages@3=429,retry-after=1", "messages@5=stall,for=9s", "messages@6=html", "messages@7=413", "messages@9=lost"];
}

/// A fault that does not pass, what the run ends with, and what it says.
fn gives_up(fault: &str, status: i32, words: &str) {
    let site = Site::new();
    site.sim.fault(fault);
    let args = [
        "--from", "-11d", "--window", "12h", "--tries", "2", "--state", "S",
    ];
    let ran = site.run(&args, status);
    assert!(ran.stderr().contains(words), "{fault}: {}", ran.stderr());
    assert_eq!(site.report()["status"].as_i64(), Some(i64::from(status)));
    assert!(!ran.stderr().contains(KEY));
    // The messages so far are safe, and the next run goes on after them.
    site.sim.reset();
    let rest = site.run(&args, 0);
    let all = [ran.lines(), rest.lines()].concat();
    assert_eq!(sorted(all), sorted(site.messages().truth()), "{fault}");
}

macro_rules! gives_up {
    ($($name:ident: $fault:literal, $status:literal, $words:literal;)*) => {
        $(#[test] fn $name() { gives_up($fault, $status, $words); })*
    };
}

gives_up! {
    it_stays_unavailable: "messages@20+=503", 75, "HTTP 503, after 2 tries";
    it_asks_for_too_much_patience: "messages@20+=429,retry-after=7200", 75, "asks to wait 2h, longer than --patience";
    it_never_replies: "messages@20+=lost", 75, "after 2 tries";
    it_stalls_for_ever: "messages@20+=stall,for=60s", 75, "after 2 tries";
    the_key_dies: "messages@20+=401", 77, "HTTP 401, {\"message\":\"no valid API key\"}: the key is not accepted: use the key in Configure Digital Engagement";
    the_role_is_missing: "messages@20=403", 77, "HTTP 403";
    it_is_a_bad_request: "messages@20=400", 69, "HTTP 400, {\"message\":\"bad request\"}: check --epoch-unit";
    it_is_not_there: "messages@20=404", 69, "check --base-url";
    it_is_html_for_ever: "messages@20+=html", 75, "an HTML page instead of messages";
    it_is_garbage_for_ever: "messages@20+=garbage", 75, "the reply is cut off";
    it_sends_elsewhere: "messages@20=redirect", 69, "the service redirects to 127.0.0.1:";
}

#[test]
fn a_redirect_takes_no_key_along_in_either_way() {
    for auth in ["bearer", "query"] {
        let site = Site::new();
        site.sim.fault("session=redirect");
        let ran = site.run(&["--customer-session", "1.2", "--auth", auth, "-vv"], 69);
        assert!(
            ran.stderr().contains("check --base-url"),
            "{}",
            ran.stderr()
        );
        assert!(!ran.stderr().contains(KEY), "{}", ran.stderr());
        assert_eq!(site.sim.stats().leaked_credentials, 0);
    }
}

#[test]
fn the_old_key_in_the_query_is_nowhere_to_be_read() {
    let site = Site::new();
    for fault in [
        "",
        "messages@2=html",
        "messages@4=cut",
        "messages@6=503",
        "messages@9=404",
    ] {
        if !fault.is_empty() {
            site.sim.fault(fault);
        }
        let args = [
            "--from",
            "-3d",
            "--auth",
            "query",
            "--partner-id",
            "p",
            "-vv",
            "--state",
            "S",
            "--report",
            "report",
        ];
        let ran = site.export(&args).run();
        let state = std::fs::read_to_string(site.path("S")).unwrap_or_default();
        for text in [ran.stderr(), ran.stdout(), site.read("report"), state] {
            assert!(
                !text.contains(KEY) && !text.contains("apiKey"),
                "{fault}: {text}"
            );
        }
    }
    let stats = site.sim.stats();
    let target = &stats.recent[0].target;
    assert!(
        target.contains("apiKey=demo-key&providerId=1020&partnerId=p"),
        "{target}"
    );
}

#[test]
fn a_window_that_is_too_much_is_halved() {
    let site = Site::with(|config| config.too_much = 25);
    let ran = site.run(&["--from", "-11d", "--window", "5d", "-v"], 0);
    assert_eq!(sorted(ran.lines()), sorted(site.messages().truth()));
    assert!(
        ran.stderr().contains("HTTP 504; requesting less at a time"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn it_asks_once_a_second_unless_told_otherwise() {
    let site = Site::new();
    let begun = Instant::now();
    let program = crate::harness::program("dialpad-window").envs(site.env());
    let ran = program.args(["--from", "-3d"]).run().ends(0);
    assert!(!ran.lines().is_empty());
    let wait = begun.elapsed();
    let least = Duration::from_secs(site.messages().requests() - 1);
    assert!(
        wait >= least,
        "{wait:?} for {} requests",
        site.messages().requests()
    );
}

#[test]
fn a_time_outside_of_its_window_stops_the_run() {
    let site = Site::new();
    // The service takes another parameter for the provider's time, say.
    site.messages()
        .add(site.messages().before_now(100_000_000), "x", 0);
    let id = &site.messages().sessions()[0];
    let args = [
        "--customer-session",
        id,
        "--from",
        "-2m",
        "--to",
        "-1m",
        "--param",
        "start=0",
        "--param",
        "end=9999999999",
    ];
    let ran = site.run(&args, 69);
    assert!(
        ran.stderr().contains("more than 7 days"),
        "{}",
        ran.stderr()
    );
    let site = Site::with(|config| config.needs_times = false);
    let args = [
        "--customer-session",
        id,
        "--from",
        "-2m",
        "--to",
        "-1m",
        "--param",
        "start=",
        "--param",
        "end=",
    ];
    let ran = site.run(&args, 65);
    assert!(
        ran.stderr().contains("Check --epoch-unit, which is ms"),
        "{}",
        ran.stderr()
    );
}
