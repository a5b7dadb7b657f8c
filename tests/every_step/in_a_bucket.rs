//! States, ledgers, ZIPs, files of a lake and output in a bucket. After each run the objects lie
//! below `bucket/`, too, and the leases of killed runs have lapsed.

use std::fs;

use super::checks::{each_once, ensure, lines, named, whole};
use super::scenario::{Run, Scenario};
use super::{fetch, local, metrics as rows, vendors};
use crate::site::{NOW, config};

/// Copies of side logs, and what is on its way into an object.
const TEMP: &str = "mkdir -p tmp && export TMPDIR=$PWD/tmp";

const CALLS: &str = "vg-consecutive --state s3://bucket/vg.state --refresh-days 7";

/// A state with a side log; the calls are in files.
pub fn calls_with_a_state() -> Scenario {
    Scenario {
        name: "calls with a state in a bucket",
        script: format!("{TEMP}; mkdir -p calls; {CALLS} -o 'calls/since-{{state}}.ndjson'"),
        ..vendors::calls_hourly()
    }
}

/// The calls are objects, too.
pub fn calls() -> Scenario {
    Scenario {
        name: "calls into a bucket",
        script: format!("{TEMP}; {CALLS} -o 's3://bucket/calls/since-{{state}}.ndjson'"),
        always: |site| {
            let names = named(site, "bucket/calls", ".ndjson");
            whole(site, &names, &vendors::all_calls(site))
        },
        done: |site| {
            let names = named(site, "bucket/calls", ".ndjson");
            each_once(lines(site, &names), vendors::all_calls(site))
        },
        ..vendors::calls_hourly()
    }
}

pub fn messages() -> Scenario {
    Scenario {
        name: "messages into a bucket",
        script: format!(
            "{TEMP}; dialpad-window --state s3://bucket/dialpad.state --from -12d --window 3d \
                 -o 's3://bucket/messages/since-{{state}}.ndjson'"
        ),
        always: |site| {
            let names = named(site, "bucket/messages", ".ndjson");
            whole(site, &names, &site.sim.dialpad().truth())
        },
        done: |site| {
            let names = named(site, "bucket/messages", ".ndjson");
            each_once(lines(site, &names), site.sim.dialpad().truth())
        },
        ..vendors::messages_hourly()
    }
}

pub fn metrics() -> Scenario {
    Scenario {
        name: "metrics into a bucket",
        script: format!(
            "{TEMP}; {} --state s3://bucket/S -o 's3://bucket/rows/since-{{state}}.ndjson'",
            rows::BATCH
        ),
        done: |site| rows::are_right(site, "bucket/rows"),
        ..rows::batch()
    }
}

const FROM: &str = "2026-11-20T06:00:00Z";
const TO: &str = "2026-11-20T10:00:00Z";

/// Ledger, ZIPs and lake; `program` is the one that is killed, or whose calls fail.
pub fn exports(name: &'static str, program: &'static str) -> Scenario {
    Scenario {
        name,
        program,
        // Two exports of two hours.
        script: format!(
            "{TEMP}
             export-plan windows --group acme --type dialog_end --from {FROM} --window 2h --now {NOW} |
                 export-fetch --out-dir s3://bucket/zips --ledger s3://bucket/zips/ledger.ndjson |
                 unzip-jsonl --backoff 5ms --layout duckdb --out-dir s3://bucket/lake > files.ndjson"
        ),
        always: |site| {
            let names = named(site, "bucket/lake", ".ndjson");
            whole(site, &names, &site.truth(FROM, TO))
        },
        done: |site| {
            let records = lines(site, &named(site, "bucket/lake", ".ndjson"));
            each_once(records, site.truth(FROM, TO))?;
            fetch::asked_once(site)
        },
        ..fetch::pipe()
    }
}

/// An object that is complete or absent.
pub fn filter() -> Scenario {
    Scenario {
        name: "filter into a bucket",
        program: "cdr-filter",
        config,
        prepare: |run: &Run<'_>| {
            let text: String = local::truth()
                .iter()
                .map(|line| format!("{line}\n"))
                .collect();
            fs::write(run.site.path("records.ndjson"), text).unwrap();
        },
        script: format!("{TEMP}; cdr-filter '.n >= 0' -o s3://bucket/out.ndjson records.ndjson"),
        always: |site| local::absent_or(site, "bucket/out.ndjson", &local::truth()),
        done: |site| {
            ensure("it is absent", site.path("bucket/out.ndjson").exists())?;
            local::absent_or(site, "bucket/out.ndjson", &local::truth())
        },
    }
}
