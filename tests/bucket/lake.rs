//! Files of `unzip-jsonl --layout` in a bucket: those that a directory would have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::bucket::running;
use crate::bucket::service::{Bucket, Fault};
use crate::harness::{Program, Ran, program, scratch};
use crate::zips::{Member, zip};

/// 2026-11-01T00:00:00Z
const START: u64 = 1_793_491_200_000;
const HOUR: u64 = 3_600_000;

/// A ZIP with records of two types in three hours.
fn disk() -> TempDir {
    let disk = scratch();
    let lines: String = (0..60)
        .map(|n| {
            let kind = ["a", "b"][n % 2];
            let time = START + n as u64 % 3 * HOUR;
            format!("{{\"message_type\":\"{kind}\",\"time\":{time},\"n\":{n}}}\n")
        })
        .collect();
    fs::write(
        disk.path().join("x.zip"),
        zip(&[Member::new("m.json", lines)]),
    )
    .unwrap();
    fs::create_dir(disk.path().join("spool")).unwrap();
    disk
}

fn unzip(disk: &TempDir, bucket: &Bucket) -> Program {
    program("unzip-jsonl")
        .dir(disk.path())
        .envs(bucket.env())
        .args(["--backoff", "10ms", "--read-timeout", "20s"])
        .args(["--spool-dir", "spool", "--layout", "duckdb", "x.zip"])
}

fn filing(disk: &TempDir, bucket: &Bucket) -> Program {
    unzip(disk, bucket).args(["--out-dir", "s3://bucket/lake"])
}

fn add_files(root: &Path, below: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_files(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            files.insert(format!("lake/{name}"), fs::read(&path).unwrap());
        }
    }
}

/// The objects that should be there, with their contents.
fn truth(disk: &TempDir, bucket: &Bucket, flags: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let root = scratch();
    let flags = [&["--out-dir", root.path().to_str().unwrap()], flags].concat();
    unzip(disk, bucket).args(flags).run().ends(0);
    let mut files = BTreeMap::new();
    add_files(root.path(), root.path(), &mut files);
    assert_eq!(files.len(), 6);
    files
}

fn objects(bucket: &Bucket) -> BTreeMap<String, Vec<u8>> {
    let keys = bucket.keys().into_iter();
    keys.map(|key| (key.clone(), bucket.read_bytes(&key).unwrap()))
        .collect()
}

fn statuses(ran: &Ran) -> Vec<Value> {
    let lines = ran.records().into_iter();
    lines.map(|line| line["status"].clone()).collect()
}

fn is_tidy(disk: &TempDir) {
    let left = fs::read_dir(disk.path().join("spool")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
pub fn they_are_those_that_a_directory_would_have() {
    for (flags, others) in [
        (&[][..], &["--compress=zstd"][..]),
        (&["--compress=zstd"], &[]),
    ] {
        let (disk, bucket) = (disk(), Bucket::start());
        let truth = truth(&disk, &bucket, flags);
        let first = filing(&disk, &bucket).args(flags).run().ends(0);
        assert!(objects(&bucket) == truth);
        assert_eq!(statuses(&first), ["written"; 6]);
        let lines = first.records();
        let paths = lines.iter().map(|line| line["path"].as_str().unwrap());
        let keys = paths.map(|path| path.strip_prefix("s3://bucket/").unwrap().to_owned());
        assert!(keys.eq(truth.keys().cloned()));
        assert_eq!(lines[0]["message_type"], "a");
        assert_eq!(lines[0]["records"], 10);
        is_tidy(&disk);
        // Again nothing changes, also with another compression.
        for flags in [flags, others] {
            bucket.faults(|_, _| None);
            let again = filing(&disk, &bucket).args(flags).run().ends(0);
            assert_eq!(statuses(&again), ["kept"; 6]);
            assert_eq!(again.records()[0]["path"], lines[0]["path"]);
            assert!(bucket.requests().iter().all(|one| one.starts_with("GET")));
            assert!(objects(&bucket) == truth);
        }
    }
}

/// Whether each object has the contents that its name tells, but the note of the ZIP.
fn are_whole(bucket: &Bucket) {
    let mut objects = objects(bucket);
    objects.retain(|key, _| !key.starts_with("lake/.callpipe-unlisted/"));
    for (key, bytes) in objects {
        let sum = Sha256::digest(&bytes);
        let sum: String = sum[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(key.ends_with(&format!("x-{sum}.ndjson")), "{key}");
    }
}

#[test]
pub fn killed_before_each_request_the_next_run_has_all() {
    let disk = disk();
    for at in 1.. {
        let bucket = Bucket::start();
        let truth = truth(&disk, &bucket, &[]);
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let mut child = filing(&disk, &bucket).spawn();
        let is_killed = running::comes_to_it(&bucket, &mut child);
        child.kill().unwrap();
        let killed = child.wait_with_output().unwrap();
        are_whole(&bucket);
        // A line comes only when all objects of its ZIP are there.
        let requests = bucket.requests();
        let is_listed = requests.last().unwrap().starts_with("DELETE");
        assert_eq!(killed.stdout.is_empty(), !is_listed, "{at}");
        bucket.faults(|_, _| None);
        // Who loads what is written misses nothing, until a run has succeeded.
        for status in [if is_killed { "written" } else { "kept" }, "kept"] {
            let next = filing(&disk, &bucket).run().ends(0);
            assert_eq!(statuses(&next), [status; 6], "{at}");
            assert!(objects(&bucket) == truth, "{at}");
        }
        is_tidy(&disk);
        if !is_killed {
            assert!(at > 12, "{at}");
            break;
        }
    }
}

#[test]
pub fn whatever_fails_on_the_way_all_are_there() {
    let disk = disk();
    for fault in [
        Fault::Refused(500, "InternalError"),
        Fault::Refused(503, "SlowDown"),
        Fault::Cut,
        Fault::Lost,
    ] {
        for at in 1.. {
            let bucket = Bucket::start();
            let truth = truth(&disk, &bucket, &[]);
            bucket.faults(move |number, _| (number == at).then_some(fault));
            let ran = filing(&disk, &bucket).run().ends(0);
            assert_eq!(statuses(&ran), ["written"; 6], "{fault:?} {at}");
            assert!(objects(&bucket) == truth, "{fault:?} {at}");
            if (bucket.requests().len() as u64) < at {
                break;
            }
        }
    }
}

#[test]
fn a_service_that_takes_no_file_is_75_and_no_line_says_otherwise() {
    let (disk, bucket) = (disk(), Bucket::start());
    let truth = truth(&disk, &bucket, &[]);
    bucket.faults(|_, request| {
        let is_last = request.method == "PUT" && request.path().contains("message_type%3Db");
        is_last.then_some(Fault::Refused(503, "SlowDown"))
    });
    let down = filing(&disk, &bucket).args(["--tries", "2"]).run().ends(75);
    assert_eq!(down.stdout(), "");
    bucket.faults(|_, _| None);
    let next = filing(&disk, &bucket).run().ends(0);
    let statuses = statuses(&next);
    assert_eq!(statuses.last().unwrap(), "written");
    assert!(objects(&bucket) == truth);
    bucket.accept(&[]);
    filing(&disk, &bucket).run().ends(77);
    is_tidy(&disk);
}

#[test]
fn of_a_damaged_zip_nothing_is_there() {
    let (disk, bucket) = (disk(), Bucket::start());
    let path = disk.path().join("x.zip");
    let mut bytes = fs::read(&path).unwrap();
    bytes[60] ^= 1;
    fs::write(&path, bytes).unwrap();
    filing(&disk, &bucket).run().ends(65);
    assert!(bucket.keys().is_empty());
}

#[test]
fn what_killed_runs_left_of_uploads_is_aborted() {
    let (disk, bucket) = (disk(), Bucket::start());
    let truth = truth(&disk, &bucket, &[]);
    let key = truth.keys().next().unwrap();
    let other = key.replace("x-", "y-");
    bucket.begin_upload("lake/other/x.ndjson");
    bucket.begin_upload(&other);
    bucket.pass(TimeDelta::hours(25));
    for key in [key, &other] {
        bucket.begin_upload(key);
    }
    filing(&disk, &bucket).run().ends(0);
    assert!(objects(&bucket) == truth);
    // One may be of a run that still works; one is no file of a lake.
    assert_eq!(bucket.uploads(), ["lake/other/x.ndjson", &other]);
}
