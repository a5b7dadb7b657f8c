//! The whole way: a receiver, a subscription, pushes by it, the audit by batch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::served::Place;
use crate::harness::{program, shell};
use crate::pusher::canonical::canonical;
use crate::pusher::{Habits, Load, Pusher};
use crate::sim::spelling::instant;
use crate::sim::truth::{EmptyHours, Truth};
use crate::sim::{Config, Sim};

const PAT: &str = "demo-pat";
const NOW: &str = "2026-11-20T12:00:00Z";

fn sim() -> Sim {
    let sim = Sim::start(Config {
        now: instant(NOW).expect("a time"),
        pat: Some(PAT.to_owned()),
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
    sim.expect("a free port")
}

/// The records of the day before.
fn yesterday(sim: &Sim) -> Vec<String> {
    let (from, to) = ("2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z");
    sim.truth("acme", &["dialog_end"], from, to)
}

#[test]
fn create_serve_push_await_and_the_audit_of_the_day_is_the_truth() {
    let sim = sim();
    let mut place = Place::new();
    let served = place.serve();
    let wanted = served.feed("dialog_end").settings;
    let subscribe = |args: &[&str]| {
        program("ocp-subscribe")
            .dir(place.dir.path())
            .env("OCP_API_URL", sim.url())
            .env("OCP_PAT", PAT)
            .env("PUSH_SECRET", &wanted.client_secret)
            .args(args)
    };
    let create = [
        "create",
        "--group",
        "acme",
        "--type",
        "dialog_end",
        "--name",
        "acme_end",
        "--url",
        &wanted.callback_url,
        "--token-url",
        &wanted.token_url,
        "--client-id",
        "ocp",
    ];
    // A secret that the receiver does not know is found by the probe.
    let wrong = subscribe(&create).args(["--secret-command", "echo another"]);
    wrong.run().ends(77);
    assert_eq!(sim.stats().requests["sub_create"], 0);
    subscribe(&create)
        .args(["--secret-env", "PUSH_SECRET"])
        .run()
        .ends(0);

    let records = yesterday(&sim);
    let came: Vec<String> = records.iter().step_by(2).cloned().collect();
    let pusher = Arc::new(Pusher::new(Habits::seeded("subscribed")));
    let feed = sim.feeds().remove(0);
    let account = pusher.run(&[Load {
        feed,
        records: came.clone(),
    }]);
    assert!(account.dropped.is_empty(), "{:?}", account.replies);
    // What is acknowledged and not published yet would be counted as missing.
    let began = Instant::now();
    while place.lake().len() < came.len() {
        assert!(began.elapsed() < Duration::from_secs(60), "not published");
        thread::sleep(Duration::from_millis(50));
    }
    let admin = format!("http://127.0.0.1:{}", served.admin);
    let seen = subscribe(&["await", "--receiver", &admin, "--new-client", "ocp"])
        .args(["--wait", "90s", "--poll", "100ms"])
        .run()
        .ends(0);
    assert_eq!(seen.records()[0]["done"], true);

    // Beside the running receiver.
    let audit = format!(
        "ocp-receive gaps --dir ocp --audit daily --now {NOW} |
         export-fetch --out-dir zips --rate 50/1s --poll 50ms | unzip-jsonl --with-source |
         ocp-receive reconcile --dir ocp > audited"
    );
    shell(&audit)
        .dir(place.dir.path())
        .env("OCP_API_URL", sim.url())
        .env("OCP_PAT", PAT)
        .run()
        .ends(0);
    served.stop();
    let lake = place.lake();
    assert!(lake.values().all(|count| *count == 1));
    let all: BTreeSet<String> = records.iter().map(|record| canonical(record)).collect();
    assert_eq!(lake.into_keys().collect::<BTreeSet<_>>(), all);
    let audited = std::fs::read_to_string(place.path("audited")).unwrap();
    let missing = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["missing"].as_u64().unwrap()
    };
    let missing: u64 = audited.lines().map(missing).sum();
    assert_eq!(missing as usize, records.len() - came.len());
}
