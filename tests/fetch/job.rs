//! The job as a whole, when all goes well.

use std::time::Duration;

use crate::harness::{program, scratch};
use crate::sim::Config;
use crate::sim::truth::{EmptyHours, Truth};
use crate::site::{PASSWORD, Site, config, sorted};

#[test]
fn every_record_of_the_range_is_on_disk_once() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-15T06:00Z", &[]);
    let ran = site
        .fetch(&plan)
        .args(["--page-size", "20", "--report", "report.json"])
        .run()
        .ends(0);
    assert_eq!(ran.stderr(), "", "silent where nobody watches");
    let lines = ran.records();
    let truth = site.truth("2026-11-10T00:00:00Z", "2026-11-15T06:00:00Z");
    assert_eq!(sorted(site.records(&lines)), truth);

    // Two days are 48 files, so three pages of 20; six hours are one.
    let pages: Vec<_> = lines
        .iter()
        .map(|line| line["page_number"].as_u64().unwrap())
        .collect();
    assert_eq!(pages, [1, 2, 3, 1, 2, 3, 1, 2]);
    for line in &lines {
        assert_eq!(
            (line["group"].as_str(), line["status"].as_str()),
            (Some("acme"), Some("READY"))
        );
        let bytes = std::fs::read(site.path(line["path"].as_str().unwrap())).unwrap();
        assert_eq!(bytes.len() as u64, line["bytes"].as_u64().unwrap());
    }
    let stats = site.sim.stats();
    assert_eq!(
        (stats.creates_accepted, stats.rate_violations, stats.orphans),
        (3, 0, 0)
    );
    assert!(site.downloads().iter().all(|count| *count == 1));
    let report: serde_json::Value = serde_json::from_str(&site.read("report.json")).unwrap();
    assert_eq!(
        (report["exports"].as_u64(), report["pages"].as_u64()),
        (Some(3), Some(8))
    );
    assert_eq!(report["status"], 0);
}

#[test]
fn sha256_is_that_of_the_file() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    let line = site.fetch(&plan).run().ends(0).records().remove(0);
    let sum = program("sha256sum")
        .arg(site.path(line["path"].as_str().unwrap()))
        .run();
    assert!(sum.stdout().starts_with(line["sha256"].as_str().unwrap()));
}

#[test]
fn fields_that_it_does_not_know_pass_through_untouched() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    let plan = plan.replace(
        "{\"group\"",
        "{\"run\":12345678901234567890123,\"n\": 1.10,\"group\"",
    );
    let out = site.fetch(&plan).run().ends(0).stdout();
    assert!(
        out.starts_with("{\"run\":12345678901234567890123,\"n\":1.10,\"group\":\"acme\""),
        "{out}"
    );
}

#[test]
fn an_export_without_files_is_a_success_without_a_zip() {
    let site = Site::with(Config {
        truth: Truth {
            empty_hours: EmptyHours::All,
            ..config().truth
        },
        ..config()
    });
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    site.fetch(&plan).prints("");
    assert_eq!(site.sim.stats().requests["data"], 0);
    // What is compared with a lake must say that there is nothing.
    let compared = plan.replace("{\"group\"", "{\"reason\":\"audit\",\"group\"");
    let lines = site.fetch(&compared).run().ends(0).records();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0]["pages"] == 0 && lines[0]["path"].is_null());
    assert_eq!(lines[0]["status"], "READY");
    // It counts as had.
    let have = site.plan(
        "2026-11-10",
        "2026-11-11",
        &["--have", "cdrs/ledger.ndjson"],
    );
    assert_eq!(have, "");
}

#[test]
fn a_group_may_have_any_name() {
    let groups = ["..", "a/b ..", "группа 1", "-o", "x&y=z?#%", "{from}"];
    let site = Site::with(Config {
        groups: groups.map(str::to_owned).to_vec(),
        ..config()
    });
    for group in groups {
        let plan = program("export-plan")
            .args([
                "windows",
                &format!("--group={group}"),
                "--type",
                "dialog_end",
            ])
            .args([
                "--now",
                crate::site::NOW,
                "--from",
                "2026-11-10",
                "--to",
                "2026-11-10T03:00Z",
            ])
            .run()
            .ends(0)
            .stdout();
        let lines = site.fetch(&plan).run().ends(0).records();
        let truth = site.sim.truth(
            group,
            &["dialog_end"],
            "2026-11-10T00:00:00Z",
            "2026-11-10T03:00:00Z",
        );
        assert_eq!(sorted(site.records(&lines)), sorted(truth), "{group}");
        let path = lines[0]["path"].as_str().unwrap();
        assert_eq!(path.split('/').count(), 4, "{path}");
        let real = site.path(path).canonicalize().unwrap();
        assert!(real.starts_with(site.path("cdrs").canonicalize().unwrap()));
    }
}

#[test]
fn groups_are_exported_side_by_side() {
    let processing = Duration::from_millis(900);
    let site = Site::with(Config {
        processing: vec![processing],
        ..config()
    });
    let plan = site.plan("2026-11-10", "2026-11-11", &["--group", "acme-qa"]);
    assert_eq!(plan.lines().count(), 2);
    let begun = std::time::Instant::now();
    site.fetch(&plan).run().ends(0);
    assert!(begun.elapsed() < 2 * processing, "{:?}", begun.elapsed());
}

#[test]
fn a_token_is_renewed_while_the_job_runs() {
    let site = Site::with(Config {
        token_ttl: Duration::from_millis(1500),
        ..config()
    });
    let plan = site.plan("2026-11-10", "2026-11-16", &[]);
    // 18 pages at 5 a second: longer than a token lives.
    let lines = site
        .fetch(&plan)
        .args(["--page-size", "8"])
        .run()
        .ends(0)
        .records();
    assert_eq!(lines.len(), 18);
    let stats = site.sim.stats();
    assert_eq!(stats.logins, 1);
    assert!(stats.refreshes >= 1);
}

#[test]
fn other_credentials_than_a_password() {
    let site = Site::with(Config {
        pat: Some("pat-1".to_owned()),
        ..config()
    });
    let bare = |plan: &str| {
        program("export-fetch")
            .dir(site.dir.path())
            .env("OCP_API_URL", site.sim.url())
            .args(["--out-dir", "cdrs", "--poll", "10ms"])
            .stdin(plan)
    };
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    bare(&plan).env("OCP_PAT", "pat-1").run().ends(0);
    let plan = site.plan("2026-11-11", "2026-11-12", &[]);
    bare(&plan)
        .env("OCP_PAT", "pat-1")
        .args(["--pat-form", "bearer"])
        .run()
        .ends(0);
    assert_eq!(site.sim.stats().logins, 0);

    let home = scratch();
    let plan = site.plan("2026-11-12", "2026-11-13", &[]);
    bare(&plan)
        .envs(site.env())
        .env("XDG_CACHE_HOME", home.path())
        .args(["--token-command", "ocp-token"])
        .run()
        .ends(0);
    assert_eq!(site.sim.stats().logins, 1);

    let plan = site.plan("2026-11-13", "2026-11-14", &[]);
    bare(&plan).env("OCP_TOKEN", "stale").fails(
        77,
        "export-fetch: acme dialog_end 2026-11-13T00:00:00Z..2026-11-14T00:00:00Z: the service refused OCP_TOKEN (401): it has expired, or is for another environment\n",
    );
    bare(&plan).env("OCP_PAT", "wrong").run().ends(77);
    bare(&plan).fails(2, "export-fetch: no credentials: set OCP_USERNAME and OCP_PASSWORD, or OCP_PAT, or OCP_TOKEN, or give --token-command\n");
}

#[test]
fn no_secret_is_shown_or_kept() {
    let site = Site::with(Config {
        pat: Some("pat-1-secret".to_owned()),
        ..config()
    });
    site.sim.fault("any@%4=503");
    site.sim.fault("any@%7=forget-token");
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let ran = site
        .fetch(&plan)
        .args(["-vv", "--report", "report.json", "--log-format", "json"])
        .run()
        .ends(0);
    let shown =
        ran.stdout() + &ran.stderr() + &site.read("report.json") + &site.read("cdrs/ledger.ndjson");
    for secret in [PASSWORD, "Bearer", "eyJ"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    for line in ran.stderr().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    let ran = site
        .fetch(&site.plan("2026-11-13", "2026-11-14", &[]))
        .env("OCP_PAT", "pat-1-secret")
        .arg("-vv")
        .run()
        .ends(0);
    assert!(!ran.stderr().contains("pat-1-secret"));
}

#[test]
fn verifications_and_audit_records_come_whole() {
    let site = Site::new();
    for kind in ["vb_verification", "audit"] {
        let plan = site
            .plan("2026-11-10", "2026-11-11", &[])
            .replace("dialog_end", kind);
        let lines = site.fetch(&plan).run().ends(0);
        let records = program("unzip-jsonl")
            .dir(site.dir.path())
            .stdin(lines.stdout())
            .run()
            .ends(0)
            .lines();
        let (from, to) = ("2026-11-10T00:00:00Z", "2026-11-11T00:00:00Z");
        let truth = site.sim.truth("acme", &[kind], from, to);
        assert_eq!(truth.len(), 48);
        assert_eq!(sorted(records.clone()), sorted(truth));
        // Each has its place in the layout for tables, too.
        let layout = ["--layout", "duckdb", "--out-dir", "lake"];
        program("unzip-jsonl")
            .dir(site.dir.path())
            .args(layout)
            .stdin(lines.stdout())
            .run()
            .ends(0);
        let partition = site.path(&format!("lake/message_type={kind}/date=2026-11-10"));
        assert!(partition.is_dir(), "{partition:?}");
        let kept = program("cdr-filter")
            .args(["--type", kind, "--ocp-group", "acme", "."])
            .stdin(records.join("\n") + "\n")
            .run()
            .ends(0);
        assert_eq!(kept.lines(), records);
    }
}
