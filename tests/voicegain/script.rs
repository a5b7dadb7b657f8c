//! The defects of the vendor's own script, `ongoing-report-export.py` of its platform repository,
//! each as what it does to a user, and that it does not happen here.

use serde_json::Value;

use crate::harness::{Ran, program};
use crate::sim::voicegain::{Change, StopRule};
use crate::voicegain::site::{Site, TOKEN, ids};

const CSV: [&str; 6] = [
    "--wire",
    "csv",
    "--csv-date-order",
    "dmy",
    "--csv-tz",
    "UTC",
];

fn notes(ran: &Ran) -> Vec<String> {
    let notes = |record: &Value| record["notes"].as_str().unwrap_or_default().to_owned();
    ran.records().iter().map(notes).collect()
}

fn true_notes(site: &Site) -> Vec<String> {
    let parse = |line: &String| serde_json::from_str::<Value>(line).unwrap();
    let truth = site.calls().truth();
    truth
        .iter()
        .map(|line| parse(line)["notes"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn d01_line_breaks_in_notes_are_not_deleted() {
    let site = Site::new();
    let seen = notes(&site.run(&CSV, 0));
    assert!(seen.contains(&"Caller asked about a claim.\nAgent resolved it.".to_owned()));
    assert!(seen.contains(&"One.\r\nTwo, with a comma.\r\nThree.".to_owned()));
}

#[test]
fn d02_other_line_ends_do_not_split_a_row() {
    let site = Site::new();
    assert_eq!(
        notes(&site.run(&CSV, 0)),
        true_notes(&site),
        "NEL, U+2028, VT, FF, FS stand bare in the CSV"
    );
}

#[test]
fn d03_the_last_row_does_not_poison_the_cursor() {
    for count in 40..47 {
        let site = Site::with(|config| config.calls = count);
        site.run(&CSV, 0);
        assert_eq!(Some(site.cursor()), site.calls().ids().last().copied());
        site.run(&CSV, 0);
    }
}

#[test]
fn d04_a_bad_cursor_is_not_zero() {
    let site = Site::new();
    site.run(&[], 0);
    let state = site
        .read("S")
        .replace("\"cursor\":", "\"cursor\":\"abc\",\"x\":");
    std::fs::write(site.path("S"), state).unwrap();
    assert_eq!(site.run(&[], 65).stdout(), "");
}

#[test]
fn d05_no_call_is_lost_when_pages_shift() {
    for stop in [StopRule::Query, StopRule::Page] {
        let site = Site::with(|config| config.stop = stop);
        let known = site.calls().ids();
        let truth = site.calls().truth();
        site.change(Change::Phase(known[14], "PROCESSING"));
        site.calls().at(3, Change::Phase(known[14], "DONE"));
        site.calls().at(4, Change::Delete(known[2]));
        let first = site.run(&["--per-page", "10"], 0).lines();
        let second = site.run(&["--per-page", "10"], 0).lines();
        assert_eq!([first, second].concat(), truth);
    }
}

#[test]
fn d06_an_http_error_is_not_success() {
    for (fault, status) in [
        ("calls=401", 77),
        ("calls=429,retry-after=7200", 75),
        ("calls=500", 75),
    ] {
        let site = Site::new();
        site.sim.fault(fault);
        let ran = site.run(&["--tries", "2"], status);
        assert!(ran.stderr().contains("HTTP "), "{}", ran.stderr());
    }
}

#[test]
fn d07_a_network_error_is_retried_and_ends_in_words() {
    let site = Site::new();
    site.sim.fault("calls@1-2=lost");
    assert_eq!(site.run(&[], 0).lines().len(), 40);
    let nobody = ["--base-url", "http://127.0.0.1:1/v1", "--tries", "2"];
    let ran = site.export(&nobody).run().ends(75);
    assert_eq!(ran.stderr().lines().count(), 2, "{}", ran.stderr());
    site.sim.fault("calls=slow-headers,for=60s");
    site.change(Change::Add(1));
    site.run(&["--tries", "2"], 75);
}

#[test]
fn d08_a_crash_on_page_three_repeats_nothing() {
    let site = Site::new();
    site.sim.fault("calls@3=401");
    let first = site.run(&["--per-page", "10"], 77).lines();
    let second = site.run(&["--per-page", "10"], 0).lines();
    assert_eq!([first, second].concat(), site.calls().truth());
}

#[test]
fn d09_files_are_whole_and_have_one_header_and_the_bytes_received() {
    let site = Site::new();
    site.sim.fault("calls@3=401");
    let args = ["--per-page", "10", "--format", "csv", "-o", "calls.csv"];
    site.run(&args, 77);
    assert!(!site.path("calls.csv").exists());
    site.run(&args, 0);
    assert_eq!(site.read("calls.csv").matches("callId").count(), 1);
    std::fs::remove_file(site.path("S")).unwrap();
    assert_eq!(
        site.run(&["--per-page", "10"], 0).lines(),
        site.calls().truth()
    );
}

#[test]
fn d10_the_file_with_the_token_is_not_rewritten() {
    let site = Site::new();
    std::fs::write(site.path("token"), TOKEN).unwrap();
    let ini = "# precious comment\n[EXPORT]\nmax_exported_callid = 0\n";
    std::fs::write(site.path("config.ini"), ini).unwrap();
    program("vg-consecutive")
        .dir(site.dir.path())
        .env("VOICEGAIN_BASE_URL", format!("{}/v1", site.sim.url()))
        .env("VOICEGAIN_TOKEN_FILE", "token")
        .args(["--import-config", "config.ini", "--state", "S"])
        .run()
        .ends(0);
    assert_eq!(site.read("config.ini"), ini);
    assert_eq!(site.read("token"), TOKEN);
    assert!(!site.read("S").contains(TOKEN));
}

#[test]
fn d11_the_documented_defaults_apply() {
    let site = Site::new();
    assert_eq!(
        site.run(&[], 0).lines().len(),
        40,
        "from the first call on, 1000 at a time"
    );
    let stats = site.sim.stats();
    assert!(
        stats.recent[0]
            .target
            .contains("afterCallId=0&page=1&per_page=1000")
    );
    assert!(!stats.recent[0].target.contains("fromTime"));
}

#[test]
fn d12_the_example_cursor_is_recognised() {
    let site = Site::new();
    std::fs::write(
        site.path("config.ini"),
        "[EXPORT]\nmax_exported_callid = 1235498\n",
    )
    .unwrap();
    let ran = site.run(&["--import-config", "config.ini"], 0);
    assert!(
        ran.stderr()
            .contains("the value of the vendor's example file"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn d13_an_unfinished_call_is_never_exported_unfinished() {
    let site = Site::with(|config| config.ignores_consecutive = true);
    let known = site.calls().ids();
    site.change(Change::Phase(known[20], "PROCESSING"));
    assert_eq!(ids(&site.run(&[], 0).lines()), known[..20]);
    site.change(Change::Phase(known[20], "DONE"));
    assert_eq!(ids(&site.run(&[], 0).lines()), known[20..]);
}

#[test]
fn d14_an_edge_can_be_reached() {
    let site = Site::new();
    let edge = format!("{}/ascalon-web-api", site.sim.url());
    assert_eq!(site.run(&["--base-url", &edge], 0).lines().len(), 40);
}

#[test]
fn d15_values_are_encoded() {
    let site = Site::new();
    let start = site.calls().start_of(site.calls().ids()[30]);
    let zone = chrono::FixedOffset::east_opt(7200).unwrap();
    let from = start.with_timezone(&zone).to_rfc3339();
    assert!(from.ends_with("+02:00"));
    assert_eq!(site.run(&["--from-time", &from], 0).lines().len(), 10);
}

#[test]
fn d16_caught_up_and_blocked_are_told_apart() {
    let site = Site::new();
    site.run(&[], 0);
    assert_eq!(site.report()["ended"], "caught-up");
    site.change(Change::Add(1));
    let id = *site.calls().ids().last().unwrap();
    site.change(Change::Phase(id, "WAITING"));
    site.run(&[], 0);
    assert_eq!(site.report()["ended"], "blocked");
    assert_eq!(site.report()["blocked_by"]["call_id"], id);
}

#[test]
fn d17_marks_long_fields_and_html_do_no_harm() {
    let site = Site::with(|config| {
        config.bom = true;
        config.calls = 3;
        config.phrases = 6000;
    });
    let site_lines = site.run(&CSV, 0).lines();
    assert_eq!(site_lines.len(), 3);
    std::fs::remove_file(site.path("S")).unwrap();
    let lines = site.run(&[], 0).lines();
    assert!(lines[0].len() > 131_072);
    site.sim.fault("calls=html");
    assert_eq!(site.run(&["--tries", "2"], 75).stdout(), "");
}

#[test]
fn d18_ids_are_numbers_in_order_and_one_run_holds_the_state() {
    // 99 to 101: as texts they would go down.
    let site = Site::with(|config| config.first_id = 95);
    let lines = site.run(&["--per-page", "3"], 0).lines();
    assert_eq!(lines, site.calls().truth());
    site.sim.fault("calls@1+=stall,for=30s");
    site.change(Change::Add(1));
    let mut held = site
        .export(&["--state", "S", "--read-timeout", "30s"])
        .spawn();
    let before = site.calls().requests();
    while site.calls().requests() == before {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    site.run(&[], 75);
    held.kill().unwrap();
    held.wait().unwrap();
}

#[test]
fn d19_a_percent_sign_is_a_percent_sign() {
    let site = Site::new();
    let ini = "[DEFAULT]\nenvironment = PROD\n[PROD]\njwt_token = a%b%%c\nhost = x%\n[EXPORT]\nmax_exported_callid = 14603\n";
    std::fs::write(site.path("config.ini"), ini).unwrap();
    let lines = site.run(&["--import-config", "config.ini"], 0).lines();
    assert_eq!(lines, site.calls().truth()[1..]);
}
