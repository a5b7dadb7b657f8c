//! A run that a test waits for at one of its requests to the bucket.

use std::io::Read;
use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::TimeDelta;
use tempfile::TempDir;

use crate::bucket::service::{Bucket, Fault};
use crate::harness::{Program, program};
use crate::site::{Site, sorted};

/// Waits until the request that is held or kills; `false` if the run ends without it.
pub fn comes_to_it(bucket: &Bucket, child: &mut Child) -> bool {
    loop {
        match bucket.kills.recv_timeout(Duration::from_millis(5)) {
            Ok(()) => return true,
            Err(_) if child.try_wait().unwrap().is_some() => return false,
            Err(_) => {}
        }
    }
}

/// Kills a run before that request; `false` if it ended without it.
pub fn is_killed(bucket: &Bucket, child: &mut Child) -> bool {
    let is_killed = comes_to_it(bucket, child);
    child.kill().unwrap();
    child.wait().unwrap();
    is_killed
}

/// Lets a held request go, also when the test fails: the service waits for it.
pub struct Release<'b>(pub &'b Bucket);

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Holds a run at its request number `at` until its lease has expired and `others` have done their work. Its
/// status, and what it said; `None` if it has no such request.
pub fn held_at(
    bucket: &Bucket,
    at: u64,
    run: Program,
    others: impl FnOnce(),
) -> Option<(i32, String)> {
    let release = Release(bucket);
    bucket.faults(move |number, _| (number == at).then_some(Fault::Held));
    let mut sleeper = run.spawn();
    let said = reading(sleeper.stderr.take().unwrap());
    if !comes_to_it(bucket, &mut sleeper) {
        return None;
    }
    bucket.faults(|_, _| None);
    bucket.pass(TimeDelta::minutes(3));
    others();
    drop(release);
    let status = sleeper.wait().unwrap().code();
    let said = said.join().unwrap();
    assert!(matches!(status, Some(0 | 75)), "{at}: {status:?} {said}");
    Some((status.unwrap(), said))
}

/// Reads a pipe of a run while it goes on.
pub fn reading(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// A run of `export-fetch` with ZIPs in the bucket, on a machine whose disk is `disk`.
pub fn fetch(site: &Site, bucket: &Bucket, disk: &TempDir, plan: &str) -> Program {
    program("export-fetch")
        .dir(disk.path())
        .envs(site.env())
        .envs(bucket.env())
        .env("TMPDIR", disk.path())
        .args(["--rate", "5/1s", "--poll", "10ms", "--backoff", "10ms"])
        .args(["--read-timeout", "20s", "--out-dir", "s3://bucket/zips"])
        .stdin(plan)
}

/// The records of the ZIPs that lines name, sorted.
pub fn records(bucket: &Bucket, lines: &[String]) -> Vec<String> {
    let unzip = program("unzip-jsonl").envs(bucket.env());
    sorted(unzip.stdin(lines.join("\n")).run().ends(0).lines())
}
