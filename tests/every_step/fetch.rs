//! export-fetch and unzip-jsonl, as the README's scripts use them.

use serde_json::Value;

use super::checks::{Check, each_once, ensure, lines, named, whole};
use super::scenario::{Run, Scenario};
use crate::readme;
use crate::sim::Config;
use crate::site::{NOW, Site, config, sorted};

const FROM: &str = "2026-11-17T12:00:00Z";
const TO: &str = "2026-11-20T10:00:00Z";
/// Half of the first window.
const ADOPTED_TO: &str = "2026-11-18T12:00:00Z";

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

/// The cron job of the README; `program` is the one that is killed.
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
            ensure("a list is left", named(site, "lists", ".ndjson").is_empty())?;
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
            ensure(&format!("{zips:?} are left"), zips.is_empty())?;
            (hourly("", "").done)(site)
        },
        ..hourly("cron, then prune", "export-plan")
    }
}

/// An export of somebody else is taken into the ledger, and the rest is made.
pub fn adopt() -> Scenario {
    Scenario {
        name: "an export that is adopted",
        program: "export-fetch",
        config: quick,
        prepare: |run: &Run<'_>| {
            let plan = run.site.plan(FROM, ADOPTED_TO, &[]);
            let script = "export-fetch --until ready --ledger other.json --poll 5ms";
            let made = run.site.shell(script).stdin(&plan).run().ends(0);
            std::fs::write(run.site.path("other.ndjson"), made.stdout()).unwrap();
        },
        script: format!(
            "export-plan windows --group acme --type dialog_end --from -3d --now {NOW} |
                 export-fetch --out-dir zips --adopt \"$(jq -r .export_id other.ndjson)\" |
                 unzip-jsonl > records.ndjson"
        ),
        always: |site| {
            let creates = site.sim.stats().creates_accepted;
            ensure(&format!("{creates} exports instead of 3"), creates <= 3)
        },
        done: |site| {
            let records = lines(site, &["records.ndjson".to_owned()]);
            each_once(records, site.truth(FROM, TO))?;
            let adopted = site.read("other.ndjson");
            let adopted: Value = serde_json::from_str(&adopted).map_err(|e| e.to_string())?;
            let id = adopted["export_id"].as_str().unwrap_or_default();
            let noted = lines(site, &["zips/ledger.ndjson".to_owned()]);
            let is_adoption = |line: &&String| {
                let event: Value = serde_json::from_str(line).unwrap_or_default();
                event["event"] == "created" && event["export_id"] == id
            };
            let times = noted.iter().filter(is_adoption).count();
            ensure(&format!("adopted {times} times"), times == 1)
        },
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
        ensure(
            &format!("{name} names other records"),
            records.iter().all(known),
        )?;
    }
    Ok(())
}

/// An export that was asked for twice takes the group's only place.
pub fn asked_once(site: &Site) -> Check {
    let stats = site.sim.stats();
    let creates = stats.creates_accepted;
    ensure(&format!("{creates} exports instead of 2"), creates == 2)
}
