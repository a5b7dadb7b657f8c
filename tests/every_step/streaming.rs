//! The programs of the stream: ocp-receive reconcile, and ocp-subscribe.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use serde_json::Value;

use super::checks::{Check, ensure};
use super::scenario::{Run, Scenario};
use crate::harness::program;
use crate::pusher::canonical::canonical;
use crate::receive::served::{Place, lake_at};
use crate::site::{Site, config};

fn record(n: u64) -> String {
    let time = 1_793_491_200_000 + (n % 3) * 3_600_000 + (n % 2) * 86_400_000;
    format!(r#"{{"message_type":"dialog_end","id":"i{n}","time":{time},"n":{n}}}"#)
}

/// Lines of `unzip-jsonl --with-source`.
fn sourced(count: u64) -> String {
    let line = |n| {
        format!(
            "{{\"source\":\"a.zip\",\"member\":\"m\",\"record\":{}}}\n",
            record(n)
        )
    };
    (0..count).map(line).collect()
}

/// The records of the lake, each once.
fn in_the_lake(site: &Site, count: u64) -> Check {
    let wanted: BTreeMap<String, u64> = (0..count).map(|n| (canonical(&record(n)), 1)).collect();
    let lake = lake_at(&site.path("ocp/lake"));
    let lost = wanted.keys().filter(|key| !lake.contains_key(*key)).count();
    let doubled = lake.values().filter(|count| **count > 1).count();
    let is_right = lake == wanted;
    ensure(
        &format!(
            "{lost} records lost, {doubled} doubled, {} in all",
            lake.len()
        ),
        is_right,
    )
}

/// A lake that lacks some records, and a batch that has them.
pub fn reconcile() -> Scenario {
    Scenario {
        name: "reconcile",
        program: "ocp-receive",
        config,
        prepare: |run: &Run<'_>| {
            static FIRST: OnceLock<Place> = OnceLock::new();
            let first = FIRST.get_or_init(|| {
                let mut place = Place::new();
                place.serve().stop();
                let reconcile = program("ocp-receive").args(["reconcile", "--dir", "ocp"]);
                let reconcile = reconcile.dir(place.dir.path()).stdin(sourced(5));
                reconcile.run().ends(0);
                place
            });
            let copy = program("cp").arg("-r").arg(first.path("ocp"));
            copy.arg(run.site.path("ocp")).run().ends(0);
            fs::write(run.site.path("in.ndjson"), sourced(12)).unwrap();
        },
        script: "ocp-receive reconcile --dir ocp -o counts < in.ndjson".to_owned(),
        always: |site| {
            let lake = lake_at(&site.path("ocp/lake"));
            ensure(
                "a record is doubled",
                lake.values().all(|count| *count == 1),
            )
        },
        done: |site| {
            in_the_lake(site, 12)?;
            let quarantine = site.path("ocp/quarantine").exists();
            ensure("something is set aside", !quarantine)
        },
    }
}

const RECEIVER: &str = "https://receiver.example.test";

fn ledger(site: &Site) -> Vec<Value> {
    let text = fs::read_to_string(site.path("subscriptions.ndjson")).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// One subscription of each type for a client, and the newest note of each says so.
fn subscribed(site: &Site, kinds: &[&str], client: &str) -> Check {
    let feeds = site.sim.feeds();
    let mut there: Vec<&str> = feeds
        .iter()
        .map(|feed| feed.settings.message_type.as_str())
        .collect();
    there.sort_unstable();
    ensure(&format!("{there:?} are subscribed to"), there == kinds)?;
    let is_new = |feed: &crate::sim::subscriptions::Feed| feed.settings.client_id == client;
    ensure("an old client", feeds.iter().all(is_new))?;
    let notes = ledger(site);
    for feed in &feeds {
        let mut of_it = notes.iter().filter(|note| note["id"] == feed.id);
        let last = of_it
            .next_back()
            .map(|note| note["new"]["client_id"].clone());
        ensure("the ledger has no note of it", last == Some(client.into()))?;
    }
    Ok(())
}

pub fn create() -> Scenario {
    Scenario {
        name: "create a subscription",
        program: "ocp-subscribe",
        config,
        prepare: |_: &Run<'_>| {},
        script: format!(
            "export SECRET=hunter2hunter2
             ocp-subscribe create --group acme --type dialog_end --name n --url {RECEIVER}/push/a \
             --token-url {RECEIVER}/token --client-id a --secret-env SECRET --no-probe -o made"
        ),
        always: |_| Ok(()),
        done: |site| {
            subscribed(site, &["dialog_end"], "a")?;
            let made = fs::read_to_string(site.path("made")).unwrap_or_default();
            ensure("no line about it", made.lines().count() == 1)
        },
    }
}

fn wanted(client: &str) -> String {
    let table = |kind: &str| {
        format!(
            "[[subscription]]\ngroup = \"acme\"\ntype = \"{kind}\"\nname = \"acme_{kind}\"\n\
             url = \"{RECEIVER}/push/{kind}\"\ntoken_url = \"{RECEIVER}/token\"\n\
             client_id = \"{client}\"\nsecret_env = \"SECRET\"\n\n"
        )
    };
    ["dialog_end", "dialog_start", "dialog_step"]
        .map(table)
        .concat()
}

/// What is there gets another client, and one is new.
pub fn apply() -> Scenario {
    Scenario {
        name: "apply a file",
        program: "ocp-subscribe",
        config,
        prepare: |run: &Run<'_>| {
            let first = wanted("a")
                .split_inclusive("\n\n")
                .take(2)
                .collect::<String>();
            fs::write(run.site.path("wanted.toml"), first).unwrap();
            run.script("").ends(0);
            fs::write(run.site.path("wanted.toml"), wanted("b")).unwrap();
        },
        script: "export SECRET=hunter2hunter2
                 ocp-subscribe apply wanted.toml --no-probe -o made"
            .to_owned(),
        always: |site| {
            let feeds = site.sim.feeds().len();
            ensure("a subscription is doubled", feeds <= 3)
        },
        done: |site| subscribed(site, &["dialog_end", "dialog_start", "dialog_step"], "b"),
    }
}
