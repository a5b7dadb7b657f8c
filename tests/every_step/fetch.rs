//! export-fetch and unzip-jsonl, as the README's scripts use them.

use serde_json::Value;

use super::scenario::{Check, Run, Scenario, each_once, lines, named, none, whole};
use crate::readme;
use crate::sim::Config;
use crate::site::{NOW, Site, config, sorted};

const FROM: &str = "2026-11-17T12:00:00Z";
const TO: &str = "2026-11-20T10:00:00Z";

fn quick() -> Config {
    Config {
        processing: vec![std::time::Duration::ZERO],
        zip_limit: 1000,
        ..config()
    }
}

fn cron() -> String {
    let job = readme::script("# 17 * * * *");
    job.replace("--from -60d", &format!("--from -3d --now {NOW}"))
}

/// The cron job of the README, and the program in it that suffers.
pub fn hourly(name: &'static str, program: &'static str) -> Scenario {
    Scenario {
        name,
        program,
        config: quick,
        prepare: |_: &Run<'_>| {},
        script: cron(),
        always: |site| {
            lists_are_whole(site)?;
            whole(
                site,
                &named(site, "records", ".ndjson"),
                &site.truth(FROM, TO),
            )
        },
        done: |site| {
            let records = lines(site, &named(site, "records", ".ndjson"));
            each_once(records, site.truth(FROM, TO))?;
            none("a list is left", named(site, "lists", ".ndjson").is_empty())?;
            asked_once(site)
        },
    }
}

/// Into a pipe, all of it in each run.
pub fn pipe() -> Scenario {
    Scenario {
        name: "fetch into a pipe",
        program: "export-fetch",
        config: quick,
        prepare: |_: &Run<'_>| {},
        script: format!(
            "export-plan windows --group acme --type dialog_end --from -3d --now {NOW} |
                 export-fetch --out-dir zips | unzip-jsonl > records.ndjson"
        ),
        always: |_| Ok(()),
        done: |site| {
            let records = lines(site, &["records.ndjson".to_owned()]);
            each_once(records, site.truth(FROM, TO))?;
            asked_once(site)
        },
    }
}

/// Into a pipe whose reader keeps what it read, and only what the ledger lacks.
pub fn rest_into_a_pipe() -> Scenario {
    Scenario {
        name: "what is lacking into a pipe",
        program: "export-fetch",
        config: quick,
        prepare: |_: &Run<'_>| {},
        script: format!("export-plan windows --group acme --type dialog_end --from -3d --now {NOW} --have zips/ledger.ndjson |
                 export-fetch --out-dir zips | cat >> lists.ndjson"),
        always: |_| Ok(()),
        done: |site| {
            let mut names: Vec<String> = lines(site, &["lists.ndjson".to_owned()])
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .map(|line| line["path"].as_str().unwrap().to_owned())
                .collect();
            names.sort();
            names.dedup();
            let paths: Vec<Value> = names.iter().map(|path| serde_json::json!({ "path": path })).collect();
            each_once(site.records(&paths), site.truth(FROM, TO))?;
            asked_once(site)
        },
    }
}

/// The cron job, and then the ZIPs that were read are removed.
pub fn prune() -> Scenario {
    Scenario {
        script: format!(
            "(EVERY_STEP_PREFIX=\n{})
             export-plan prune --ledger zips/ledger.ndjson --older-than 0s > removed.ndjson",
            cron()
        ),
        done: |site| {
            let zips = named(site, "zips", ".zip");
            none(&format!("{zips:?} are left"), zips.is_empty())?;
            (hourly("", "").done)(site)
        },
        ..hourly("cron, then prune", "export-plan")
    }
}

/// Every list names ZIPs that are there and sound.
fn lists_are_whole(site: &Site) -> Check {
    let truth = site.truth(FROM, TO);
    for name in named(site, "lists", ".ndjson") {
        let text = site.read(&name);
        let parsed: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
        let parsed = parsed.map_err(|e| format!("{name}: {e}"))?;
        let records = sorted(site.records(&parsed));
        let known = |record: &String| truth.binary_search(record).is_ok();
        none(
            &format!("{name} names other records"),
            records.iter().all(known),
        )?;
    }
    Ok(())
}

/// An export that was asked for twice takes the group's only place.
fn asked_once(site: &Site) -> Check {
    let stats = site.sim.stats();
    let creates = stats.creates_accepted;
    none(&format!("{creates} exports instead of 2"), creates == 2)
}
