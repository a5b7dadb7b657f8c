//! `-o 's3://…/since-{state}.ndjson'`: the object of a run is named by the state that it continues
//! from, so no run that is late writes over the records of others.

use std::fs;

use chrono::TimeDelta;

use crate::bucket::running::{held_at, is_killed};
use crate::bucket::service::{Bucket, Fault};
use crate::dialpad;
use crate::dialpad::site::sorted;
use crate::harness::Program;
use crate::named_output::name_of;
use crate::sim::voicegain::Change;
use crate::voicegain::site::{Site, by_id};

pub const OBJECTS: &str = "s3://bucket/out/since-{state}.ndjson";

fn site() -> Site {
    let mut site = Site::new();
    site.patience = "20s";
    site
}

fn calls(site: &Site, bucket: &Bucket, output: &str) -> Program {
    let args = ["--state", "s3://bucket/state", "--per-page", "20"];
    let run = site.export(&args).args(["-o", output]);
    run.envs(bucket.env())
}

/// All lines of the objects.
pub fn lines(bucket: &Bucket) -> Vec<String> {
    let keys = bucket.keys().into_iter();
    let keys = keys.filter(|key| key.starts_with("out/"));
    let text = keys.map(|key| bucket.read(&key).unwrap());
    text.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn each_run_has_an_object_that_is_named_by_the_state_before_it() {
    let (site, bucket) = (site(), Bucket::start());
    let report = ["--report", "report"];
    calls(&site, &bucket, OBJECTS).args(report).run().ends(0);
    let mut name = "start".to_owned();
    for count in [3, 2] {
        assert_eq!(
            site.report()["output"],
            format!("s3://bucket/out/since-{name}.ndjson")
        );
        site.change(Change::Add(count));
        name = name_of(&bucket.read_bytes("state").unwrap());
        calls(&site, &bucket, OBJECTS).args(report).run().ends(0);
        let text = bucket.read(&format!("out/since-{name}.ndjson")).unwrap();
        assert_eq!(text.lines().count() as u64, count);
    }
    assert_eq!(by_id(lines(&bucket)), site.calls().truth());
}

/// A run that is held at one of its requests, until two others have done their work, loses and doubles
/// nothing: neither if it was held before it had the lease, nor after that.
fn held_at_each_request(has_state: bool, in_bucket: bool) {
    let mut statuses = Vec::new();
    for at in 1.. {
        let (site, bucket) = (site(), Bucket::start());
        let run = || match in_bucket {
            true => calls(&site, &bucket, OBJECTS),
            false => calls(&site, &bucket, "since-{state}.ndjson"),
        };
        if has_state {
            run().run().ends(0);
            site.change(Change::Add(5));
        }
        let others = || {
            for _ in 0..2 {
                site.change(Change::Add(5));
                run().run().ends(0);
            }
        };
        let Some((status, said)) = held_at(&bucket, at, run(), others) else {
            break;
        };
        statuses.push(status);
        bucket.pass(TimeDelta::minutes(3));
        run().run().ends(0);
        let found = match in_bucket {
            true => lines(&bucket),
            false => files(&site),
        };
        assert_eq!(found.len(), site.calls().truth().len(), "{at}: {said}");
        assert_eq!(by_id(found), site.calls().truth(), "{at}: {said}");
    }
    // It was held before it had the lease, and after it: the last requests only release it.
    assert!(statuses.len() > 5, "{statuses:?}");
    assert!(
        statuses.contains(&0) && statuses.contains(&75),
        "{statuses:?}"
    );
}

fn files(site: &Site) -> Vec<String> {
    let paths = fs::read_dir(site.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|ending| ending == "ndjson"));
    let text = paths.map(|path| fs::read_to_string(path).unwrap());
    text.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn one_that_is_suspended_at_any_request_of_its_first_run_loses_and_doubles_nothing() {
    held_at_each_request(false, true);
}

#[test]
fn one_that_is_suspended_at_any_request_loses_and_doubles_nothing() {
    held_at_each_request(true, true);
}

#[test]
fn one_that_is_suspended_at_any_request_does_no_harm_to_files_that_all_workers_share() {
    held_at_each_request(true, false);
}

/// Runs that are killed before their first, second, … request, each followed by one that is not.
fn killed_at_each_request(bucket: &Bucket, run: impl Fn() -> Program, more: impl Fn()) {
    for at in 1.. {
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let killed = is_killed(bucket, &mut run().spawn());
        bucket.faults(|_, _| None);
        if !killed {
            assert!(at > 8, "{at} requests");
            return;
        }
        bucket.pass(TimeDelta::minutes(3));
        run().run().ends(0);
        more();
    }
}

#[test]
fn killed_before_each_request_each_record_is_in_one_object() {
    let (site, bucket) = (site(), Bucket::start());
    let more = || site.change(Change::Add(5));
    killed_at_each_request(&bucket, || calls(&site, &bucket, OBJECTS), more);
    let found = lines(&bucket);
    assert_eq!(found.len(), site.calls().truth().len());
    assert_eq!(by_id(found), site.calls().truth());

    let (site, bucket) = (dialpad::site::Site::new(), Bucket::start());
    let args = ["--state", "s3://bucket/state", "--from", "-12d"];
    let more = ["--window", "2d", "--read-timeout", "20s", "-o", OBJECTS];
    let run = || site.export(&[&args[..], &more].concat()).envs(bucket.env());
    killed_at_each_request(&bucket, run, || {});
    assert_eq!(sorted(lines(&bucket)), sorted(site.messages().truth()));
}
