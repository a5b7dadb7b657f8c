//! A line may be taken one stage at a time, by several programs or tasks.

use serde_json::Value;

use crate::harness::program;
use crate::sim::Config;
use crate::site::{Site, config, sorted};

#[test]
fn submit_wait_plan_pages_and_download_as_four_tasks() {
    let site = Site::new();
    let window = site.plan("2026-11-10", "2026-11-12", &[]);
    let stage = |stdin: &str, until: &str| {
        site.fetch(stdin)
            .args(["--until", until])
            .run()
            .ends(0)
            .stdout()
    };
    let submitted = stage(&window, "submitted");
    let record: Value = serde_json::from_str(&submitted).unwrap();
    assert_eq!(record["status"], "SUBMITTED");
    let ready = stage(&submitted, "ready");
    let record: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(
        (record["status"].as_str(), record["num_of_files"].as_u64()),
        (Some("READY"), Some(48))
    );
    assert!(record["ready_at"].is_string() && record["size_of_export"].as_u64() > Some(0));
    let pages = site.pages(&ready, "20");
    assert_eq!(pages.lines().count(), 3);
    let lines = site.fetch(&pages).run().ends(0).records();
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&lines)), truth);
    assert_eq!(site.sim.stats().creates_accepted, 1);

    // Its own lines come back unchanged, and nothing is asked for.
    let before = site.sim.stats().requests;
    let again = site.fetch(&pages).run().ends(0).records();
    assert_eq!(again, lines);
    assert_eq!(site.sim.stats().requests, before);
}

#[test]
fn pages_may_be_fetched_by_tasks_of_their_own() {
    let site = Site::new();
    let window = site.plan("2026-11-10", "2026-11-12", &[]);
    let ready = site
        .fetch(&window)
        .args(["--until", "ready"])
        .run()
        .ends(0)
        .stdout();
    let pages = program("export-plan")
        .args(["pages", "--page-size", "20", "--format", "json-array"])
        .stdin(&ready)
        .run()
        .ends(0)
        .stdout();
    let pages: Vec<Value> = serde_json::from_str(&pages).unwrap();
    let mut lines = Vec::new();
    for (task, page) in pages.iter().enumerate() {
        let ledger = format!("task-{task}.ndjson");
        lines.extend(
            site.fetch(&page.to_string())
                .args(["--ledger", &ledger])
                .run()
                .ends(0)
                .records(),
        );
    }
    assert_eq!(lines.len(), 3);
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&lines)), truth);
}

#[test]
fn what_a_line_says_of_an_export_is_not_believed() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-14", &[]);
    let ready = site
        .fetch(&plan)
        .args(["--until", "ready", "--ledger", "a"])
        .run()
        .ends(0);
    let mut lines = ready.records();
    lines[0]["num_of_files"] = 0.into();
    let other = lines[0]["export_id"].clone();
    let fetched = site.fetch(&lines[0].to_string()).run().ends(0).records();
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&fetched)), truth);
    // The name of another window's export.
    lines[1]["export_id"] = other;
    let ran = site.fetch(&lines[1].to_string()).run().ends(65);
    assert!(
        ran.stderr()
            .contains("has another group, other types or other hours"),
        "{}",
        ran.stderr()
    );
    assert_eq!(ran.stdout(), "");
}

#[test]
fn lines_that_come_twice_come_out_once() {
    let site = Site::new();
    let window = site.plan("2026-11-10", "2026-11-12", &[]);
    let ready = site
        .fetch(&window)
        .args(["--until", "ready"])
        .run()
        .ends(0)
        .stdout();
    let pages = site.pages(&ready, "20");
    let fetched = site
        .fetch(&format!("{pages}{pages}"))
        .run()
        .ends(0)
        .stdout();
    assert_eq!(fetched.lines().count(), 3);
    assert_eq!(
        site.fetch(&format!("{fetched}{fetched}"))
            .run()
            .ends(0)
            .stdout(),
        fetched
    );
}

#[test]
fn what_is_not_there_yet_makes_the_whole_pipe_try_later() {
    let site = Site::with(Config {
        processing: vec![std::time::Duration::from_secs(30)],
        ..config()
    });
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let ran = site
        .shell("export-fetch --out-dir cdrs --poll-once | unzip-jsonl | cdr-filter .")
        .stdin(plan)
        .run()
        .ends(75);
    assert!(
        ran.stderr()
            .contains("unzip-jsonl: 1 exports are not on disk yet"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn poll_once_is_75_with_the_line_so_far_until_it_is_ready() {
    let site = Site::with(Config {
        processing: vec![std::time::Duration::from_millis(700)],
        ..config()
    });
    let mut line = site.plan("2026-11-10", "2026-11-12", &[]);
    let mut polls = 0;
    let ready = loop {
        let ran = site
            .fetch(&line)
            .args(["--until", "ready", "--poll-once"])
            .run();
        line = ran.stdout();
        assert_eq!(line.lines().count(), 1, "{}", ran.stderr());
        match ran.status() {
            0 => break line,
            75 => polls += 1,
            status => panic!("{status}: {}", ran.stderr()),
        }
        let record: Value = serde_json::from_str(&line).unwrap();
        assert!(record["export_id"].is_string());
        assert!(ran.stderr().contains(" is SUBMITTED") || ran.stderr().contains(" is PROCESSING"));
        std::thread::sleep(std::time::Duration::from_millis(200));
    };
    assert!(polls >= 1);
    assert_eq!(
        serde_json::from_str::<Value>(&ready).unwrap()["status"],
        "READY"
    );
    let stats = site.sim.stats();
    assert_eq!(
        (stats.creates_accepted, stats.requests["status"]),
        (1, polls + 1)
    );
}

#[test]
fn poll_once_gives_every_window_of_a_busy_group_back() {
    let site = Site::with(Config {
        processing: vec![std::time::Duration::from_secs(30)],
        ..config()
    });
    let plan = site.plan("2026-11-10", "2026-11-16", &[]);
    let ran = site.fetch(&plan).arg("--poll-once").run().ends(75);
    assert_eq!(ran.records().len(), 3);
    assert_eq!(ran.stderr().lines().count(), 3, "{}", ran.stderr());
    assert_eq!(site.sim.stats().requests["create"], 1);

    let other = Site::new();
    other.sim.fault("create=busy");
    let ran = other.fetch(&plan).arg("--poll-once").run().ends(75);
    assert_eq!(ran.stdout(), plan);
    assert_eq!(other.sim.stats().requests["create"], 1);
}

#[test]
fn a_chain_of_stages_overlaps() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-16", &[]);
    let script = "export-fetch --ledger a --until submitted $FLAGS | export-fetch --ledger b --until ready $FLAGS | export-fetch --ledger c --out-dir cdrs $FLAGS";
    let ran = site
        .shell(script)
        .env("FLAGS", "--rate 5/1s --poll 10ms")
        .stdin(plan)
        .run()
        .ends(0);
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-16T00:00:00Z");
    assert_eq!(sorted(site.records(&ran.records())), truth);
    assert_eq!(site.sim.stats().creates_accepted, 3);
}

#[test]
fn a_chain_with_ledgers_of_its_own_gets_over_dead_exports() {
    for fault in ["status@1=expire", "status@1=fail"] {
        let site = Site::new();
        let plan = site.plan("2026-11-10", "2026-11-12", &[]);
        let script = "export-fetch --ledger a --until submitted $FLAGS | export-fetch --ledger b --until ready $FLAGS | export-fetch --ledger c --out-dir cdrs $FLAGS";
        let chain = || {
            site.shell(script)
                .env("FLAGS", "--rate 5/1s --poll 10ms")
                .stdin(&plan)
                .run()
        };
        site.sim.fault(fault);
        chain();
        let last = (0..3).map(|_| chain()).find(|ran| ran.status() == 0);
        let lines = last
            .unwrap_or_else(|| panic!("{fault}: still stuck"))
            .records();
        let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z");
        assert_eq!(sorted(site.records(&lines)), truth, "{fault}");
    }
}

#[test]
fn submitting_ends_when_the_last_line_is_out() {
    let site = Site::with(Config {
        processing: vec![std::time::Duration::from_secs(30)],
        ..config()
    });
    let window = site.plan("2026-11-10", "2026-11-12", &[]);
    let begun = std::time::Instant::now();
    let submit = || {
        site.fetch(&window)
            .args(["--until", "submitted", "--poll", "8s"])
            .run()
            .ends(0)
    };
    let first = submit();
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(first.records().len(), 1);
    let again = submit().records();
    assert_eq!(again[0]["export_id"], first.records()[0]["export_id"]);
    let two = site.plan("2026-11-10", "2026-11-14", &[]);
    let ran = site
        .fetch(&two)
        .args(["--until", "submitted", "--poll-once"])
        .run()
        .ends(75);
    assert_eq!(ran.records().len(), 2, "each line once: {}", ran.stdout());
}

#[test]
fn a_dry_run_shows_the_request_and_sends_none() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let url = site.sim.url();
    let dry = || {
        program("export-fetch")
            .env("OCP_API_URL", &url)
            .arg("--dry-run")
            .stdin(&plan)
    };
    let with_pat = dry().env("OCP_PAT", "x").run().ends(0).stdout();
    assert!(
        with_pat.contains("X-OCP-PERSONAL-ACCESS-TOKEN: [redacted]"),
        "{with_pat}"
    );
    let body = r#"{"group":"acme","message_types":["dialog_end"],"from":"2026-11-10T00:00:00.000Z","to":"2026-11-12T00:00:00.000Z"}"#;
    dry().prints(&format!(
        "POST {url}/exports-api/v1/exports
Authorization: [redacted]
Content-Type: application/json

{body}

GET {url}/exports-api/v1/exports?group=acme
Authorization: [redacted]

GET {url}/exports-api/v1/exports/EXPORT_ID
Authorization: [redacted]

GET {url}/exports-api/v1/exports/EXPORT_ID/metadata
Authorization: [redacted]

GET {url}/exports-api/v1/exports/EXPORT_ID/data?page_number=1&page_size=50
Authorization: [redacted]
page_number: 1
page_size: 50

"
    ));
    assert!(site.sim.stats().recent.is_empty());
    assert!(!site.path("cdrs").exists());
}

#[test]
fn an_api_profile_changes_the_spelling() {
    let site = Site::with(Config {
        page_params_in_headers: true,
        ..config()
    });
    std::fs::write(
        site.path("own.toml"),
        "[data]\npage_params = \"headers\"\n[status]\nmode = \"list\"\n",
    )
    .unwrap();
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let lines = site
        .fetch(&plan)
        .args(["--api-profile", "own.toml", "--page-size", "20"])
        .run()
        .ends(0)
        .records();
    assert_eq!(lines.len(), 3);
    assert_eq!(site.sim.stats().requests["status"], 0);
    let ran = program("export-fetch")
        .arg("--print-api-profile")
        .run()
        .ends(0);
    let other = ran
        .stdout()
        .replace("page_params = \"both\"", "page_params = \"query\"");
    std::fs::write(site.path("own.toml"), other).unwrap();
    let plan = site.plan("2026-11-12", "2026-11-13", &[]);
    let ran = site
        .fetch(&plan)
        .args(["--api-profile", "own.toml"])
        .run()
        .ends(69);
    assert!(
        ran.stderr().contains("HTTP 400") && ran.stderr().contains("[data] page_params"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_line_of_more_than_two_days_is_refused_before_it_is_sent() {
    let site = Site::new();
    let good = site.plan("2026-11-10", "2026-11-11", &[]);
    let long = good
        .replace("2026-11-10T00", "2026-11-08T00")
        .replace("2026-11-11T00", "2026-11-10T01");
    let said = "stdin:1: not a line of a plan: 2026-11-08T00:00:00Z..2026-11-10T01:00:00Z is 2d1h, and an export spans at most 2d: plan it with export-plan\n";
    let ran = site.fetch(&format!("{long}{good}")).run().ends(65);
    assert_eq!(ran.stderr(), format!("export-fetch: {said}"));
    assert_eq!(ran.records().len(), 1, "the good line is done");
    assert_eq!(site.sim.stats().creates_accepted, 1);
    site.fetch(&long)
        .arg("--dry-run")
        .fails(65, &format!("export-fetch: {said}"));
    assert_eq!(site.sim.stats().requests["create"], 1);
}

#[test]
fn a_size_that_the_service_does_not_state_is_unknown() {
    let site = Site::new();
    let profile = "[reply]\nsize_of_export = [\"/none\"]\n";
    std::fs::write(site.path("profile.toml"), profile).unwrap();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    let with = ["--api-profile", "profile.toml"];
    let ready = site
        .fetch(&plan)
        .args(with)
        .args(["--until", "ready"])
        .run()
        .ends(0)
        .stdout();
    assert!(ready.contains("\"size_of_export\":null"), "{ready}");
    let lines = site.fetch(&ready).args(with).run().ends(0).records();
    assert_eq!(lines[0]["size_of_export"], serde_json::Value::Null);
    assert!(
        site.read("cdrs/ledger.ndjson")
            .contains("\"size_of_export\":null")
    );
    // The next run reads it.
    site.fetch(&plan).args(with).run().ends(0);
    assert_eq!(site.sim.stats().creates_accepted, 1);
}
