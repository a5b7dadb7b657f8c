//! Faults of the network and the service: the same records, none twice, no
//! more requests than allowed, and no export ordered that was not needed.

use crate::sim::Config;
use crate::site::{Site, config, sorted};

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-13T00:00:00Z";

/// Two windows of three pages each, or so.
fn plan(site: &Site) -> String {
    site.plan(FROM, TO, &[])
}

fn survives(faults: &[&str], creates: u64) {
    let site = Site::new();
    for fault in faults {
        site.sim.fault(fault);
    }
    let ran = site
        .fetch(&plan(&site))
        .args(["--page-size", "20", "--read-timeout", "500ms"])
        .run()
        .ends(0);
    let lines = ran.records();
    assert_eq!(
        sorted(site.records(&lines)),
        site.truth(FROM, TO),
        "{faults:?}"
    );
    let stats = site.sim.stats();
    assert_eq!(
        stats.creates_accepted,
        creates,
        "{faults:?}: {}",
        ran.stderr()
    );
    assert_eq!((stats.rate_violations, stats.panics), (0, 0), "{faults:?}");
    assert_eq!(
        (stats.leaked_credentials, stats.orphans),
        (0, 0),
        "{faults:?}"
    );
    assert_eq!(stats.logins, 1, "{faults:?}");
    // The ZIPs on disk are those of the lines: nothing half, nothing of a dead export.
    let named = lines
        .iter()
        .map(|line| line["path"].as_str().unwrap().to_owned());
    let mut expected: Vec<String> = named.map(|path| path["cdrs/".len()..].to_owned()).collect();
    expected.push("ledger.ndjson".to_owned());
    assert_eq!(site.files(), sorted(expected), "{faults:?}");
    // And a rerun has nothing left to do.
    let requests = site.sim.stats().requests;
    let again = site
        .fetch(&plan(&site))
        .args(["--page-size", "20"])
        .run()
        .ends(0);
    let text =
        |lines: &[serde_json::Value]| sorted(lines.iter().map(ToString::to_string).collect());
    assert_eq!(text(&again.records()), text(&lines), "{faults:?}");
    assert_eq!(site.sim.stats().requests, requests, "{faults:?}");
}

macro_rules! survives {
    ($($name:ident: $creates:literal, [$($fault:literal),*];)*) => {
        $(#[test] fn $name() { survives(&[$($fault),*], $creates); })*
    };
}

survives! {
    throttled_for_seconds: 2, ["data@2=429,retry-after=1"];
    throttled_until_a_date: 2, ["data@2=429,retry-after=date:1"];
    throttled_without_a_word: 2, ["data@2=429"];
    throttled_while_it_polls: 2, ["status@1=429,retry-after=1"];
    throttled_at_the_create: 2, ["create@1=429,retry-after=1"];
    the_token_dies_before_a_download: 2, ["data@2=forget-token"];
    the_token_dies_before_a_create: 2, ["create@2=forget-token"];
    the_token_dies_before_a_poll: 2, ["status@1=forget-token"];
    unauthorised_once: 2, ["data@3=401"];
    a_burst_of_500: 2, ["any@3-5=500"];
    a_burst_of_502: 2, ["data@2-4=502"];
    a_burst_of_503: 2, ["data@1-2=503,retry-after=1", "metadata@1-2=503"];
    every_fifth_request_fails: 2, ["any@%5=504"];
    a_body_is_cut: 2, ["data@2=cut", "status@2=cut", "metadata@1=cut"];
    a_body_stalls: 2, ["data@2=stall,for=20s"];
    headers_do_not_come: 2, ["data@1=slow-headers,for=20s", "status@1=slow-headers,for=20s"];
    a_proxy_answers_in_html: 2, ["data@1=html", "status@1=html", "metadata@1=html"];
    json_is_broken: 2, ["status@1=garbage", "metadata@1=garbage"];
    the_reply_to_a_create_is_lost: 2, ["create@1=lost"];
    the_reply_to_a_create_is_cut: 2, ["create@1=cut"];
    the_reply_to_a_create_is_html: 2, ["create@2=html"];
    the_reply_to_a_create_is_garbage: 2, ["create@2=garbage"];
    a_create_fails_with_500: 2, ["create@1=500"];
    a_create_is_lost_and_the_list_lags: 2, ["create@1=lost", "list@1=list-empty"];
    a_poll_is_lost: 2, ["status@1=lost", "metadata@2=lost", "data@2=lost"];
    it_expires_before_the_metadata: 3, ["metadata@1=expire"];
    it_expires_midway: 3, ["data@2=expire"];
    it_expires_while_polled: 3, ["status@1=expire"];
    somebody_else_is_running: 2, ["create@1-3=busy"];
    nobody_knows_that_state: 2, ["status@1-4=state=DEFROSTING"];
    a_page_comes_twice: 2, ["data@2=same-page"];
    a_checksum_is_wrong: 2, ["data@2=bad-crc"];
    a_zip_is_truncated: 2, ["data@3=truncated-zip"];
    a_zip_is_short: 2, ["data@2=short-zip"];
    a_status_is_not_found_once: 2, ["status@1=404"];
    metadata_are_not_found_yet: 2, ["metadata@1-2=404"];
    pages_are_not_found_yet: 2, ["data@1-3=404"];
    there_is_no_such_status_path: 2, ["status=404"];
    a_page_is_elsewhere: 2, ["data@2=redirect"];
    everything_at_once: 3, ["create@1=lost", "status@2=502", "data@1=cut", "data@2=expire", "data@4=html", "data@5=429,retry-after=1", "data@7=bad-crc"];
}

#[test]
fn a_redirect_takes_no_personal_access_token_along() {
    let site = Site::with(Config {
        pat: Some("pat-1".to_owned()),
        ..config()
    });
    site.sim.fault("data=redirect");
    site.fetch(&plan(&site))
        .env("OCP_PAT", "pat-1")
        .run()
        .ends(0);
    let stats = site.sim.stats();
    assert_eq!((stats.leaked_credentials, stats.logins), (0, 0));
}

#[test]
fn bodies_may_come_in_chunks_and_without_descriptors() {
    for (chunked, descriptors) in [(true, true), (true, false), (false, false)] {
        let site = Site::with(Config {
            chunked,
            descriptors,
            ..config()
        });
        site.sim.fault("data@1=cut");
        let lines = site.fetch(&plan(&site)).run().ends(0).records();
        assert_eq!(sorted(site.records(&lines)), site.truth(FROM, TO));
    }
}

/// A fault that does not pass, what the run ends with, and what it says.
fn gives_up(faults: &[&str], status: i32, words: &str) {
    let site = Site::new();
    for fault in faults {
        site.sim.fault(fault);
    }
    let ran = site
        .fetch(&plan(&site))
        .args([
            "--page-size",
            "20",
            "--read-timeout",
            "300ms",
            "--tries",
            "3",
        ])
        .run()
        .ends(status);
    assert!(ran.stderr().contains(words), "{faults:?}: {}", ran.stderr());
    assert_eq!(site.sim.stats().rate_violations, 0);
    let last = ran
        .stderr()
        .lines()
        .last()
        .map(str::to_owned)
        .unwrap_or_default();
    assert!(
        last.contains("acme dialog_end 2026-11-1"),
        "which window? {last}"
    );
}

macro_rules! gives_up {
    ($($name:ident: $status:literal, $words:literal, [$($fault:literal),*];)*) => {
        $(#[test] fn $name() { gives_up(&[$($fault),*], $status, $words); })*
    };
}

gives_up! {
    service_down: 75, "HTTP 503, after 3 tries", ["status=503"];
    every_zip_throttled: 75, "HTTP 429, after 3 tries", ["data=429"];
    a_long_retry_after: 75, "the service asks to wait 1h", ["data@2=429,retry-after=3600"];
    creates_never_answered: 75, "no reply to the request for the export", ["create=500"];
    every_body_cut: 75, "the reply was cut off", ["data=cut"];
    every_zip_damaged: 65, "is not a valid ZIP: member exports/_/", ["data=bad-crc"];
    every_zip_truncated: 65, "cut off", ["data=truncated-zip"];
    every_zip_html: 75, "an HTML page instead of a ZIP", ["data=html"];
    every_page_the_first: 65, "does the service read page_number?", ["data=same-page"];
    every_first_page_short: 65, "has 48 files, but its pages have", ["data=short-zip"];
    export_failed: 69, "ended as FAILED", ["status=fail"];
    always_expired: 69, "EXPIRED, like the 5 exports before it", ["status=expire"];
    pages_never_there: 69, "failed 6 times with HTTP 404, not found: check [data] path in the API profile", ["data=404"];
    no_metadata_ever: 69, "failed 6 times with HTTP 404, not found: check [metadata] path in the API profile", ["metadata=404"];
    no_metadata_at_all: 69, "check [metadata] params, [metadata] group, [metadata] export_id, [metadata] path", ["metadata=400"];
    not_allowed: 77, "exporting needs the role OWNER", ["create=403"];
    bad_request: 69, "HTTP 404, not found: check [create] path, [create] method in the API profile", ["create=404"];
    token_never_good: 77, "even with a new token", ["create=401"];
    lists_in_html: 75, "an HTML page instead of JSON, after 3 tries", ["create=lost", "list=html"];
}

#[test]
fn a_window_that_is_refused_does_not_stop_the_others() {
    let site = Site::new();
    let good = site.plan("2026-11-10", "2026-11-12", &[]);
    let old = good.replace("2026-11-1", "2026-01-1");
    let ran = site.fetch(&format!("{old}{good}")).run().ends(69);
    assert_eq!(ran.stderr().lines().count(), 1, "{}", ran.stderr());
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&ran.records())), truth);
}

#[test]
fn a_line_that_is_no_plan_line_does_not_stop_the_others() {
    let site = Site::new();
    let good = site.plan("2026-11-10", "2026-11-12", &[]);
    let ran = site.fetch(&format!("{{\"x\":1}}\n\n{good}")).run().ends(65);
    assert!(
        ran.stderr()
            .starts_with("export-fetch: stdin:1: not a line of a plan: "),
        "{}",
        ran.stderr()
    );
    assert_eq!(ran.records().len(), 1);
}

#[test]
fn a_group_that_is_not_allowed_does_not_stop_the_others() {
    let site = Site::new();
    let good = site.plan("2026-11-10", "2026-11-12", &[]);
    let foreign = good.replace("\"acme\"", "\"aaa\"");
    let ran = site.fetch(&format!("{foreign}{good}")).run().ends(77);
    assert_eq!(ran.records().len(), 1);
    assert!(
        ran.stderr().contains("aaa dialog_end") && ran.stderr().contains("HTTP 403"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn an_earlier_refusal_is_not_hidden_by_a_later_retry() {
    let site = Site::new();
    site.sim.fault("status@1=fail");
    site.sim.fault("create@2+=503");
    site.fetch(&plan(&site))
        .args(["--tries", "2"])
        .run()
        .ends(69);
}

#[test]
fn a_group_that_stays_busy_is_said_and_given_up_in_the_end() {
    let site = Site::new();
    site.sim.fault("create=busy");
    let ran = site
        .fetch(&plan(&site))
        .args(["--max-wait", "300ms"])
        .run()
        .ends(75);
    let said = ran.stderr();
    assert_eq!(said.matches("waiting until it ends").count(), 1, "{said}");
    assert_eq!(said.lines().count(), 3, "one for each window: {said}");
    let ledger = site.read("cdrs/ledger.ndjson");
    assert_eq!(ledger.matches("\"creating\"").count(), 1, "{ledger}");
}

#[test]
fn a_state_that_nobody_knows_is_said_once() {
    let site = Site::new();
    site.sim.fault("status@1-4=state=DEFROSTING");
    let ran = site.fetch(&plan(&site)).run().ends(0);
    assert_eq!(
        ran.stderr()
            .matches("is DEFROSTING, an unknown state, which is treated as not ready")
            .count(),
        1,
        "{}",
        ran.stderr()
    );
}

#[test]
fn an_export_that_nobody_names_is_a_matter_of_configuration() {
    let site = Site::new();
    std::fs::write(site.path("own.toml"), "[reply]\nexport_id = [\"/nope\"]\n").unwrap();
    let ran = site
        .fetch(&plan(&site))
        .args(["--api-profile", "own.toml"])
        .run()
        .ends(69);
    assert!(
        ran.stderr()
            .contains(r#"set [reply] export_id = ["/export_id","/nope"] in the API profile"#),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.sim.stats().creates_accepted, 1);
}

#[test]
fn a_helper_that_hangs_does_not_outlive_the_deadline() {
    let site = Site::new();
    let begun = std::time::Instant::now();
    site.fetch(&plan(&site))
        .args(["--token-command", "exec sleep 100", "--deadline", "500ms"])
        .run()
        .ends(75);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn a_token_helper_is_told_of_the_token_that_was_refused() {
    let site = Site::new();
    site.sim.fault("data@1=forget-token");
    site.fetch(&plan(&site))
        .env("XDG_CACHE_HOME", site.dir.path())
        .args(["--token-command", "ocp-token"])
        .run()
        .ends(0);
}

#[test]
fn the_deadline_is_75_and_the_next_run_goes_on() {
    let site = Site::new();
    site.sim.fault("create@1-40=busy");
    let plan = plan(&site);
    let begun = std::time::Instant::now();
    let ran = site
        .fetch(&plan)
        .args(["--deadline", "300ms"])
        .run()
        .ends(75);
    assert!(begun.elapsed().as_millis() < 3000);
    assert!(
        ran.stderr().contains("the deadline has passed"),
        "{}",
        ran.stderr()
    );
    site.sim.reset();
    let lines = site.fetch(&plan).run().ends(0).records();
    assert_eq!(sorted(site.records(&lines)), site.truth(FROM, TO));
}
