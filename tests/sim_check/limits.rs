//! The documented limits of exports, and the life of one.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::client::{Client, FROM, TO, config, data_target, start};
use crate::sim::Config;

#[test]
fn ranges_are_whole_hours_within_the_limits() {
    let sim = start(Config {
        processing: vec![Duration::ZERO],
        groups: vec!["a/b ü..".to_owned()],
        ..config()
    });
    let client = Client::logged_in(&sim);
    let status = |from: &str, to: &str| client.create("a/b ü..", &["ALL"], from, to).status;
    // The clock says 12:34, so that the newest hour ends at 10:00 and the oldest begins at 12:00.
    assert_eq!(
        status("2026-11-20T09:10:00.000Z", "2026-11-20T10:20:00.000Z"),
        201
    );
    assert_eq!(
        status("2026-11-20T09:10:00.000Z", "2026-11-20T11:00:00.000Z"),
        400
    );
    assert_eq!(
        status("2026-09-21T12:00:00.000Z", "2026-09-23T12:59:59.999Z"),
        201
    );
    assert_eq!(
        status("2026-09-21T11:59:59.999Z", "2026-09-21T13:00:00.000Z"),
        400
    );
    assert_eq!(
        status("2026-11-01T00:00:00.000Z", "2026-11-03T01:00:00.000Z"),
        400
    );
    assert_eq!(
        status("2026-11-01T00:00:00.000Z", "2026-11-01T00:59:00.000Z"),
        400
    );
    assert_eq!(
        status("2026-11-02T00:00:00.000Z", "2026-11-01T00:00:00.000Z"),
        400
    );
    assert_eq!(status("yesterday", "2026-11-01T00:00:00.000Z"), 400);
    assert_eq!(client.create("a/b ü..", &["dialog"], FROM, TO).status, 400);
    assert_eq!(client.create("a/b ü..", &[], FROM, TO).status, 400);
    assert_eq!(client.create("other", &["ALL"], FROM, TO).status, 403);
    let listed = client
        .get("/exports-api/v1/exports?group=a%2Fb+%C3%BC..")
        .json();
    assert_eq!(listed[1]["from"], "2026-11-20T09:00:00.000Z");
    assert_eq!(listed[1]["to"], "2026-11-20T10:00:00.000Z");
    let types = serde_json::json!(["dialog_start", "dialog_step", "dialog_end"]);
    assert_eq!(listed[1]["message_types"], types);
    assert_eq!(
        client.get("/exports-api/v1/exports?group=other").status,
        403
    );
    assert_eq!((sim.stats().creates_accepted, sim.stats().exports), (2, 2));
}

#[test]
fn one_export_runs_per_group() {
    let sim = start(Config {
        processing: vec![Duration::from_secs(60)],
        ..config()
    });
    let client = Client::logged_in(&sim);
    assert_eq!(client.create("acme", &["ALL"], FROM, TO).status, 201);
    let second = client.create("acme", &["ALL"], FROM, TO);
    let message = "Another export is running for group acme";
    assert_eq!(
        (second.status, &second.json()["message"]),
        (409, &message.into())
    );
    assert_eq!(client.create("acme-qa", &["ALL"], FROM, TO).status, 201);
    assert_eq!(sim.stats().running, 2);
}

#[test]
fn an_export_goes_through_its_states() {
    let sim = start(Config {
        processing: vec![Duration::from_millis(500)],
        ready_life: Duration::from_millis(300),
        ..config()
    });
    let client = Client::logged_in(&sim);
    let created = client.create("acme", &["dialog_end"], FROM, TO).json();
    let id = created["export_id"].as_str().expect("an id");
    assert_eq!(client.data(id, 1, 50).status, 409);
    assert_eq!(
        client
            .get(&format!("/exports-api/v1/exports/{id}/metadata"))
            .status,
        409
    );
    let mut seen = vec![client.status(id)];
    while seen.last().is_none_or(|state| state != "EXPIRED") {
        seen.push(client.status(id));
        seen.dedup();
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(seen, ["SUBMITTED", "PROCESSING", "READY", "EXPIRED"]);
    assert_eq!(client.data(id, 1, 50).status, 404);
    assert_eq!(client.get("/exports-api/v1/exports/nobody").status, 404);
}

#[test]
fn processing_times_take_turns() {
    let sim = start(Config {
        processing: vec![Duration::ZERO, Duration::from_secs(60)],
        ..config()
    });
    let client = Client::logged_in(&sim);
    let creates = [(); 3].map(|()| client.create("acme", &["ALL"], FROM, TO).status);
    assert_eq!(creates, [201, 201, 409]);
}

#[test]
fn pages_are_counted_from_one() {
    let sim = start(Config {
        zip_limit: 100,
        ..config()
    });
    let client = Client::logged_in(&sim);
    let id = client.ready(&["dialog_start", "dialog_end"]);
    let metadata = client
        .get(&format!("/exports-api/v1/exports/{id}/metadata"))
        .json();
    assert_eq!(metadata["num_of_files"], 8);
    assert_eq!(client.data(&id, 1, 5).status, 200);
    assert_eq!(client.data(&id, 2, 5).status, 200);
    assert_eq!(client.data(&id, 3, 5).status, 404);
    assert_eq!(client.data(&id, 0, 5).status, 404);
    assert_eq!(client.data(&id, 1, 201).status, 400);
    assert_eq!(client.data(&id, 1, 0).status, 400);
    let bare = format!("/exports-api/v1/exports/{id}/data");
    assert_eq!(client.get(&bare).status, 400);
    assert_eq!(
        client
            .get(&format!("{bare}?page_number={}&page_size=5", i64::MIN))
            .status,
        404
    );
    let pages = &sim.stats().downloads[&id];
    assert_eq!(pages.iter().collect::<Vec<_>>(), [(&1, &1), (&2, &1)]);
}

#[test]
fn five_zips_a_window_even_at_once() {
    let window = Duration::from_millis(700);
    let sim = start(Config {
        zip_window: window,
        ..config()
    });
    let client = Client::logged_in(&sim);
    let id = client.ready(&["dialog_end"]);
    assert_eq!(sim.stats().orphans, 1);
    let barrier = Barrier::new(8);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            client.get(&data_target(&id, 1, 50)).status
        };
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking
            .into_iter()
            .map(|t| t.join().expect("no panic"))
            .collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 5);
    assert_eq!(statuses.iter().filter(|s| **s == 429).count(), 3);
    thread::sleep(window);
    assert_eq!(client.data(&id, 1, 50).status, 200);
    let stats = sim.stats();
    assert_eq!(
        (stats.rate_violations, stats.orphans, stats.panics),
        (3, 0, 0)
    );
}

#[test]
fn what_nobody_knows_can_be_turned_round() {
    let sim = start(Config {
        page_params_in_headers: true,
        expired_status: 410,
        list_limit: 1,
        ..config()
    });
    let client = Client::logged_in(&sim);
    client.ready(&["dialog_start"]);
    let id = client.ready(&["dialog_end"]);
    let listed = client.get("/exports-api/v1/exports?group=acme").json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["export_id"], *id);
    assert_eq!(client.data(&id, 1, 50).status, 400);
    let (target, headers) = (
        format!("/exports-api/v1/exports/{id}/data"),
        "page_number: 1\r\npage_size: 50\r\n",
    );
    let zip = client.send("GET", &target, headers, "").expect("a reply");
    assert_eq!(zip.status, 200);
    sim.fault("data=expire");
    assert_eq!(client.data(&id, 1, 50).status, 410);
}
