//! Runs with a log beside their state, of which one is suspended until its lease has expired: no run deletes
//! a log that a state needs.

use chrono::TimeDelta;

use crate::bucket::named::{OBJECTS, lines};
use crate::bucket::running::{Release, comes_to_it, held_at, is_killed};
use crate::bucket::service::{Bucket, Fault};
use crate::harness::Program;
use crate::sim::voicegain::Change;
use crate::voicegain::site::{Site, by_id};

fn site() -> Site {
    let mut site = Site::new();
    site.patience = "20s";
    site
}

fn run(site: &Site, bucket: &Bucket) -> Program {
    let args = ["--state", "s3://bucket/state", "--refresh-days", "3"];
    let run = site.export(&args).args(["--per-page", "20", "-o", OBJECTS]);
    run.envs(bucket.env())
}

/// A site with a state, and with calls since.
fn begun() -> (Site, Bucket) {
    let (site, bucket) = (site(), Bucket::start());
    run(&site, &bucket).run().ends(0);
    site.change(Change::Add(5));
    (site, bucket)
}

fn each_call_is_there_once(site: &Site, bucket: &Bucket, label: &str) {
    bucket.faults(|_, _| None);
    bucket.pass(TimeDelta::minutes(3));
    run(site, bucket).run().ends(0);
    site.change(Change::Add(2));
    run(site, bucket).run().ends(0);
    let truth = site.calls().truth();
    let found = lines(bucket);
    assert_eq!(found.len(), truth.len(), "{label}");
    assert_eq!(by_id(found), truth, "{label}");
}

#[test]
fn a_run_that_is_suspended_at_any_request_deletes_no_log_of_another() {
    let mut statuses = Vec::new();
    for at in 1.. {
        let (site, bucket) = begun();
        let others = || {
            for _ in 0..2 {
                site.change(Change::Add(5));
                run(&site, &bucket).run().ends(0);
            }
        };
        let Some((status, said)) = held_at(&bucket, at, run(&site, &bucket), others) else {
            break;
        };
        statuses.push(status);
        each_call_is_there_once(&site, &bucket, &format!("{at}: {said}"));
    }
    assert!(statuses.len() > 8, "{statuses:?}");
    assert!(
        statuses.contains(&0) && statuses.contains(&75),
        "{statuses:?}"
    );
}

#[test]
fn a_run_that_is_killed_deletes_no_log_that_a_suspended_run_still_writes_into_the_state() {
    for at in 1.. {
        let (site, bucket) = begun();
        let release = Release(&bucket);
        bucket.faults(|_, request| {
            let is_it = request.method == "PUT" && request.path() == "/bucket/state";
            is_it.then_some(Fault::Held)
        });
        let mut sleeper = run(&site, &bucket).spawn();
        assert!(comes_to_it(&bucket, &mut sleeper), "{at}");
        bucket.pass(TimeDelta::minutes(3));
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let is_killed = is_killed(&bucket, &mut run(&site, &bucket).spawn());
        bucket.faults(|_, _| None);
        drop(release);
        let status = sleeper.wait().unwrap().code();
        assert!(matches!(status, Some(0 | 75)), "{at}: {status:?}");
        each_call_is_there_once(&site, &bucket, &format!("{at}: {status:?}"));
        if !is_killed {
            assert!(at > 8, "{at} requests");
            return;
        }
    }
}
