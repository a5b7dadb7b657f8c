//! An outage is filled from batch by one pipe.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::served::Place;
use crate::harness::shell;
use crate::pusher::canonical::canonical;
use crate::pusher::{Habits, Load, Pusher};
use crate::sim::truth::{EmptyHours, Truth};
use crate::sim::{Config, Sim};

#[test]
fn r19_r25_what_the_stream_lacked_comes_from_batch_once() {
    let sim = Sim::start(Config {
        now: chrono::Utc::now(),
        processing: vec![Duration::from_millis(50)],
        zip_window: Duration::from_secs(1),
        truth: Truth {
            records: 3,
            files: 1,
            recordings: 0,
            empty_hours: EmptyHours::None,
        },
        ..Config::default()
    });
    let sim = sim.expect("a free port");
    let hour = |back: i64| {
        let time = chrono::Utc::now() - chrono::TimeDelta::hours(back);
        time.format("%Y-%m-%dT%H:00:00Z").to_string()
    };
    let records = sim.truth("acme", &["dialog_end"], &hour(40), &hour(4));
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
        let script = format!(
            "set -o pipefail
             export-plan windows --group acme --type dialog_end --from {} --to {} |
             export-fetch --out-dir zips --rate 50/1s --poll 50ms | unzip-jsonl --with-source |
             ocp-receive reconcile --dir ocp | jq -r .status | sort -u",
            hour(40),
            hour(4)
        );
        let ran = shell(&script)
            .dir(place.dir.path())
            .env("OCP_API_URL", sim.url())
            .env("OCP_IAM_URL", sim.url())
            .env("OCP_USERNAME", "demo")
            .env("OCP_PASSWORD", "demo-password")
            .env("XDG_CACHE_HOME", place.path("cache"))
            .run();
        assert_eq!(
            (ran.status(), ran.stdout().as_str()),
            (0, status),
            "{}",
            ran.stderr()
        );
    };
    fill("filled\n");
    let all: BTreeSet<String> = records.iter().map(|record| canonical(record)).collect();
    let check = || {
        let lake = place.lake();
        assert!(lake.values().all(|count| *count == 1));
        assert_eq!(lake.into_keys().collect::<BTreeSet<_>>(), all);
    };
    check();
    // The same again proves it, and doubles nothing.
    fill("complete\n");
    check();
}
