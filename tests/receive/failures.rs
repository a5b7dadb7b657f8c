//! System calls of the receiver that fail, once or for good: no acknowledged push is lost, no
//! file with its final name is a part of one, and the next start heals.
//!
//! `CALLPIPE_CRASH=all` fails each call. Needs strace, and a system that lets it trace.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::served::{Place, Served};
use super::steps::{WAV, can_trace, check, publish_rest, push_all, pushes, wait_until_published};
use crate::guarantees::LIES;

/// The statuses that `--help` lists, and that of a run that was told to end.
const STATUSES: [i32; 9] = [0, 1, 2, 65, 69, 74, 75, 77, 143];

/// Calls that bring pushes to the disk and publish them. Of `write` only those to some files:
/// the threads wake each other by it.
const CALLS: [&str; 7] = [
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat2",
    "openat",
    "write",
];

/// The start opens libraries, of which the loader reports a failure by 127 and the runtime by
/// a signal, before the program runs.
const OPENED_BY_LOADER: usize = 12;

fn strace(call: &str, inject: &str, paths: &[String]) -> Vec<String> {
    let mut words: Vec<String> = ["strace", "-D", "-f", "-qq", "-o", "/dev/null"]
        .map(str::to_owned)
        .to_vec();
    for path in paths {
        words.extend(["-P".to_owned(), path.clone()]);
    }
    words.extend(["-e".to_owned(), format!("trace={call}")]);
    words.extend(["-e".to_owned(), format!("inject={inject}")]);
    // The last word about a call counts.
    let lies = std::env::var(LIES).unwrap_or_default();
    words.extend(lies.split_whitespace().map(str::to_owned));
    words
}

fn serve_under(place: &mut Place, words: &[String]) -> Option<Served> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    place.serve_under(&words)
}

fn in_place(place: &Place, names: &[&str]) -> Vec<String> {
    let root = place.dir.path().canonicalize().unwrap();
    let paths = names.iter().map(|name| root.join(name));
    paths
        .map(|path| path.to_str().unwrap().to_owned())
        .collect()
}

/// Every file that has its final name is whole.
pub(super) fn check_files(directory: &Path, label: &str) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let end = path
            .extension()
            .map(|end| end.to_string_lossy().into_owned());
        if path.is_dir() {
            check_files(&path, label);
        } else if end.as_deref() == Some("ndjson") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.ends_with('\n'), "{label}: {}", path.display());
            for line in text.lines() {
                let read = serde_json::from_str::<serde_json::Value>(line);
                assert!(read.is_ok(), "{label}: {}: {line}", path.display());
            }
        } else if end.as_deref() == Some("wav") {
            assert_eq!(fs::read(&path).unwrap(), WAV, "{label}");
        } else if end.as_deref() == Some("body") {
            assert_eq!(fs::read(&path).unwrap(), b"not JSON", "{label}");
        }
    }
}

/// Fails the calls of a name from the n-th one of each thread on, or that one alone: whether
/// the n-th was made, and whether a push was refused.
fn failed_at(call: &str, error: &str, nth: usize, is_for_good: bool) -> (bool, bool) {
    let plus = if is_for_good { "+" } else { "" };
    let label = format!("{call} {nth}{plus} fails with {error}");
    let mut place = Place::new();
    if is_for_good {
        // The start, on a thread of its own, makes few calls where all files are there.
        place.serve().stop();
    }
    let log = place.dir.path().join("trace");
    let paths = match call {
        "write" => in_place(
            &place,
            &[
                "ocp/rejects.ndjson",
                "ocp/recordings.ndjson",
                "files.ndjson",
            ],
        ),
        // That of the inbox, which the publisher hardly writes before a push is there.
        "pwrite64" if is_for_good => in_place(&place, &["ocp/receive.db-wal"]),
        _ => Vec::new(),
    };
    let mut words = strace(
        call,
        &format!("{call}:error={error}:when={nth}{plus}"),
        &paths,
    );
    words[5] = log.to_str().unwrap().to_owned();
    let all = pushes();
    let mut is_acknowledged = vec![false; all.len()];
    let mut is_refused = false;
    let status = match serve_under(&mut place, &words) {
        None => place.ended_early,
        Some(mut served) => {
            let replies = push_all(served.port, &all);
            is_acknowledged = replies.iter().map(|reply| *reply == Some(200)).collect();
            let refused = replies
                .iter()
                .flatten()
                .find(|reply| ![200, 503].contains(*reply));
            assert_eq!(refused, None, "{label}");
            is_refused = replies.contains(&Some(503));
            if is_acknowledged.iter().all(|done| *done) && !is_for_good {
                wait_until_published(&mut served, &place, 8);
            } else {
                thread::sleep(Duration::from_millis(500));
            }
            served.terminate();
            served.status()
        }
    };
    let is_loaders = call == "openat" && nth <= OPENED_BY_LOADER;
    assert!(
        is_loaders || status.is_some_and(|status| STATUSES.contains(&status)),
        "{label}: {status:?}"
    );
    for names in ["ocp/lake", "ocp/recordings", "ocp/quarantine"] {
        check_files(&place.path(names), &label);
    }
    let left: Vec<(&str, Vec<u8>)> = all
        .into_iter()
        .zip(is_acknowledged)
        .filter(|(_, done)| !done)
        .map(|(push, _)| push)
        .collect();
    let served = place.serve();
    let statuses = push_all(served.port, &left);
    let is_taken = statuses.iter().all(|status| *status == Some(200));
    assert!(is_taken, "{label}: {statuses:?}");
    served.stop();
    publish_rest(&mut place);
    check(&place, &label, 2);
    let is_made = fs::read_to_string(log).is_ok_and(|trace| trace.contains("(INJECTED)"));
    (is_made, is_refused)
}

#[test]
fn r13_r14_no_failed_call_loses_what_was_acknowledged() {
    if !can_trace() {
        return;
    }
    let is_all = std::env::var("CALLPIPE_CRASH").is_ok_and(|wanted| wanted == "all");
    let (mut failures, mut refusals) = (0, 0);
    for (at, call) in CALLS.iter().enumerate() {
        for (error, is_for_good) in [
            ("EIO", false),
            ("ENOSPC", true),
            ("ENOSPC", false),
            ("EIO", true),
        ] {
            let mut nth = if is_all { 1 } else { 4 + 2 * (at % 3) };
            match *call {
                "openat" if !is_all => nth = 60,
                "pwrite64" if !is_all && is_for_good => nth = 8,
                _ => {}
            }
            let mut misses = 0;
            while misses < 2 {
                let (is_made, is_refused) = failed_at(call, error, nth, is_for_good);
                refusals += u64::from(is_refused);
                match is_made {
                    true => (failures, misses) = (failures + 1, 0),
                    false => misses += 1,
                }
                nth += 1;
                if !is_all {
                    break;
                }
            }
            if !is_all && at % 2 == 1 {
                break;
            }
        }
    }
    assert!(failures > 5 && refusals > 0, "{failures} {refusals}");
}

#[test]
fn r14_a_sync_that_fails_when_the_log_is_copied_ends_the_receiver_at_once() {
    if !can_trace() {
        return;
    }
    let mut place = Place::new();
    // The publisher syncs the database, too.
    place.publish_every = "1h";
    place.serve().stop();
    let database = in_place(&place, &["ocp/receive.db"]);
    let inject = "fsync,fdatasync:error=EIO:when=1+";
    let words = strace("fsync,fdatasync", inject, &database);
    let mut served = serve_under(&mut place, &words).unwrap();
    // Together more than the log may have before it is copied.
    let text = "x".repeat(6 << 20);
    let push = |n: u64| {
        let record = format!(
            r#"{{"message_type":"dialog_end","id":"l{n}","time":1793491200000,"text":"{text}"}}"#
        );
        ("dialog_end", record.into_bytes())
    };
    let all: Vec<(&str, Vec<u8>)> = (0..3).map(push).collect();
    assert_eq!(push_all(served.port, &all), [Some(200); 3]);
    let until = Instant::now() + Duration::from_secs(20);
    while !served.has_ended() && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    assert!(served.has_ended(), "it waits for the next push");
    assert_eq!(served.status(), Some(74));
    place.publish_every = "200ms";
    place.serve().stop();
    let lake = place.lake();
    assert_eq!((lake.len(), lake.values().max()), (3, Some(&1)));
}
