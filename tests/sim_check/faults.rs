//! Each kind of fault does what its name says, and to the requests that it selects.

use std::io::{Cursor, Read};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use zip::ZipArchive;

use super::client::{Client, FROM, TO, config, data_target, start};
use crate::sim::{Config, Fault, Sim};

const LIST: &str = "/exports-api/v1/exports?group=acme";

fn faulty(spec: &str) -> (Sim, Client) {
    let sim = start(Config {
        zip_limit: 100,
        ..config()
    });
    sim.fault(spec);
    let client = Client::logged_in(&sim);
    (sim, client)
}

fn lists(client: &Client, count: usize) -> Vec<u16> {
    (0..count).map(|_| client.get(LIST).status).collect()
}

fn names(zip: &[u8]) -> Vec<String> {
    let archive = ZipArchive::new(Cursor::new(zip)).expect("a central directory");
    archive
        .file_names()
        .map(|n| n.expect("UTF-8").into_owned())
        .collect()
}

#[test]
fn requests_are_selected_by_number() {
    let of = |spec| lists(&faulty(spec).1, 6);
    assert_eq!(of("list@3=503"), [200, 200, 503, 200, 200, 200]);
    assert_eq!(of("list@2-4=503"), [200, 503, 503, 503, 200, 200]);
    assert_eq!(of("list@5+=503"), [200, 200, 200, 200, 503, 503]);
    assert_eq!(of("list@%3=503"), [200, 200, 503, 200, 200, 503]);
    assert_eq!(of("list=503"), [503; 6]);
    // The login was the first of any.
    assert_eq!(of("any@3=503"), [200, 503, 200, 200, 200, 200]);
    assert_eq!(of("status=503"), [200; 6]);
}

#[test]
fn selection_is_exact_under_concurrency() {
    let (sim, client) = faulty("list@%5=503");
    let barrier = Barrier::new(10);
    let failures: usize = thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            lists(&client, 10)
                .into_iter()
                .filter(|status| *status == 503)
                .count()
        };
        let asking: Vec<_> = (0..10).map(|_| scope.spawn(ask)).collect();
        asking
            .into_iter()
            .map(|t| t.join().expect("no panic"))
            .sum()
    });
    assert_eq!((failures, sim.stats().requests["list"]), (20, 100));
}

#[test]
fn misspelt_faults_are_refused() {
    let bad = [
        "data",
        "data=",
        "data=tea",
        "tea=503",
        "data@0=503",
        "data@x=503",
        "data@4-2=503",
        "data=418",
        "data=cut,for=1s",
        "list=bad-crc",
        "any=busy",
        "data=stall,for=1",
        "list=429,retry-after=soon",
        "list=503,body=xml",
    ];
    for spec in bad {
        assert!(spec.parse::<Fault>().is_err(), "{spec}");
    }
    let error = "data@0=503".parse::<Fault>().expect_err("counted from 1");
    assert_eq!(
        error.to_string(),
        "'0': expected which requests: 3, 2-4, 3+ or %5, counted from 1"
    );
}

#[test]
fn refusals_have_the_header_and_body_asked_for() {
    let (sim, client) = faulty("list@1=429,retry-after=7");
    sim.fault("list@2=503,retry-after=date:5,body=html");
    sim.fault("list@3=502,body=empty");
    let first = client.get(LIST);
    assert_eq!(
        (first.status, first.header("retry-after")),
        (429, Some("7"))
    );
    assert_eq!(first.json()["message"], "too many requests");
    let second = client.get(LIST);
    let date = DateTime::parse_from_rfc2822(second.header("retry-after").expect("a date"));
    let ahead = date.expect("an HTTP date").to_utc() - Utc::now();
    assert!((4500..=6500).contains(&ahead.num_milliseconds()), "{ahead}");
    assert!(second.body.starts_with(b"<!DOCTYPE html>"));
    let third = client.get(LIST);
    assert_eq!((third.status, third.header("retry-after")), (502, None));
    assert!(third.body.is_empty());
}

#[test]
fn replies_can_be_lost_cut_or_late() {
    let (sim, mut client) = faulty("create=lost");
    assert!(
        client
            .try_create("acme", &["dialog_end"], FROM, TO)
            .is_none()
    );
    let listed = client.get(LIST).json();
    let id = listed[0]["export_id"].as_str().expect("it was created");
    client.await_ready(id);
    sim.fault("data@1=cut");
    sim.fault("data@2=stall");
    sim.fault("metadata=slow-headers,for=150ms");
    let cut = client.data(id, 1, 50);
    assert!(cut.status == 200 && !cut.is_complete && !cut.body.is_empty());
    client.patience = Duration::from_millis(500);
    let stalled = client.data(id, 1, 50);
    assert!(!stalled.is_complete && stalled.body == cut.body);
    client.patience = Duration::from_secs(10);
    let began = Instant::now();
    client.get(&format!("/exports-api/v1/exports/{id}/metadata"));
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert!(client.data(id, 1, 50).is_complete);
    assert!(sim.stats().recent.iter().any(|seen| seen.status.is_none()));
}

#[test]
fn a_stall_ends_with_the_simulator() {
    let (sim, mut client) = faulty("data=stall,for=10m");
    let id = client.ready(&["dialog_end"]);
    client.patience = Duration::from_millis(100);
    client.data(&id, 1, 50);
    let began = Instant::now();
    drop(sim);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_200_need_not_be_an_answer() {
    let (sim, client) = faulty("list@1=html");
    sim.fault("list@2=garbage");
    sim.fault("list@3=list-empty");
    client.create("acme", &["dialog_end"], FROM, TO);
    let page = client.get(LIST);
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    let broken = client.get(LIST);
    assert_eq!(broken.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&broken.body).is_err());
    assert_eq!(client.get(LIST).body, b"[]");
    assert_eq!(client.get(LIST).json().as_array().map(Vec::len), Some(1));
}

#[test]
fn exports_can_end_badly() {
    let (sim, client) = faulty("data@2=expire");
    let id = client.ready(&["dialog_end"]);
    assert_eq!(client.data(&id, 1, 1).status, 200);
    assert_eq!(client.data(&id, 2, 1).status, 404);
    assert_eq!(client.status(&id), "EXPIRED");
    let created = client.create("acme", &["dialog_end"], FROM, TO).json();
    sim.fault("status=fail");
    let id = created["export_id"].as_str().expect("an id");
    assert_eq!(client.status(id), "FAILED");
    assert_eq!(client.data(id, 1, 1).status, 409);
}

#[test]
fn a_group_can_be_busy_and_a_state_unknown() {
    let faults = [
        "create@1=busy",
        "status@1=state=QUEUED",
        "list@1=state=QUEUED",
    ];
    let sim = start(Config {
        processing: vec![Duration::from_secs(60)],
        faults: faults.map(|spec| spec.parse().expect("a fault")).into(),
        ..config()
    });
    let client = Client::logged_in(&sim);
    assert_eq!(client.create("acme", &["dialog_end"], FROM, TO).status, 409);
    assert_eq!(sim.stats().exports, 0);
    let created = client.create("acme", &["dialog_end"], FROM, TO).json();
    let id = created["export_id"].as_str().expect("an id");
    let states = [client.status(id), client.status(id)];
    assert_eq!(states, ["QUEUED", "SUBMITTED"]);
    assert_eq!(client.get(LIST).json()[0]["status"], "QUEUED");
}

#[test]
fn zips_can_be_wrong() {
    let (sim, client) = faulty("data@2=same-page");
    for spec in ["data@3=short-zip", "data@4=bad-crc", "data@5=truncated-zip"] {
        sim.fault(spec);
    }
    let id = client.ready(&["dialog_end"]);
    let [good, same, short, bad, half] = [1, 2, 1, 1, 1].map(|page| client.data(&id, page, 2));
    assert_eq!(good.body, same.body);
    assert_eq!(names(&short.body), names(&good.body)[..1]);
    assert_eq!(names(&bad.body), names(&good.body));
    let mut archive = ZipArchive::new(Cursor::new(&bad.body)).expect("a central directory");
    let mut bytes = Vec::new();
    assert!(
        archive
            .by_index(0)
            .expect("a header")
            .read_to_end(&mut bytes)
            .is_err()
    );
    assert!(half.is_complete);
    assert_eq!(half.body, good.body[..good.body.len() / 2]);
    assert!(ZipArchive::new(Cursor::new(&half.body)).is_err());
}

#[test]
fn tokens_can_die_at_any_time() {
    let (sim, client) = faulty("list@2=forget-token");
    assert_eq!(lists(&client, 3), [200, 401, 401]);
    assert_eq!(lists(&Client::logged_in(&sim), 1), [200]);
    assert_eq!(sim.stats().unauthorised, 2);
}

#[test]
fn faults_can_be_added_and_removed_over_http() {
    let (sim, client) = faulty("list=503");
    let post = |path: &str, body: &str| client.send("POST", path, "", body).expect("a reply");
    assert_eq!(post("/_sim/fault", "status=cut\ntoken=tea").status, 400);
    assert_eq!(post("/_sim/reset", "").status, 204);
    assert_eq!(post("/_sim/fault", "list@2=404").status, 204);
    let client = Client::logged_in(&sim);
    assert_eq!(lists(&client, 3), [200, 404, 200]);
    let told = client.get("/_sim/stats").json();
    assert_eq!(told["requests"]["list"], 3);
    assert_eq!(told["panics"], 0);
    assert_eq!(client.get(&data_target("nobody", 1, 1)).status, 404);
}
