//! `vg-consecutive probe`: whether an account works, and what to change where it does not.

use serde_json::Value;

use crate::harness::Ran;
use crate::sim::voicegain::{Change, Config};
use crate::voicegain::site::Site;

/// As NDJSON: `site.export` without its own flags.
fn probe(site: &Site, args: &[&str]) -> Ran {
    crate::harness::program("vg-consecutive")
        .dir(site.dir.path())
        .envs(site.env())
        .args(["probe", "--backoff", "10ms", "--rate", "1000/1s"])
        .args(["--format", "ndjson"])
        .args(args)
        .run()
}

/// Each step's role, and whether it works; `-` where it was not tried.
fn outline(ran: &Ran) -> String {
    let word = |step: &Value| match (&step["skipped"], &step["ok"]) {
        (Value::Bool(true), _) => "-",
        (_, Value::Bool(true)) => "works",
        _ => "wrong",
    };
    let steps = ran.records();
    let words: Vec<String> = steps
        .iter()
        .map(|step| format!("{} {}", step["role"].as_str().unwrap(), word(step)))
        .collect();
    words.join(", ")
}

fn found(ran: &Ran, role: &str) -> String {
    let steps = ran.records();
    let step = steps.iter().find(|step| step["role"] == role).unwrap();
    step["found"].as_str().unwrap().to_owned()
}

fn with(change: impl FnOnce(&mut Config)) -> Site {
    Site::with(change)
}

#[test]
fn an_account_that_works_is_said_to() {
    let site = Site::new();
    let ran = probe(&site, &[]).ends(0);
    assert_eq!(
        outline(&ran),
        "login works, page works, cursor works, agent works"
    );
    assert_eq!(
        found(&ran, "page"),
        "40 calls, 1000 were requested: there are no more finished calls"
    );
    assert_eq!(
        found(&ran, "agent"),
        "give --agent the agent.agentId of the calls; several as agentId=A&agentId=B"
    );
    let page = &ran.records()[1];
    assert_eq!(page["status"], 200);
    assert_eq!(page["reply"][0]["agent"]["agentId"], "string");
    assert!(!ran.stdout().contains("Pat Doe") && !ran.stdout().contains("demo-jwt"));
    let text = probe(&site, &["--format", "text"]).ends(0);
    assert!(
        text.stdout().ends_with("this account works\n"),
        "{}",
        text.stdout()
    );
}

#[test]
fn a_token_that_is_not_accepted_is_77_and_another_address_is_69() {
    let site = Site::new();
    let base = format!("{}/v2", site.sim.url());
    let ran = probe(&site, &["--base-url", &base]).ends(69);
    assert_eq!(outline(&ran), "login wrong, page -, cursor -, agent -");
    assert_eq!(ran.records()[0]["advice"][0]["lines"][0], "--base-url");
    let site = with(|config| config.token = "another".to_owned());
    let ran = probe(&site, &[]).ends(77);
    assert_eq!(ran.records()[0]["advice"][0]["lines"][0], "VOICEGAIN_TOKEN");
    assert_eq!(ran.records()[0]["status"], 401);
}

#[test]
fn the_size_of_a_page_is_found() {
    let site = with(|config| config.max_per_page = 15);
    assert_eq!(
        found(&probe(&site, &[]).ends(0), "page"),
        "15 calls, 1000 were requested: the service returns no more at a time (--per-page 15)"
    );
    assert_eq!(
        found(&probe(&site, &["--per-page", "10"]).ends(0), "page"),
        "10 calls, as many as were asked for"
    );
}

#[test]
fn ids_that_do_not_rise_are_not_exported() {
    let site = with(|config| config.disordered = true);
    let ran = probe(&site, &[]).ends(69);
    assert_eq!(outline(&ran), "login works, page wrong, cursor -, agent -");
}

#[test]
fn how_several_agents_are_sent_is_found() {
    let site = with(|config| config.reads_one_of_each = true);
    let ran = probe(&site, &[]).ends(69);
    let agent = &ran.records()[3];
    assert_eq!(agent["advice"][0]["lines"][0], "--array-style");
    assert_eq!(agent["advice"][0]["value"], "comma");
}

#[test]
fn an_account_without_finished_calls_is_not_said_to_work() {
    let site = with(|config| config.calls = 0);
    let ran = probe(&site, &[]).ends(0);
    assert_eq!(outline(&ran), "login works, page works, cursor -, agent -");
    let site = Site::new();
    let first = site.calls().ids()[0];
    site.change(Change::Phase(first, "PROCESSING"));
    let ran = probe(&site, &[]).ends(0);
    assert!(
        found(&ran, "page").contains("an unfinished call is in between"),
        "{}",
        ran.stdout()
    );
}
