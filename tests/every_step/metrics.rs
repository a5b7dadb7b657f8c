//! ocp-metrics with a state.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::checks::{Check, ensure, lines, named};
use super::scenario::{Run, Scenario};
use crate::metrics::site::{NOW, latest};
use crate::sim::Config;
use crate::sim::spelling::instant;
use crate::site::{Site, config};

fn counts() -> Config {
    Config {
        now: instant(NOW).expect("a time"),
        ..config()
    }
}

/// Each bucket of the truth with its value.
fn each_bucket(site: &Site, rows: &[Value], source: &str, step: &str) -> Check {
    let (metric, start, end) = match source {
        "batch" => ("dialogs", "2026/11/04 00:00:00", "2026/11/05 14:00:00"),
        _ => (
            "dialogs_completed",
            "2026/11/05 15:05:00",
            "2026/11/05 16:00:00",
        ),
    };
    let body = json!({
        "metrics": [metric], "filters": {"channel": []}, "group": "acme", "drilldown": true,
        "downsampling": step, "start": start, "end": end,
    });
    let truth = site.sim.metrics().truth(source, "dialogs", &body);
    let got: BTreeMap<String, Value> = latest(rows);
    let wrong = truth
        .iter()
        .filter(|(name, value)| got.get(*name) != Some(value));
    let wrong: Vec<&String> = wrong.map(|(name, _)| name).collect();
    ensure("there is no truth", !truth.is_empty())?;
    ensure(
        &format!("{} of {}: {wrong:?}", wrong.len(), truth.len()),
        wrong.is_empty(),
    )
}

/// No row twice: what is asked for again has a newer `as_of`.
fn once(rows: &[Value]) -> Check {
    let key = |row: &Value| format!("{} {} {}", row["series"], row["from"], row["as_of"]);
    let mut keys: Vec<String> = rows.iter().map(key).collect();
    let all = keys.len();
    keys.sort();
    keys.dedup();
    ensure(
        &format!("{} rows twice", all - keys.len()),
        keys.len() == all,
    )
}

/// Rows of whole lines, and of such that follow half of a line.
fn rows_of(texts: &[String]) -> Vec<Value> {
    let parse = |line: &String| {
        let mut starts = line.match_indices('{').map(|(at, _)| at);
        starts.find_map(|at| {
            serde_json::from_str::<Value>(&line[at..])
                .ok()
                .filter(|row| row["series"].is_string())
        })
    };
    texts.iter().filter_map(parse).collect()
}

pub const BATCH: &str =
    "ocp-metrics batch dialogs --group acme --metric dialogs --by channel --from 2026-11-04";

/// A file for each run, named by the state that it goes on from.
pub fn batch() -> Scenario {
    Scenario {
        name: "metrics of a batch",
        program: "ocp-metrics",
        config: counts,
        prepare: |run: &Run<'_>| {
            run.site.sim.metrics().set_now("2026-11-05T09:00:00Z");
            run.script("").ends(0);
            run.site.sim.metrics().set_now(NOW);
        },
        script: format!(
            "mkdir -p rows
             {BATCH} --state S -o 'rows/since-{{state}}.ndjson'"
        ),
        always: |_| Ok(()),
        done: |site| are_right(site, "rows"),
    }
}

/// The files of a directory have each row once, and the newest of each bucket is the truth.
pub fn are_right(site: &Site, directory: &str) -> Check {
    let texts = lines(site, &named(site, directory, ".ndjson"));
    let rows = rows_of(&texts);
    ensure("a line is half", rows.len() == texts.len())?;
    once(&rows)?;
    each_bucket(site, &rows, "batch", "hour")
}

/// A state that waits for what loads the rows.
pub fn batch_loaded() -> Scenario {
    Scenario {
        name: "metrics loaded before the state moves",
        program: "ocp-metrics",
        config: counts,
        prepare: |_: &Run<'_>| {},
        script: format!(
            "{BATCH} --state S --state-out next -o new.ndjson
             if [ -e next ]; then cat new.ndjson >> loaded; mv next S; fi"
        ),
        always: |_| Ok(()),
        done: |site| {
            let rows = rows_of(&lines(site, &["loaded".to_owned()]));
            once(&rows)?;
            each_bucket(site, &rows, "batch", "hour")
        },
    }
}

/// Appended to one file, where a poll may come again.
pub fn polls() -> Scenario {
    Scenario {
        name: "metrics that are polled",
        program: "ocp-metrics",
        config: counts,
        // The truth is that of the end of time.
        prepare: |run: &Run<'_>| {
            let metrics = run.site.sim.metrics();
            metrics.set(|knobs| knobs.lateness = chrono::TimeDelta::zero());
        },
        script:
            "ocp-metrics realtime dialogs --group acme --metric dialogs_completed --by channel \
                 --state S --follow --since -1h --every 40ms --for 150ms >> all"
                .to_owned(),
        always: |_| Ok(()),
        done: |site| {
            let rows = rows_of(&lines(site, &["all".to_owned()]));
            each_bucket(site, &rows, "realtime", "five_min")
        },
    }
}
