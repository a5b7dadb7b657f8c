//! The receiver killed before each of its system calls that change something, and some
//! of these calls failing: what was acknowledged is in the lake once.
//!
//! `CALLPIPE_CRASH=all` tries all of them. Needs strace, and a system that lets it trace.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::served::{Place, Served};
use crate::harness::program;
use crate::pusher::canonical::canonical;

/// Calls that change something: of the database, of keys, files, recordings.
const CALLS: [&str; 12] = [
    "pwrite64",
    "fsync",
    "fdatasync",
    "write",
    "rename",
    "renameat2",
    "unlink",
    "mkdir",
    "ftruncate",
    "flock",
    "openat",
    "sendto",
];

pub(super) const WAV: &[u8] = b"RIFF\x06\0\0\0WAVE..";
const ORN: &str = "storage:s:u:wcr:s3:eu:2026/11/01/00/ab.1763012220333.cd.wav";

pub(super) fn can_trace() -> bool {
    let tried = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=none", "true"])
        .stdin(Stdio::null())
        .output();
    let can = tried.is_ok_and(|tried| tried.status.success());
    let wanted = std::env::var("CALLPIPE_CRASH").unwrap_or_default();
    assert!(can || wanted != "all", "nothing can be traced here");
    can
}

/// One request on a connection of its own: its status and body, if they came.
fn post(port: u16, path: &str, head: &str, body: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let length = body.len();
    let start = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(start.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let status = reply.split(' ').nth(1)?.parse().ok()?;
    let body = reply.split_once("\r\n\r\n")?.1.to_owned();
    Some((status, body))
}

fn token(port: u16) -> Option<String> {
    let form = "grant_type=client_credentials&client_id=ocp&client_secret=demo-secret";
    let head = "Content-Type: application/x-www-form-urlencoded\r\n";
    let (_, body) = post(port, "/oauth2/token", head, form.as_bytes())?;
    let body: serde_json::Value = serde_json::from_str(&body).ok()?;
    Some(body["access_token"].as_str()?.to_owned())
}

fn record(n: u64) -> String {
    let time = 1_793_491_200_000 + (n % 3) * 3_600_000 + (n % 2) * 86_400_000;
    format!(r#"{{"message_type":"dialog_end","id":"i{n}","time":{time},"n":{n}}}"#)
}

fn envelope(records: &[String]) -> String {
    let messages = records.join(",");
    format!(r#"{{"schemaName":"s","sessionId":"u","messages":[{messages}]}}"#)
}

/// The pushes: records, the same regrouped, a text that is no JSON, and a recording.
pub fn pushes() -> Vec<(&'static str, Vec<u8>)> {
    let records: Vec<String> = (0..8).map(record).collect();
    vec![
        ("dialog_end", envelope(&records[..4]).into_bytes()),
        ("dialog_end", envelope(&records[2..]).into_bytes()),
        ("dialog_end", b"not JSON".to_vec()),
        ("wcr", WAV.to_vec()),
        ("dialog_end", envelope(&records).into_bytes()),
    ]
}

/// The status of each push; `None` where no reply came.
pub fn push_all(port: u16, pushes: &[(&str, Vec<u8>)]) -> Vec<Option<u16>> {
    let bearer = token(port).map(|token| format!("Authorization: Bearer {token}\r\n"));
    let send = |(kind, body): &(&str, Vec<u8>)| {
        let bearer = bearer.as_ref()?;
        let head = match *kind {
            "wcr" => {
                format!("{bearer}Content-Type: application/octet-stream\r\nX-OML-ORN: {ORN}\r\n")
            }
            _ => format!("{bearer}Content-Type: application/json\r\n"),
        };
        post(port, &format!("/push/acme/{kind}"), &head, body).map(|(status, _)| status)
    };
    pushes.iter().map(send).collect()
}

/// Waits until everything that was pushed is published, or the receiver ends.
pub(super) fn wait_until_published(served: &mut Served, place: &Place, records: usize) {
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until && !served.has_ended() && place.lake().len() < records {
        thread::sleep(Duration::from_millis(30));
    }
    // The keys and the end of the batch.
    thread::sleep(Duration::from_millis(120));
}

/// Whether `status` says of a path that pushes wait to be published.
fn is_unpublished(place: &Place) -> bool {
    let ran = program("ocp-receive")
        .args(["status", "--dir", "ocp"])
        .dir(place.dir.path())
        .run();
    let text = ran.stdout();
    let none = "\"oldest_unpublished_seconds\":null";
    text.is_empty() || text.lines().any(|line| !line.contains(none))
}

/// Publishes what the last run left: on a busy machine its last publishing ends early.
pub(super) fn publish_rest(place: &mut Place) {
    if !is_unpublished(place) {
        return;
    }
    let served = place.serve();
    let until = Instant::now() + Duration::from_secs(60);
    while is_unpublished(place) && Instant::now() < until {
        thread::sleep(Duration::from_millis(100));
    }
    served.stop();
}

/// Each record is in the lake once.
pub(super) fn check_lake(place: &Place, label: &str) {
    let wanted: BTreeMap<String, u64> = (0..8).map(|n| (canonical(&record(n)), 1)).collect();
    assert_eq!(place.lake(), wanted, "{label}");
}

/// Each record once, one line about the recording, one body in quarantine.
pub(super) fn check(place: &Place, label: &str, attempts: u64) {
    check_lake(place, label);
    let lines = fs::read_to_string(place.path("ocp/recordings.ndjson")).unwrap();
    assert_eq!(lines.lines().count(), 1, "{label}: {lines}");
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(line["dialog_id"], "ab.1763012220333.cd", "{label}");
    let wav = fs::read(place.path("ocp/recordings/ab.1763012220333.cd.wav")).unwrap();
    assert_eq!(wav, WAV, "{label}");
    // What is no record has no key: it is set aside as often as it came.
    let bodies = fs::read_dir(place.path("ocp/quarantine")).unwrap().count() as u64;
    assert!((1..=attempts).contains(&bodies), "{label}: {bodies}");
    let rejects = fs::read_to_string(place.path("ocp/rejects.ndjson")).unwrap();
    assert_eq!(rejects.lines().count() as u64, bodies, "{label}");
}

/// Kills before the n-th call of a name; false if there is none.
fn killed_at(call: &str, nth: usize) -> bool {
    let label = format!("killed before {call} {nth}");
    let mut place = Place::new();
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    let trace = format!("trace={call}");
    let words = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    let all = pushes();
    let mut acknowledged = vec![false; all.len()];
    let mut was_killed = true;
    if let Some(mut served) = place.serve_under(&words) {
        let statuses = push_all(served.port, &all);
        acknowledged = statuses.iter().map(|status| *status == Some(200)).collect();
        if acknowledged.iter().all(|done| *done) {
            wait_until_published(&mut served, &place, 8);
        }
        served.terminate();
        was_killed = served.status() != Some(143);
    }
    // What was not acknowledged comes again; what was must be there without that.
    let left: Vec<(&str, Vec<u8>)> = all
        .into_iter()
        .zip(acknowledged)
        .filter(|(_, done)| !done)
        .map(|(push, _)| push)
        .collect();
    let served = place.serve();
    let statuses = push_all(served.port, &left);
    assert!(
        statuses.iter().all(|status| *status == Some(200)),
        "{label}"
    );
    served.stop();
    publish_rest(&mut place);
    check(&place, &label, 2);
    was_killed
}

#[test]
fn r01_killed_before_any_call_every_acknowledged_push_is_in_the_lake_once() {
    if !can_trace() {
        return;
    }
    let is_all = std::env::var("CALLPIPE_CRASH").is_ok_and(|wanted| wanted == "all");
    let mut kills = 0;
    for (at, call) in CALLS.iter().enumerate() {
        let mut nth = if is_all { 1 } else { 2 + 3 * (at % 3) };
        // Two in a row without a kill: there are no more of them.
        let mut misses = 0;
        while misses < 2 {
            match killed_at(call, nth) {
                true => (kills, misses) = (kills + 1, 0),
                false => misses += 1,
            }
            nth += 1;
            if !is_all {
                break;
            }
        }
    }
    assert!(kills > 3, "{kills}");
}

#[test]
fn r01_the_sync_precedes_the_reply() {
    if !can_trace() {
        return;
    }
    let mut place = Place::new();
    let log = place.path("trace");
    let log = log.to_str().unwrap().to_owned();
    let words = [
        "strace",
        "-D",
        "-f",
        "-y",
        "-qq",
        "-s",
        "200",
        "-e",
        "trace=pwrite64,fsync,fdatasync,sendto,write,writev",
        "-o",
        &log,
    ];
    let served = place.serve_under(&words).unwrap();
    let all = pushes();
    let statuses = push_all(served.port, &all);
    assert!(statuses.iter().all(|status| *status == Some(200)));
    served.stop();
    let trace = fs::read_to_string(&log).unwrap();
    let (mut replies, mut is_written, mut is_synced) = (0, false, false);
    let mut syncing = Vec::new();
    for line in trace.lines() {
        let thread = line.split(' ').next().unwrap();
        let is_sync = line.contains(" fsync(") || line.contains(" fdatasync(");
        if line.contains("pwrite64(") && line.contains("receive.db-wal>") {
            (is_written, is_synced) = (true, false);
        } else if is_sync && line.contains("receive.db-wal>") {
            match line.contains("<unfinished") {
                true => syncing.push(thread),
                false => is_synced = line.ends_with("= 0"),
            }
        } else if line.contains("sync resumed>") && syncing.contains(&thread) {
            syncing.retain(|other| *other != thread);
            is_synced = line.ends_with("= 0");
        } else if line.contains("HTTP/1.1 200") && line.contains("status") {
            replies += 1;
            assert!(is_written && is_synced, "a reply before its sync:\n{line}");
            is_written = false;
        }
    }
    assert_eq!(replies, all.len(), "{trace}");
}

#[test]
fn r14_a_sync_that_fails_is_503_then_the_receiver_ends_with_74() {
    if !can_trace() {
        return;
    }
    let mut place = Place::new();
    place.serve().stop();
    let wal = place
        .path("ocp")
        .canonicalize()
        .unwrap()
        .join("receive.db-wal");
    let wal = wal.to_str().unwrap().to_owned();
    let trace = place.path("trace");
    // The first ones of the committer are those of coverage, and of the head of a new log if
    // no other thread was there before.
    let inject = "inject=fsync,fdatasync:error=EIO:when=4+";
    let words = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        trace.to_str().unwrap(),
        "-P",
        &wal,
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        inject,
    ];
    let mut served = place.serve_under(&words).unwrap();
    let all = pushes();
    let has_failed = || fs::read_to_string(&trace).unwrap().contains("(INJECTED)");
    let mut accepted = 0;
    let refused = loop {
        let status = push_all(served.port, &all[..1])[0];
        if status != Some(200) {
            break status;
        }
        accepted += 1;
        assert!(!has_failed(), "accepted after a sync that failed");
        assert!(accepted < 4, "no sync failed");
    };
    assert_eq!(refused, Some(503));
    assert!(has_failed());
    assert_eq!(served.status(), Some(74));
    // Recovery decides; the push comes again, and is there once.
    let served = place.serve();
    assert_eq!(push_all(served.port, &all), [Some(200); 5]);
    served.stop();
    check(&place, "after a failed sync", 1);
}

#[test]
fn r13_a_full_disk_is_503_and_the_receiver_goes_on() {
    if !can_trace() {
        return;
    }
    let mut place = Place::new();
    place.serve().stop();
    let wal = place
        .path("ocp")
        .canonicalize()
        .unwrap()
        .join("receive.db-wal");
    let wal = wal.to_str().unwrap().to_owned();
    let inject = "inject=pwrite64:error=ENOSPC:when=8..12";
    let words = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-P",
        &wal,
        "-e",
        "trace=pwrite64",
        "-e",
        inject,
    ];
    let mut served = place.serve_under(&words).unwrap();
    let all = pushes();
    let mut refused = 0;
    for push in &all {
        let mut status = None;
        for _ in 0..20 {
            status = push_all(served.port, std::slice::from_ref(push))[0];
            match status {
                Some(200) => break,
                Some(503) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(status, Some(200));
    }
    assert!(refused > 0, "nothing failed");
    // The publisher meets the full disk, too, and tries again.
    let until = Instant::now() + Duration::from_secs(10);
    while is_unpublished(&place) && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!served.has_ended());
    served.stop();
    check(&place, "after a full disk", 2);
}
