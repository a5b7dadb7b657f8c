//! Acknowledged records are in the lake once, whatever kills the receiver and whatever
//! comes again.
//!
//! `CALLPIPE_SEEDS=FROM..TO` tries other seeds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::outages::seeds;
use super::served::Place;
use crate::pusher::canonical::canonical;
use crate::pusher::{Habits, Load, Pusher, Shape};
use crate::sim::{Config, Sim};

fn canonicals(records: &[String]) -> BTreeSet<String> {
    records.iter().map(|record| canonical(record)).collect()
}

/// Two days of ends, as batch has them.
fn truth() -> Vec<String> {
    let sim = Sim::start(Config::default()).expect("a free port");
    let (from, to) = ("2026-11-09T00:00:00Z", "2026-11-11T00:00:00Z");
    sim.truth("acme", &["dialog_end"], from, to)
}

#[test]
fn r01_r06_r07_acknowledged_records_are_in_the_lake_once_after_kills() {
    for seed in seeds(0..2).map(|seed| format!("kills-{seed}")) {
        let mut place = Place::new();
        let records = truth();
        let pusher = Arc::new(Pusher::new(Habits {
            connections: 6,
            cuts: 8,
            repeats: 30,
            shapes: vec![Shape::Envelope],
            ..Habits::seeded(&seed)
        }));
        let mut acknowledged = BTreeSet::new();
        let mut left = records.clone();
        for round in 0..4_u64 {
            let served = place.serve();
            let load = Load {
                feed: served.feed("dialog_end"),
                records: left.clone(),
            };
            let killer = thread::spawn(move || {
                thread::sleep(Duration::from_millis(90 + 70 * round));
                served.kill();
            });
            let account = pusher.run(&[load]);
            killer.join().unwrap();
            acknowledged.extend(canonicals(&account.delivered));
            left = account
                .dropped
                .into_iter()
                .flat_map(|load| load.records)
                .collect();
            if left.is_empty() {
                left = records.iter().take(40).cloned().collect();
            }
        }
        assert!(!acknowledged.is_empty());
        // A start with the same directory has what was acknowledged, and publishes it.
        let served = place.serve();
        let load = Load {
            feed: served.feed("dialog_end"),
            records: left,
        };
        let repaired = pusher.repair(vec![load], 20);
        assert!(repaired.dropped.is_empty(), "seed {seed}");
        acknowledged.extend(canonicals(&repaired.delivered));
        served.stop();
        let lake = place.lake();
        assert!(
            lake.values().all(|count| *count == 1),
            "seed {seed}: a record is there twice"
        );
        let kept: BTreeSet<String> = lake.into_keys().collect();
        assert!(
            acknowledged.is_subset(&kept),
            "seed {seed}: an acknowledged record is lost"
        );
        assert!(
            kept.is_subset(&canonicals(&records)),
            "seed {seed}: a record that never came"
        );
    }
}
