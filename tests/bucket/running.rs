//! A run that a test waits for at one of its requests to the bucket.

use std::io::Read;
use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use crate::bucket::service::Bucket;
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
