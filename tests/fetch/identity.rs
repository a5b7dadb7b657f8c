//! Which export is ours, which one is only slow to show, and what holds for a group.

use std::fs;

use serde_json::Value;

use crate::harness::program;
use crate::sim::Config;
use crate::site::{Site, config, sorted};

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-14T00:00:00Z";

fn processing(millis: u64) -> Site {
    Site::with(Config {
        processing: vec![std::time::Duration::from_millis(millis)],
        ..config()
    })
}

/// Somebody else asks for an export of our group.
fn foreign_export(site: &Site, body: &str) {
    let token = program("ocp-token")
        .envs(site.env())
        .args(["--header", "--no-cache"])
        .run()
        .ends(0)
        .stdout();
    program("curl")
        .args(["-sf", "-H", token.trim(), "-d", body])
        .arg(format!("{}/exports-api/v1/exports", site.sim.url()))
        .run()
        .ends(0);
}

#[test]
fn the_running_export_of_somebody_else_is_not_ours() {
    let other_types = r#""message_types":["dialog_start"],"from":"2026-11-10T00:00:00.000Z","to":"2026-11-12T00:00:00.000Z""#;
    let other_hours = r#""message_types":["dialog_end"],"from":"2026-11-01T00:00:00.000Z","to":"2026-11-02T00:00:00.000Z""#;
    for body in [other_types, other_hours] {
        for until in ["fetched", "submitted"] {
            let site = processing(400);
            foreign_export(&site, &format!("{{\"group\":\"acme\",{body}}}"));
            site.sim.fault("create@2-3=names-running");
            let plan = site.plan(FROM, TO, &[]);
            let ran = site.fetch(&plan).args(["--until", until]).run().ends(0);
            assert!(
                ran.stderr().contains("waiting until it ends"),
                "{}",
                ran.stderr()
            );
            let lines = site.fetch(&plan).run().ends(0).records();
            assert_eq!(sorted(site.records(&lines)), site.truth(FROM, TO), "{body}");
        }
    }
}

#[test]
fn an_id_of_another_request_of_ours_is_not_taken_twice() {
    let site = processing(600);
    let plan = site.plan(FROM, TO, &[]);
    let (first, second) = plan.split_at(plan.find('\n').unwrap() + 1);
    let submit = site.fetch(first).args(["--until", "submitted"]).run();
    submit.ends(0);
    site.sim.fault("create@2=names-running");
    let second = site.fetch(second).run().ends(0).records();
    let first = site.fetch(first).run().ends(0).records();
    assert_ne!(first[0]["export_id"], second[0]["export_id"]);
    let lines: Vec<Value> = [first, second].concat();
    assert_eq!(sorted(site.records(&lines)), site.truth(FROM, TO));
}

#[test]
fn an_id_in_the_ledger_that_turns_out_to_be_foreign_is_asked_for_anew() {
    let site = Site::new();
    let plan = site.plan(FROM, "2026-11-12T00:00:00Z", &[]);
    let other = site.plan("2026-11-01", "2026-11-02", &[]);
    let theirs = site
        .fetch(&other)
        .args(["--until", "submitted", "--ledger", "theirs"])
        .run()
        .ends(0)
        .records();
    site.fetch("").prints("");
    let mut ledger = site.read("cdrs/ledger.ndjson");
    let request: Value = serde_json::from_str(&plan).unwrap();
    ledger += &format!(
        "{{\"event\":\"created\",\"group\":\"acme\",\"types\":[\"dialog_end\"],\"from\":{},\"to\":{},\"export_id\":{},\"at\":\"2026-11-20T00:00:00Z\"}}\n",
        request["from"], request["to"], theirs[0]["export_id"]
    );
    fs::write(site.path("cdrs/ledger.ndjson"), ledger).unwrap();
    let lines = site.fetch(&plan).run().ends(0).records();
    assert_ne!(lines[0]["export_id"], theirs[0]["export_id"]);
    let truth = site.truth(FROM, "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&lines)), truth);
}

#[test]
fn a_new_export_that_the_service_does_not_show_yet_is_waited_for() {
    let site = Site::new();
    site.sim.fault("status@1-4=404");
    site.sim.fault("list@1-4=list-empty");
    let plan = site.plan(FROM, "2026-11-12T00:00:00Z", &[]);
    let ran = site.fetch(&plan).run().ends(0);
    let truth = site.truth(FROM, "2026-11-12T00:00:00Z");
    assert_eq!(sorted(site.records(&ran.records())), truth);
    assert_eq!(ran.stderr(), "", "nothing is said to be EXPIRED");
    assert!(!site.read("cdrs/ledger.ndjson").contains("\"ended\""));
    assert_eq!(site.sim.stats().requests["create"], 1);
}

#[test]
fn a_new_export_that_is_never_shown_is_asked_for_anew_in_the_end() {
    let site = Site::new();
    site.sim.fault("status@1-400=404");
    site.sim.fault("list@1-20=list-empty");
    let plan = site.plan(FROM, "2026-11-12T00:00:00Z", &[]);
    // 150 polls of 2 ms.
    let ran = site.fetch(&plan).args(["--poll", "2ms"]).run().ends(0);
    assert_eq!(ran.records().len(), 1);
}

#[test]
fn a_group_that_is_refused_is_asked_once() {
    let site = Site::new();
    let good = site.plan("2026-11-10", "2026-11-12", &[]);
    let foreign = site
        .plan("2026-10-10", "2026-11-09", &[])
        .replace("\"acme\"", "\"aaa\"");
    assert_eq!(foreign.lines().count(), 15);
    let ran = site
        .fetch(&format!("{foreign}{good}"))
        .args(["--report", "report"])
        .run()
        .ends(77);
    assert_eq!(ran.records().len(), 1);
    assert_eq!(ran.stderr().lines().count(), 2, "{}", ran.stderr());
    assert!(
        ran.stderr()
            .contains("and 13 more of this group: not requested"),
        "{}",
        ran.stderr()
    );
    assert_eq!(site.sim.stats().requests["create"], 2);
    let report: Value = serde_json::from_str(&site.read("report")).unwrap();
    assert_eq!(report["problems"], 15);
}
