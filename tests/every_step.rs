//! Each program is killed before each of its system calls that change something,
//! and each of these calls fails in turn, and each request to a bucket; then the same
//! is run again. No record is lost or there twice, no file with its final name is half a file.
//!
//! `make crash` tries all of them; `make test` tries a few of each scenario, the
//! same ones every time. Needs strace, and a system that lets it trace.

pub mod checks;
mod fetch;
mod in_a_bucket;
mod injection;
mod local;
mod metrics;
mod model;
mod order;
mod scenario;
pub mod strace;
mod streaming;
mod vendors;

use std::io::Write;

use scenario::{Known, Scenario};

/// How many faults of a scenario run in `make test`.
const SAMPLE: usize = 4;

/// Which of them: another number picks others.
const SEED: usize = 5;

/// Faults that are known. One that does not come up any more fails the test.
const KNOWN: [Known; 0] = [];

fn every_step(scenario: &Scenario) {
    let wanted = std::env::var("CALLPIPE_CRASH").unwrap_or_default();
    if let Some(why) = strace::refusal() {
        assert_ne!(wanted, "all", "nothing can be traced here: {why}");
        let text = format!(
            "{}: left out, nothing can be traced here: {why}\n",
            scenario.name
        );
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        return;
    }
    let tools = scenario.tools();
    let (all, mut found) = scenario.injections(&tools);
    // Odd, so that it does not pick the same kind of fault each time.
    let stride = match wanted.as_str() {
        "all" => 1,
        _ => (all.len() / SAMPLE) | 1,
    };
    let picked = all.iter().skip(SEED % stride).step_by(stride);
    found.extend(picked.flat_map(|injection| scenario.faults_after(&tools, injection)));
    let known = || KNOWN.iter().filter(|known| known.scenario == scenario.name);
    let is_known = |line: &&String| !known().any(|known| line.contains(known.words));
    let new: Vec<&String> = found.iter().filter(is_known).collect();
    assert!(
        new.is_empty(),
        "{} of {}:\n{}",
        new.len(),
        all.len(),
        join(&new)
    );
    for known in known().filter(|_| stride == 1) {
        let is_there = found.iter().any(|line| line.contains(known.words));
        assert!(is_there, "is mended: {} ({})", known.words, known.why);
    }
}

fn join(lines: &[&String]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
    lines.join("\n")
}

#[test]
fn of_the_cron_job_with_export_fetch() {
    every_step(&fetch::hourly("cron, export-fetch", "export-fetch"));
}

#[test]
fn of_the_cron_job_with_unzip_jsonl() {
    every_step(&fetch::hourly("cron, unzip-jsonl", "unzip-jsonl"));
}

#[test]
fn of_export_fetch_into_a_pipe() {
    every_step(&fetch::pipe());
}

#[test]
fn of_export_fetch_of_what_is_lacking_into_a_pipe() {
    every_step(&fetch::rest_into_a_pipe());
}

#[test]
fn of_export_fetch_that_adopts_an_export() {
    every_step(&fetch::adopt());
}

#[test]
fn of_export_plan_prune() {
    every_step(&fetch::prune());
}

#[test]
fn of_unzip_jsonl_into_files() {
    every_step(&local::unzip());
}

#[test]
fn of_unzip_jsonl_into_files_by_hour() {
    every_step(&local::layout());
}

#[test]
fn of_cdr_filter_into_files() {
    every_step(&local::filter());
}

#[test]
fn of_vg_consecutive_every_hour() {
    every_step(&vendors::calls_hourly());
}

#[test]
fn of_vg_consecutive_for_the_first_time() {
    every_step(&vendors::calls_first());
}

#[test]
fn of_vg_consecutive_with_a_state_that_waits() {
    every_step(&vendors::calls_loaded());
}

#[test]
fn of_vg_consecutive_into_one_file() {
    every_step(&vendors::calls_appended());
}

#[test]
fn of_vg_consecutive_with_recordings() {
    every_step(&vendors::calls_with_recordings());
}

#[test]
fn of_dialpad_window_every_hour() {
    every_step(&vendors::messages_hourly());
}

#[test]
fn of_dialpad_window_into_one_file() {
    every_step(&vendors::messages_appended());
}

#[test]
fn of_ocp_token() {
    every_step(&vendors::token());
}

#[test]
fn of_ocp_metrics_batch() {
    every_step(&metrics::batch());
}

#[test]
fn of_ocp_metrics_batch_with_a_state_that_waits() {
    every_step(&metrics::batch_loaded());
}

#[test]
fn of_ocp_metrics_that_polls() {
    every_step(&metrics::polls());
}

#[test]
fn of_ocp_receive_reconcile() {
    every_step(&streaming::reconcile());
}

#[test]
fn of_ocp_subscribe_create() {
    every_step(&streaming::create());
}

#[test]
fn of_ocp_subscribe_apply() {
    every_step(&streaming::apply());
}

#[test]
fn of_vg_consecutive_with_a_state_in_a_bucket() {
    every_step(&in_a_bucket::calls_with_a_state());
}

#[test]
fn of_vg_consecutive_into_a_bucket() {
    every_step(&in_a_bucket::calls());
}

#[test]
fn of_dialpad_window_into_a_bucket() {
    every_step(&in_a_bucket::messages());
}

#[test]
fn of_ocp_metrics_into_a_bucket() {
    every_step(&in_a_bucket::metrics());
}

#[test]
fn of_export_fetch_into_a_bucket() {
    every_step(&in_a_bucket::exports(
        "exports into a bucket",
        "export-fetch",
    ));
}

#[test]
fn of_unzip_jsonl_into_a_bucket() {
    every_step(&in_a_bucket::exports("files into a bucket", "unzip-jsonl"));
}

#[test]
fn of_cdr_filter_into_a_bucket() {
    every_step(&in_a_bucket::filter());
}
