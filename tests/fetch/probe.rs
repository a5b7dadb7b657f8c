//! `export-fetch probe --with`: the other two APIs of an account, which are only read.

use serde_json::Value;

use crate::harness::{Ran, program};
use crate::raw_service::{RawService, json, reply};
use crate::sim::Sim;
use crate::site::{Site, config};

const PAT: &str = "demo-pat";
const BOTH: [&str; 2] = ["--with", "metrics,subscriptions"];

fn site() -> Site {
    Site::with(crate::sim::Config {
        pat: Some(PAT.to_owned()),
        ..config()
    })
}

fn probe(site: &Site, args: &[&str]) -> Ran {
    program("export-fetch")
        .dir(site.dir.path())
        .envs(site.env())
        .args(["probe", "--group", "acme", "--format", "ndjson"])
        .args(["--backoff", "1ms", "--tries", "2"])
        .args(args)
        .run()
}

/// A subscription, as `ocp-subscribe create` makes it.
fn subscribe(sim: &Sim) {
    let settings = "create --group acme --type dialog_end --name acme_end
        --url http://127.0.0.1:9/push --token-url http://127.0.0.1:9/token
        --client-id b --secret-env SECRET --no-probe";
    let dir = crate::harness::scratch();
    let ran = program("ocp-subscribe")
        .dir(dir.path())
        .args(settings.split_whitespace())
        .env("OCP_API_URL", sim.url())
        .env("OCP_PAT", PAT)
        .env("SECRET", "hunter2-of-the-receiver");
    ran.run().ends(0);
}

fn step(ran: &Ran, role: &str) -> Value {
    let mut steps = ran.records().into_iter();
    let found = steps.find(|step| step["role"] == role);
    found.unwrap_or_else(|| panic!("no {role} in {}", ran.stdout()))
}

#[test]
fn the_other_apis_are_asked_only_when_they_are_named() {
    let site = site();
    let roles = |ran: &Ran| -> Vec<String> {
        let steps = ran.records();
        let roles = steps.iter().map(|step| step["role"].as_str().unwrap());
        roles.map(str::to_owned).collect()
    };
    let few = roles(&probe(&site, &[]).ends(0));
    assert_eq!(few, ["token", "list", "status", "metadata", "data"]);
    let ran = probe(&site, &BOTH).ends(0);
    let more = ["metrics_realtime", "metrics_batch", "sub_list", "sub_get"];
    assert_eq!(
        roles(&ran),
        [few, more.map(str::to_owned).to_vec()].concat()
    );
    assert_eq!(step(&ran, "sub_get")["skipped"], true);
    let question = step(&ran, "metrics_batch")["request"].clone();
    assert!(
        question["url"]
            .as_str()
            .unwrap()
            .ends_with("/metrics-api/v3/batch/metrics/sessions")
    );
    assert!(
        question["body"]
            .as_str()
            .unwrap()
            .contains(r#""group":"acme""#)
    );
    subscribe(&site.sim);
    let ran = probe(&site, &BOTH).ends(0);
    assert_eq!(step(&ran, "sub_list")["found"], "1 subscription");
    let shown = step(&ran, "sub_get");
    assert_eq!(
        (&shown["ok"], &shown["skipped"]),
        (&true.into(), &false.into())
    );
    assert_eq!(shown["reply"]["auth"]["client_secret"], "string");
    assert!(!ran.stdout().contains("hunter2-of-the-receiver"));
    assert_eq!(site.sim.feeds().len(), 1);
}

#[test]
fn a_version_that_the_metrics_api_lacks_is_69_and_a_group_that_is_not_ours_77() {
    let site = site();
    site.sim.metrics().set(|knobs| knobs.versions = vec!["v2"]);
    let ran = probe(&site, &BOTH).ends(69);
    for role in ["metrics_realtime", "metrics_batch"] {
        let step = step(&ran, role);
        assert_eq!((&step["ok"], &step["exit"]), (&false.into(), &69.into()));
        assert_eq!(step["advice"][0]["lines"][0], "--api-url");
    }
    assert_eq!(step(&ran, "sub_list")["ok"], true);
    site.sim.metrics().set(|knobs| {
        knobs.versions = vec!["v3"];
        knobs.groups = vec!["other".to_owned()];
    });
    let ran = probe(&site, &BOTH).ends(77);
    assert_eq!(step(&ran, "metrics_batch")["exit"], 77);
}

/// A service with the subscriptions at this path, and this list of them.
fn service(path: &'static str, list: &'static str) -> RawService {
    RawService::start(move |asked| match asked.target.split('?').next() {
        Some("/exports-api/v1/exports") => json("[]"),
        Some(target) if target == path => json(list),
        Some("/exports-api/v1/subscriptions/s-1") => json(r#"{"subscriptionUuid":"s-1"}"#),
        _ => reply("404 Not Found", &[], r#"{"message":"no such path"}"#),
    })
}

#[test]
fn how_subscriptions_are_spelled_otherwise_is_said_and_written_down() {
    let site = site();
    let list = r#"{"page":{"rows":[{"subscriptionUuid":"s-1","message_type":"dialog_end"}]}}"#;
    let service = service("/exports-api/v2/subscriptions", list);
    let url = service.url();
    let probe = |profile: &str, written: &str| {
        let args = ["--with", "subscriptions", "--api-url", &url];
        let files = ["--api-profile", profile, "--write-profile", written];
        probe(&site, &[&args[..], &files[..]].concat())
    };
    std::fs::write(site.path("own.toml"), "").unwrap();
    let ran = probe("own.toml", "1.toml").ends(69);
    let wrong = step(&ran, "sub_list");
    assert_eq!(wrong["status"], 404);
    assert_eq!(wrong["advice"][0]["lines"][0], "[sub_list] path");
    assert_eq!(step(&ran, "sub_get")["skipped"], true);

    let path = "[sub_list]\npath = \"/exports-api/v2/subscriptions?group={group}\"\n";
    std::fs::write(site.path("own.toml"), path).unwrap();
    let ran = probe("own.toml", "2.toml").ends(69);
    let wrong = step(&ran, "sub_list");
    assert_eq!(wrong["advice"][0]["lines"][0], "[sub_reply] list");
    assert_eq!(wrong["advice"][0]["value"][0], "/page/rows");
    // With that list, the id is the next thing that is spelled otherwise.
    let ran = probe("2.toml", "3.toml").ends(69);
    let wrong = step(&ran, "sub_list");
    assert_eq!(
        wrong["advice"][0]["lines"][0],
        "[sub_reply] subscription_id"
    );
    assert_eq!(wrong["advice"][0]["value"][0], "/subscriptionUuid");
    let ran = probe("3.toml", "4.toml").ends(0);
    assert_eq!(step(&ran, "sub_get")["found"], "subscription s-1");
    assert!(service.asked("").iter().all(|asked| asked.body.is_empty()));
}
