//! A state in a bucket, while runs are killed and requests are lost.

use std::fs;
use std::io::Read;
use std::process::Child;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;

use crate::bucket::running;
use crate::bucket::service::{Bucket, Fault, SECRET, TOKEN};
use crate::dialpad;
use crate::dialpad::site::sorted;
use crate::harness::{Program, Ran, program};
use crate::metrics;
use crate::sim::voicegain::Change;
use crate::voicegain::site::{Site, by_id, id_of};

const STATE: [&str; 2] = ["--state", "s3://bucket/a/vg.state"];

fn calls(site: &Site, bucket: &Bucket) -> Program {
    site.export(&STATE).envs(bucket.env())
}

fn state(bucket: &Bucket, key: &str) -> Option<Value> {
    bucket
        .read(key)
        .map(|text| serde_json::from_str(&text).unwrap())
}

fn with_patience() -> Site {
    let mut site = Site::new();
    site.patience = "20s";
    site
}

#[test]
pub fn it_is_used_as_a_file_is() {
    let (site, bucket) = (with_patience(), Bucket::start());
    let first =
        calls(&site, &bucket)
            .run()
            .check(0, &lines(&site), &bucket.warning("vg-consecutive"));
    assert_eq!(first.lines().len(), 40);
    assert_eq!(bucket.keys(), ["a/vg.state", "a/vg.state.lease"]);
    site.change(Change::Add(3));
    let second = calls(&site, &bucket).run().ends(0);
    assert_eq!(second.lines().len(), 3);
    assert_eq!(calls(&site, &bucket).run().ends(0).stdout(), "");
    assert_eq!(fs::read_dir(site.dir.path()).unwrap().count(), 0);
    for key in bucket.keys() {
        let text = bucket.read(&key).unwrap();
        assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
    }
}

fn lines(site: &Site) -> String {
    site.calls()
        .truth()
        .iter()
        .map(|line| format!("{line}\n"))
        .collect()
}

/// A run that has printed its first page, which nobody reads yet.
fn stuck(site: &Site, bucket: &Bucket) -> Child {
    let child = calls(site, bucket).args(["--per-page", "10"]).spawn();
    let began = site.calls().requests();
    while site.calls().requests() == began {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
pub fn of_two_runs_one_goes_on_and_the_other_names_it() {
    let (site, bucket) = (with_patience(), Bucket::start());
    let mut first = stuck(&site, &bucket);
    let second = calls(&site, &bucket).run().ends(75);
    let said = second.stderr();
    assert!(
        said.contains("s3://bucket/a/vg.state: another run holds it: "),
        "{said}"
    );
    assert!(said.contains(&format!("process {}", first.id())), "{said}");
    first.kill().unwrap();
    first.wait().unwrap();
    calls(&site, &bucket).run().ends(75);
    bucket.pass(TimeDelta::minutes(3));
    calls(&site, &bucket)
        .run()
        .check(0, &lines(&site), &bucket.warning("vg-consecutive"));
}

/// The first one that ever takes the lease, and one that finds it given back.
#[test]
fn of_two_runs_that_take_the_lease_at_the_same_time_one_goes_on() {
    for is_first in [true, false] {
        let (site, bucket) = (with_patience(), Bucket::start());
        if !is_first {
            calls(&site, &bucket).run().ends(0);
            site.change(Change::Add(20));
        }
        // It has asked who holds the lease: nobody.
        bucket.faults(|number, _| (number == 2).then_some(Fault::Held));
        let mut late = calls(&site, &bucket).spawn();
        assert!(running::comes_to_it(&bucket, &mut late));
        bucket.faults(|_, _| None);
        let mut holder = stuck(&site, &bucket);
        bucket.release();
        let ended = late.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(75), "{said}");
        assert!(said.contains("another run holds it: "), "{said}");
        assert!(said.contains(&format!("process {}", holder.id())), "{said}");
        let read = running::reading(holder.stdout.take().unwrap()).join();
        assert_eq!(holder.wait().unwrap().code(), Some(0));
        let count = if is_first { 40 } else { 20 };
        assert_eq!(read.unwrap().lines().count(), count);
    }
}

#[test]
fn one_that_is_terminated_lets_the_next_one_in_at_once() {
    let (site, bucket) = (with_patience(), Bucket::start());
    // It waits for its rate.
    let args = [
        "--per-page",
        "10",
        "--rate",
        "1/1h",
        "--patience",
        "2h",
        "-o",
        "out",
    ];
    let mut first = calls(&site, &bucket).args(args).spawn();
    while site.calls().requests() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let process = first.id().to_string();
    program("kill").arg(process).prints("");
    assert_eq!(first.wait().unwrap().code(), Some(143));
    let next = calls(&site, &bucket).run().ends(0);
    assert_eq!(next.lines().len(), 40);
}

#[test]
pub fn one_that_slept_too_long_writes_nothing() {
    let (site, bucket) = (with_patience(), Bucket::start());
    let mut slow = stuck(&site, &bucket);
    bucket.pass(TimeDelta::minutes(3));
    calls(&site, &bucket)
        .run()
        .check(0, &lines(&site), &bucket.warning("vg-consecutive"));
    let saved = bucket.read("a/vg.state");
    let mut read = String::new();
    slow.stdout
        .take()
        .unwrap()
        .read_to_string(&mut read)
        .unwrap();
    let mut said = String::new();
    slow.stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(slow.wait().unwrap().code(), Some(75), "{said}");
    assert!(
        said.contains("s3://bucket/a/vg.state: another run has changed it meanwhile: "),
        "{said}"
    );
    assert_eq!(bucket.read("a/vg.state"), saved);
}

/// Runs that are killed before their first, second, … request to the bucket, each followed
/// by one that is not. The name of a run's file says which state it went on from, so that
/// a run which comes again replaces it. The records of all files.
fn killed_at_each_request(
    bucket: &Bucket,
    run: impl Fn() -> Program,
    dir: &std::path::Path,
    more: impl Fn(),
) -> Vec<String> {
    for at in 1.. {
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let mut child = run().spawn();
        let killed = running::comes_to_it(bucket, &mut child);
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        bucket.faults(|_, _| None);
        if !killed {
            assert_eq!(ended.code(), Some(0));
            assert!(at > 5, "{at} requests");
            break;
        }
        bucket.pass(TimeDelta::minutes(3));
        run().run().ends(0);
        more();
    }
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "ndjson"));
    let text = files.iter().map(|file| fs::read_to_string(file).unwrap());
    text.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
pub fn killed_before_each_request_every_call_comes_once() {
    let (site, bucket) = (with_patience(), Bucket::start());
    let run = || calls(&site, &bucket).args(["--per-page", "10", "-o", "since-{state}.ndjson"]);
    let more = || site.change(Change::Add(5));
    let all = killed_at_each_request(&bucket, run, site.dir.path(), more);
    assert_eq!(by_id(all), site.calls().truth());
}

#[test]
pub fn whatever_fails_on_the_way_every_call_comes_once() {
    let faults = [
        Fault::Refused(500, "InternalError"),
        Fault::Refused(503, "SlowDown"),
        Fault::Refused(409, "ConditionalRequestConflict"),
        Fault::Cut,
        Fault::Lost,
    ];
    for fault in faults {
        for at in 1.. {
            let (site, bucket) = (with_patience(), Bucket::start());
            bucket.faults(move |number, _| (number == at).then_some(fault));
            let ran = calls(&site, &bucket)
                .args(["--per-page", "20"])
                .run()
                .ends(0);
            assert_eq!(ran.lines(), site.calls().truth(), "{fault:?} {at}");
            let cursor = &state(&bucket, "a/vg.state").unwrap()["data"]["cursor"];
            assert_eq!(cursor.as_u64(), site.calls().ids().last().copied());
            if (bucket.requests().len() as u64) < at {
                assert!(at > 5);
                break;
            }
        }
    }
}

#[test]
fn a_service_that_stays_down_is_75_and_the_state_is_as_it_was() {
    let (site, bucket) = (with_patience(), Bucket::start());
    calls(&site, &bucket).run().ends(0);
    let saved = bucket.read("a/vg.state");
    site.change(Change::Add(3));
    for after in [0, 3] {
        bucket.faults(move |number, _| (number > after).then_some(Fault::Refused(503, "SlowDown")));
        let ran = calls(&site, &bucket).args(["--tries", "2"]).run().ends(75);
        assert!(
            ran.stderr().contains(" s3://bucket/a/vg.state"),
            "{}",
            ran.stderr()
        );
        assert_eq!(bucket.read("a/vg.state"), saved);
        bucket.pass(TimeDelta::minutes(3));
    }
    bucket.faults(|_, _| None);
    assert_eq!(calls(&site, &bucket).run().ends(0).lines().len(), 3);
}

#[test]
fn a_state_out_is_committed_by_a_move() {
    let (site, bucket) = (with_patience(), Bucket::start());
    let out = ["--state-out", "s3://bucket/a/vg.next"];
    let run = || -> Ran { calls(&site, &bucket).args(out).run().ends(0) };
    bucket.write("a/vg.next", "what a failed run left");
    assert_eq!(run().lines().len(), 40);
    assert_eq!(bucket.read("a/vg.state"), None);
    assert_eq!(run().lines().len(), 40, "it was not moved");
    bucket.rename("a/vg.next", "a/vg.state");
    site.change(Change::Add(2));
    assert_eq!(run().lines().len(), 2);
    let same = calls(&site, &bucket)
        .args(["--state-out", STATE[1]])
        .run()
        .ends(2);
    assert!(
        same.stderr()
            .contains("--state and --state-out name the same file"),
        "{}",
        same.stderr()
    );
    // One of the two may be a file.
    let file = calls(&site, &bucket)
        .args(["--state-out", "S"])
        .run()
        .ends(0);
    assert_eq!(file.lines().len(), 2);
    let local = site.export(&["--state", "S"]).run().ends(0);
    assert_eq!(local.stdout(), "");
}

#[test]
pub fn what_changed_is_found_by_a_log_beside_the_state() {
    let (site, bucket) = (with_patience(), Bucket::start());
    let run = || calls(&site, &bucket).args(["--refresh-days", "3", "--per-page", "10"]);
    assert_eq!(run().run().ends(0).lines().len(), 40);
    let logs = || {
        bucket
            .keys()
            .into_iter()
            .filter(|key| key.contains(".exported."))
            .count()
    };
    assert_eq!(logs(), 2, "one goes when the next run has begun");
    let ids = site.calls().ids();
    site.change(Change::Edit(ids[7]));
    let changed = run().run().ends(0).lines();
    assert_eq!(
        changed.iter().map(|line| id_of(line)).collect::<Vec<_>>(),
        [ids[7]]
    );
    // What a killed run left goes, and so does nothing else.
    bucket.write(
        "a/vg.state.exported.9.0123456789abcdef0123456789abcdef",
        "x",
    );
    bucket.write("a/vg.state.exported.mine", "x");
    assert_eq!(run().run().ends(0).stdout(), "");
    assert_eq!(logs(), 3, "{:?}", bucket.keys());
    let log = bucket
        .keys()
        .into_iter()
        .find(|key| key.contains(".exported.") && !key.ends_with("mine"));
    bucket.write(&log.unwrap(), "damaged");
    run().run().ends(65);
}

#[test]
fn dialpad_knows_what_it_exported_by_a_log_beside_the_state() {
    let (site, bucket) = (dialpad::site::Site::new(), Bucket::start());
    let url = "s3://bucket/dp";
    let run = || {
        let args = [
            "--state",
            url,
            "--from",
            "-12d",
            "--window",
            "2d",
            "--read-timeout",
            "20s",
            "-o",
            "since-{state}.ndjson",
        ];
        site.export(&[]).args(args).envs(bucket.env())
    };
    let all = killed_at_each_request(&bucket, run, site.dir.path(), || {});
    assert_eq!(sorted(all), sorted(site.messages().truth()));
}

#[test]
fn metrics_go_on_from_a_state_in_a_bucket() {
    let (site, bucket) = (metrics::site::Site::new(), Bucket::start());
    let run = || {
        let args = "batch all --from 2026-11-03 --to 2026-11-04 --state s3://bucket/m";
        site.program(args).envs(bucket.env()).run().ends(0)
    };
    assert!(!run().lines().is_empty());
    assert!(state(&bucket, "m").is_some());
    assert_eq!(run().stdout(), "");
}
