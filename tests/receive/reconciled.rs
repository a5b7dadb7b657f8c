//! An outage is filled from batch by one pipe.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::served::Place;
use crate::harness::{program, shell};
use crate::pusher::canonical::canonical;
use crate::pusher::{Habits, Load, Pusher};
use crate::sim::truth::{EmptyHours, Truth};
use crate::sim::{Config, Sim};

/// How many hours ago the records begin and end.
const OLDEST: i64 = 40;
const NEWEST: i64 = 4;

fn hour(back: i64) -> String {
    let time = chrono::Utc::now() - chrono::TimeDelta::hours(back);
    time.format("%Y-%m-%dT%H:00:00Z").to_string()
}

fn sim() -> Sim {
    sim_with(EmptyHours::None)
}

fn sim_with(empty_hours: EmptyHours) -> Sim {
    let sim = Sim::start(Config {
        now: chrono::Utc::now(),
        processing: vec![Duration::from_millis(50)],
        zip_window: Duration::from_secs(1),
        truth: Truth {
            records: 3,
            files: 1,
            recordings: 0,
            empty_hours,
        },
        ..Config::default()
    });
    sim.expect("a free port")
}

/// Compares an export of all hours with the lake.
fn reconcile(place: &Place, sim: &Sim) -> Vec<serde_json::Value> {
    let plan = format!(
        "export-plan windows --group acme --type dialog_end --from {} --to {}",
        hour(OLDEST),
        hour(NEWEST)
    );
    fill(place, sim, &plan, "cat")
}

/// Reconciles the windows that a command prints; the lines pass a filter on their way.
fn fill(place: &Place, sim: &Sim, windows: &str, filter: &str) -> Vec<serde_json::Value> {
    let script = format!(
        "set -o pipefail
         {windows} | export-fetch --out-dir zips --rate 50/1s --poll 50ms |
         unzip-jsonl --with-source | {filter} | ocp-receive reconcile --dir ocp"
    );
    let ran = shell(&script)
        .dir(place.dir.path())
        .env("OCP_API_URL", sim.url())
        .env("OCP_IAM_URL", sim.url())
        .env("OCP_USERNAME", "demo")
        .env("OCP_PASSWORD", "demo-password")
        .env("XDG_CACHE_HOME", place.path("cache"))
        .run();
    ran.ends(0).records()
}

#[test]
fn r19_r25_what_the_stream_lacked_comes_from_batch_once() {
    let sim = sim();
    let records = sim.truth("acme", &["dialog_end"], &hour(OLDEST), &hour(NEWEST));
    assert!(records.len() > 60);
    // Every third record never came.
    let came: Vec<String> = records
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 3 > 0)
        .map(|(_, r)| r.clone())
        .collect();
    let mut place = Place::new();
    let served = place.serve();
    let load = Load {
        feed: served.feed("dialog_end"),
        records: came.clone(),
    };
    let pusher = Arc::new(Pusher::new(Habits::seeded("reconcile")));
    let account = pusher.run(&[load]);
    assert!(account.dropped.is_empty());
    served.stop();
    assert_eq!(place.lake().len(), came.len());
    let fill = |status: &str| {
        let lines = reconcile(&place, &sim);
        assert!(!lines.is_empty());
        assert!(
            lines.iter().all(|line| line["status"] == status),
            "{lines:?}"
        );
    };
    fill("filled");
    let all: BTreeSet<String> = records.iter().map(|record| canonical(record)).collect();
    let check = || {
        let lake = place.lake();
        assert!(lake.values().all(|count| *count == 1));
        assert_eq!(lake.into_keys().collect::<BTreeSet<_>>(), all);
    };
    check();
    // The same again proves it, and doubles nothing.
    fill("complete");
    check();
}

#[test]
fn r19_what_is_acknowledged_and_not_published_is_not_missing() {
    let sim = sim();
    let records = sim.truth("acme", &["dialog_end"], &hour(OLDEST), &hour(NEWEST));
    let mut place = Place::new();
    place.publish_every = "1h";
    let served = place.serve();
    let feed = served.feed("dialog_end");
    let half = records.len() / 2;
    let load = |records: &[String]| Load {
        feed: feed.clone(),
        records: records.to_vec(),
    };
    let pusher = Arc::new(Pusher::new(Habits::seeded("unpublished")));
    assert!(pusher.run(&[load(&records[..half])]).dropped.is_empty());
    served.stop();
    assert_eq!(place.lake().len(), half);
    let served = place.serve();
    // Its connections are from before the restart.
    let account = pusher.repair(vec![load(&records[half..])], 20);
    assert!(account.dropped.is_empty());
    let published = place.lake().len();
    assert!(
        published < records.len(),
        "most of the rest waits for an hour"
    );
    for line in reconcile(&place, &sim) {
        let counts = ["batch", "stream", "missing", "extra"].map(|name| line[name].as_i64());
        assert_eq!(counts, [3, 3, 0, 0].map(Some), "{line}");
    }
    assert_eq!(place.lake().len(), published);
    served.stop();
    let lake = place.lake();
    assert!(lake.values().all(|count| *count == 1));
    assert_eq!(lake.len(), records.len());
}

/// A receiver that one record was pushed to, and the command that prints the audit of the day
/// before yesterday. Data of yesterday may be too young for an export.
fn audited(place: &mut Place) -> String {
    let served = place.serve();
    let record = r#"{"message_type":"dialog_end","id":"1","time":1793491200000}"#;
    let load = Load {
        feed: served.feed("dialog_end"),
        records: vec![record.to_owned()],
    };
    let pusher = Arc::new(Pusher::new(Habits::seeded("audited")));
    assert!(pusher.run(&[load]).dropped.is_empty());
    served.stop();
    format!(
        "ocp-receive gaps --dir ocp --audit daily --now {}",
        hour(24)
    )
}

fn windows(place: &Place, gaps: &str) -> usize {
    let ran = shell(gaps).dir(place.dir.path()).run().ends(0);
    ran.records().len()
}

#[test]
fn r19_hours_without_a_record_count_as_compared() {
    for empty_hours in [EmptyHours::Some, EmptyHours::All] {
        let mut place = Place::new();
        let gaps = audited(&mut place);
        assert_eq!(windows(&place, &gaps), 1);
        let sim = sim_with(empty_hours);
        let hours = fill(&place, &sim, &gaps, "cat").len();
        assert!(hours < 24, "some hours are without a record: {hours}");
        assert_eq!(hours > 0, empty_hours == EmptyHours::Some);
        assert_eq!(windows(&place, &gaps), 0, "{empty_hours:?}");
    }
}

#[test]
fn r19_an_export_of_which_lines_are_lacking_does_not_count() {
    let sim = sim();
    let mut place = Place::new();
    let gaps = audited(&mut place);
    for filter in ["sed 7d", "sed '7,$d'", "sed '$d'"] {
        assert!(!fill(&place, &sim, &gaps, filter).is_empty());
        assert_eq!(windows(&place, &gaps), 1, "{filter}");
    }
    assert_eq!(fill(&place, &sim, &gaps, "cat").len(), 24);
    assert_eq!(windows(&place, &gaps), 0);
}

#[test]
fn r25_a_lake_without_keys_is_not_filled_unless_it_is_read_first() {
    let mut place = Place::new();
    let served = place.serve();
    let load = Load {
        feed: served.feed("dialog_end"),
        records: vec![r#"{"message_type":"dialog_end","id":"1","time":1793491200000}"#.to_owned()],
    };
    let pusher = Arc::new(Pusher::new(Habits::seeded("keys")));
    assert!(pusher.run(std::slice::from_ref(&load)).dropped.is_empty());
    served.stop();
    fs::remove_dir_all(place.path("ocp/keys")).unwrap();
    let line = format!(
        r#"{{"source":"a.zip","member":"m.json","record":{}}}"#,
        load.records[0]
    );
    let reconcile = |more: &[&str]| {
        let compared = program("ocp-receive")
            .args(["reconcile", "--dir", "ocp"])
            .args(more);
        compared.stdin(&line).dir(place.dir.path()).run()
    };
    let refused = reconcile(&[]).ends(2).stderr();
    assert!(refused.contains("--reindex"), "{refused}");
    let lines = reconcile(&["--reindex"]).ends(0).records();
    assert_eq!(lines[0]["missing"], 0, "{lines:?}");
    assert_eq!(place.lake().len(), 1);
}
