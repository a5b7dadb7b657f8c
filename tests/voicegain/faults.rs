//! Faults of the network and the service: the same calls, none twice, and no more requests than
//! allowed.

use std::time::{Duration, Instant};

use crate::voicegain::site::{Site, TOKEN, by_id};

fn survives(faults: &[&str]) {
    let site = Site::new();
    for fault in faults {
        site.sim.fault(fault);
    }
    let ran = site.run(&["--per-page", "10"], 0);
    assert_eq!(
        ran.lines(),
        site.calls().truth(),
        "{faults:?}: {}",
        ran.stderr()
    );
    assert_eq!(Some(site.cursor()), site.calls().ids().last().copied());
    let stats = site.sim.stats();
    assert_eq!((stats.rate_violations, stats.panics), (0, 0), "{faults:?}");
    assert_eq!(stats.leaked_credentials, 0, "{faults:?}");
}

macro_rules! survives {
    ($($name:ident: [$($fault:literal),*];)*) => {
        $(#[test] fn $name() { survives(&[$($fault),*]); })*
    };
}

survives! {
    throttled_for_seconds: ["calls@2=429,retry-after=1"];
    throttled_until_a_date: ["calls@2=429,retry-after=date:1"];
    throttled_without_a_word: ["calls@2=429"];
    a_burst_of_500: ["calls@2-4=500"];
    a_burst_of_503: ["calls@1-2=503,retry-after=1"];
    a_gateway_times_out: ["calls@2-3=504"];
    a_gateway_fails: ["calls@1=502", "calls@4=502"];
    a_page_is_too_big: ["calls@1-2=413"];
    every_fifth_request_fails: ["calls@%5=503"];
    a_body_is_cut: ["calls@2=cut"];
    every_second_body_is_cut: ["calls@%2=cut"];
    a_body_stalls: ["calls@2=stall,for=20s"];
    headers_do_not_come: ["calls@3=slow-headers,for=20s"];
    a_proxy_answers_in_html: ["calls@2=html"];
    json_is_broken: ["calls@2=garbage"];
    a_reply_is_lost: ["calls@1=lost", "calls@3=lost"];
    the_reason_is_asked_for_in_vain: ["calls@6=cut", "calls@7=503", "calls@8=html"];
    a_page_is_elsewhere: ["calls@2=redirect"];
    everything_at_once: ["calls@1=cut", "calls@3=429,retry-after=1", "calls@5=stall,for=9s", "calls@6=html", "calls@7=413", "calls@9=lost", "calls@11=cut"];
}

#[test]
fn a_cut_page_brings_what_it_brought_and_the_walk_goes_on_behind_it() {
    let site = Site::new();
    site.sim.fault("calls@1=cut");
    let ran = site.run(&["-v"], 0);
    assert_eq!(ran.lines(), site.calls().truth());
    assert!(
        ran.stderr().contains("continuing after "),
        "{}",
        ran.stderr()
    );
    let stats = site.sim.stats();
    let second = &stats.recent[1].target;
    assert!(
        !second.contains("afterCallId=0&"),
        "it does not begin anew: {second}"
    );
}

#[test]
fn a_page_that_is_too_much_is_halved() {
    let site = Site::new();
    site.sim.fault("calls@1=413");
    site.sim.fault("calls@2=504");
    site.sim.fault("calls@3=slow-headers,for=9s");
    let ran = site.run(&["--per-page", "32"], 0);
    assert_eq!(ran.lines(), site.calls().truth());
    let stats = site.sim.stats();
    let sizes: Vec<&str> = stats
        .recent
        .iter()
        .filter_map(|seen| seen.target.split("per_page=").nth(1))
        .collect();
    assert_eq!(&sizes[..5], ["32", "16", "8", "4", "4"]);
}

/// A fault that does not pass, what the run ends with, and what it says.
fn gives_up(fault: &str, status: i32, words: &str) {
    let site = Site::new();
    site.sim.fault(fault);
    let ran = site.run(&["--tries", "2", "--per-page", "10"], status);
    assert!(ran.stderr().contains(words), "{fault}: {}", ran.stderr());
    assert_eq!(site.report()["status"].as_i64(), Some(i64::from(status)));
    // The calls so far are safe, and the next run goes on after them.
    site.sim.reset();
    let rest = site.run(&["--per-page", "10"], 0);
    assert_eq!(
        [ran.lines(), rest.lines()].concat(),
        site.calls().truth(),
        "{fault}"
    );
}

#[test]
fn what_does_not_pass_ends_with_its_own_status_and_loses_nothing() {
    for (fault, status, words) in [
        ("calls@3+=503", 75, "HTTP 503, after 2 tries"),
        (
            "calls@3+=429,retry-after=7200",
            75,
            "asks to wait 2h, longer than --patience",
        ),
        ("calls@3+=lost", 75, "after 2 tries"),
        (
            "calls@3=401",
            77,
            "HTTP 401, no valid API key: the token is not accepted: has it been regenerated",
        ),
        ("calls@3=403", 77, "HTTP 403"),
        ("calls@3=400", 69, "HTTP 400, bad request"),
        ("calls@3=404", 69, "check --base-url"),
        (
            "calls@3+=html",
            75,
            "an HTML page instead of calls, after 2 tries",
        ),
        ("calls@3+=garbage", 69, "the reply is not a JSON array"),
    ] {
        gives_up(fault, status, words);
    }
}

#[test]
fn a_401_in_the_middle_keeps_what_came_before() {
    let site = Site::new();
    site.sim.fault("calls@3=401");
    let ran = site.run(&["--per-page", "10"], 77);
    assert_eq!(ran.lines().len(), 20);
    assert_eq!(site.cursor(), site.calls().ids()[19]);
    assert_eq!(site.report()["cursor"], site.calls().ids()[19]);
    let requests = site.sim.stats().requests["calls"];
    assert_eq!(requests, 3, "a token that is refused is not tried again");
}

#[test]
fn the_quota_is_kept_by_the_rate_or_by_what_the_service_says() {
    // Four requests a second of the service; of five pages and a look around.
    for rate in [&["--rate", "4/1s"][..], &["--rate", "1000/1s"]] {
        let site = Site::with(|config| config.quota = (4, 2000));
        let begun = Instant::now();
        let ran = site.run(&[rate, &["--per-page", "10"]].concat(), 0);
        assert_eq!(ran.lines(), site.calls().truth());
        assert_eq!(site.sim.stats().rate_violations, 0, "{rate:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn two_runs_that_do_not_know_of_each_other_obey_retry_after() {
    let site = Site::with(|config| config.quota = (6, 2000));
    site.run(&["--per-page", "10"], 0);
    site.change(crate::sim::voicegain::Change::Add(30));
    let lines = site
        .run(&["--per-page", "10", "--rate", "1000/1s"], 0)
        .lines();
    assert_eq!(lines.len(), 30);
}

#[test]
fn the_token_is_nowhere_to_be_read() {
    let site = Site::new();
    for fault in ["", "calls@2=401", "calls@2=html", "calls@2=redirect"] {
        if !fault.is_empty() {
            site.sim.fault(fault);
        }
        let ran = site
            .export(&[
                "--state",
                "S",
                "--report",
                "report",
                "-vv",
                "--tries",
                "2",
                "--per-page",
                "10",
            ])
            .run();
        for text in [ran.stderr(), ran.stdout(), site.read("report")] {
            assert!(!text.contains(TOKEN), "{fault}: {text}");
        }
        if site.path("S").exists() {
            assert!(!site.read("S").contains(TOKEN));
        }
    }
}

#[test]
fn ids_that_do_not_rise_stop_the_export_and_the_state_stays_before_that_page() {
    let site = Site::with(|config| config.disordered = true);
    let known = site.calls().ids();
    let ran = site.run(&["--per-page", "10"], 65);
    let words = format!(
        "the service sent call {} after call {}, though ids must rise",
        known[18], known[19]
    );
    assert!(ran.stderr().contains(&words), "{}", ran.stderr());
    assert_eq!(site.cursor(), known[9]);
    let mut all = [ran.lines(), site.run(&[], 0).lines()].concat();
    all.sort();
    all.dedup();
    assert_eq!(by_id(all), site.calls().truth(), "nothing is lost");
}
