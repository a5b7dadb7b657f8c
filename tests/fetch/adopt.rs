//! Exports that others have made: listed, and taken into the ledger by their ids.

use std::time::Duration;

use serde_json::Value;

use crate::sim::Config;
use crate::site::{Site, config, sorted};

/// The id of an export of these hours, which another ledger knows.
fn made_elsewhere(site: &Site, from: &str, to: &str) -> String {
    let plan = site.plan(from, to, &[]);
    let script = "export-fetch --until ready --ledger other --poll 10ms";
    let lines = site.shell(script).stdin(&plan).run().ends(0).records();
    lines[0]["export_id"].as_str().unwrap().to_owned()
}

/// The events of the ledger, in order.
fn events(site: &Site) -> Vec<String> {
    let text = site.read("cdrs/ledger.ndjson");
    let event = |line: &str| {
        serde_json::from_str::<Value>(line).ok()?["event"]
            .as_str()
            .map(str::to_owned)
    };
    text.lines().filter_map(event).collect()
}

#[test]
fn an_export_that_is_adopted_is_not_made_again() {
    let site = Site::new();
    let id = made_elsewhere(&site, "2026-11-10", "2026-11-11");
    let plan = site.plan("2026-11-10", "2026-11-14", &[]);
    assert_eq!(plan.lines().count(), 2);
    let lines = site
        .fetch(&plan)
        .args(["--adopt", &id])
        .run()
        .ends(0)
        .records();
    assert!(lines.iter().any(|line| line["export_id"] == *id));
    assert_eq!(
        sorted(site.records(&lines)),
        site.truth("2026-11-10T00:00:00Z", "2026-11-14T00:00:00Z")
    );
    // One elsewhere, and the rest of the first line, and the second.
    assert_eq!(site.sim.stats().creates_accepted, 3);
    let events = events(&site);
    let at = |name: &str| events.iter().position(|event| event == name).unwrap();
    assert!(at("created") < at("requesting"), "{events:?}");
    assert!(at("created") < at("creating"), "{events:?}");
    // And it is ours from now on.
    site.fetch(&plan).run().ends(0);
    site.fetch(&plan).args(["--adopt", &id]).run().ends(0);
    assert_eq!(site.sim.stats().creates_accepted, 3);
}

#[test]
fn a_ready_export_of_the_same_hours_is_found_without_its_id() {
    let site = Site::new();
    let id = made_elsewhere(&site, "2026-11-10", "2026-11-11");
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    let other = site.plan("2026-11-10 01:00", "2026-11-11", &[]);
    let fetch = |plan: &str, ledger: &str| {
        let args = ["--adopt-ready", "--ledger", ledger];
        site.fetch(plan).args(args).run().ends(0).records()
    };
    let lines = fetch(&plan, "first");
    assert_eq!(lines[0]["export_id"], *id);
    assert_eq!(
        sorted(site.records(&lines)),
        site.truth("2026-11-10T00:00:00Z", "2026-11-11T00:00:00Z")
    );
    assert_eq!(site.sim.stats().creates_accepted, 1);
    assert_ne!(fetch(&other, "second")[0]["export_id"], *id, "other hours");
    assert_eq!(site.sim.stats().creates_accepted, 2);
    let args = ["--ledger", "third"];
    site.fetch(&plan).args(args).run().ends(0);
    assert_eq!(site.sim.stats().creates_accepted, 3, "nobody asked for it");
}

#[test]
fn a_run_that_ends_after_the_adoption_is_resumed_without_it() {
    let site = Site::new();
    let id = made_elsewhere(&site, "2026-11-10", "2026-11-11");
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    site.sim.fault("data@1=503");
    site.fetch(&plan)
        .args(["--adopt", &id, "--tries", "1"])
        .run()
        .ends(75);
    assert!(events(&site).contains(&"created".to_owned()));
    let lines = site.fetch(&plan).run().ends(0).records();
    assert_eq!(lines[0]["export_id"], *id);
}

/// Nothing is noted, made or downloaded.
fn refuses(site: &Site, plan: &str, ids: &[&str], why: &str) {
    let before = site.sim.stats().creates_accepted;
    let mut fetch = site.fetch(plan);
    for id in ids {
        fetch = fetch.args(["--adopt", id]);
    }
    let ran = fetch.run().ends(2);
    assert!(ran.stderr().contains(why), "{}", ran.stderr());
    assert_eq!(events(site), ["opened"]);
    assert_eq!(site.sim.stats().creates_accepted, before);
}

#[test]
fn what_does_not_fit_is_2_with_the_reason_and_changes_nothing() {
    let site = Site::new();
    let id = made_elsewhere(&site, "2026-11-10", "2026-11-11");
    let plan = site.plan("2026-11-10", "2026-11-12", &[]);
    let unknown = "the list of acme does not show it: it belongs to another group";
    refuses(&site, &plan, &["no-such-id"], unknown);
    refuses(&site, &plan, &[&id, "no-such-id"], unknown);
    refuses(&site, "", &[&id], "stdin has no plan line");
    let later = site.plan("2026-11-10T05:00:00Z", "2026-11-12", &[]);
    refuses(
        &site,
        &later,
        &[&id],
        "no line of the plan has the same hours",
    );
    let typed = plan.replace("dialog_end", "dialog_step");
    refuses(
        &site,
        &typed,
        &[&id],
        "no line of the plan has the same types",
    );
    let group = plan.replace("acme", "beta");
    let ran = site.fetch(&group).args(["--adopt", &id]).run();
    assert!([2, 77].contains(&ran.status()), "{}", ran.stderr());
}

#[test]
fn an_export_that_is_expired_is_not_adopted() {
    let site = Site::with(Config {
        ready_life: Duration::from_millis(300),
        ..config()
    });
    let id = made_elsewhere(&site, "2026-11-10", "2026-11-11");
    std::thread::sleep(Duration::from_millis(400));
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    refuses(
        &site,
        &plan,
        &[&id],
        "it is EXPIRED, so it cannot be downloaded",
    );
}

#[test]
fn hours_that_the_ledger_has_are_not_adopted_a_second_time() {
    let site = Site::new();
    let plan = site.plan("2026-11-10", "2026-11-11", &[]);
    site.fetch(&plan).run().ends(0);
    let id = made_elsewhere(&site, "2026-11-10", "2026-11-11");
    let ran = site.fetch(&plan).args(["--adopt", &id]).run().ends(2);
    assert!(
        ran.stderr().contains("the ledger has export "),
        "{}",
        ran.stderr()
    );
}

#[test]
fn the_list_says_who_holds_the_slot_and_what_the_ledger_has() {
    let site = Site::with(Config {
        processing: vec![Duration::from_millis(60), Duration::from_secs(3600)],
        ..config()
    });
    site.fetch(&site.plan("2026-11-10", "2026-11-11", &[]))
        .run()
        .ends(0);
    site.shell("export-fetch --until submitted --ledger other --poll-once")
        .stdin(site.plan("2026-11-11", "2026-11-12", &[]))
        .run()
        .ends(0);
    let list = |more: &[&str]| {
        let list = crate::harness::program("export-fetch");
        let list = list.dir(site.dir.path()).envs(site.env());
        list.args(["list", "--group", "acme"]).args(more).run()
    };
    let lines = list(&["--out-dir", "cdrs"]).ends(0).records();
    let [running, ready] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!(running["holds_slot"], true);
    assert_eq!(running["ledger"], Value::Null);
    assert_eq!(ready["meaning"], "ready");
    assert_eq!(
        (&ready["ledger"], &ready["pages"]),
        (&"fetched".into(), &1.into())
    );
    assert!(ready["expires_before"].is_string());
    assert_eq!(ready["from"], "2026-11-10T00:00:00Z");
    let table = list(&["--out-dir", "cdrs", "--format", "table"])
        .ends(0)
        .stdout();
    assert!(table.starts_with("GROUP  EXPORT"), "{table}");
    assert!(
        table.contains("another's") && table.contains("fetched 1/1"),
        "{table}"
    );
    let ours = list(&["--ledger", "other"]).ends(0).records();
    assert_eq!(
        (&ours[0]["ledger"], &ours[1]["ledger"]),
        (&"submitted".into(), &Value::Null)
    );
    let some = list(&["--group", "nobody"]).ends(77);
    assert_eq!(some.records().len(), 2, "{}", some.stderr());
    list(&["--ledger", "no-such-file"]).ends(74);
}
