//! `export-fetch -o s3://…`: the list of ZIPs in a bucket, and what the ledger knows of it.

use std::fs;

use chrono::TimeDelta;
use tempfile::TempDir;

use crate::bucket::running::{fetch, is_killed, records};
use crate::bucket::service::{Bucket, Fault};
use crate::harness::{Program, program, scratch};
use crate::site::{NOW, Site};

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-12T06:00:00Z";
const LEDGER: &str = "s3://bucket/zips/ledger.ndjson";

fn listing(site: &Site, bucket: &Bucket, disk: &TempDir, plan: &str, list: &str) -> Program {
    fetch(site, bucket, disk, plan).args(["-o", &format!("s3://bucket/{list}")])
}

/// The plan of what the ledger does not have.
fn lacking(bucket: &Bucket, disk: &TempDir, ledger: &str) -> String {
    let plan = program("export-plan").dir(disk.path()).envs(bucket.env());
    let plan = plan.args(["windows", "--now", NOW, "--group", "acme"]);
    let plan = plan.args(["--type", "dialog_end", "--from", FROM, "--to", TO]);
    plan.args(["--have", ledger]).run().ends(0).stdout()
}

fn lines(bucket: &Bucket, list: &str) -> Vec<String> {
    let text = bucket.read(list).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn it_is_what_a_file_is() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let plan = site.plan(FROM, TO, &[]);
    let ran = listing(&site, &bucket, &disk, &plan, "list").run().ends(0);
    assert_eq!(ran.stdout(), "");
    let found = lines(&bucket, "list");
    assert_eq!(records(&bucket, &found), site.truth(FROM, TO));
    let ledger = bucket.read("zips/ledger.ndjson").unwrap();
    assert_eq!(ledger.matches("\"event\":\"delivering\"").count(), 1);
    assert_eq!(ledger.matches("\"event\":\"fetched\"").count(), 2);
    assert_eq!(lacking(&bucket, &disk, LEDGER), "");
    // The same lines once more; and without any, an object that is there becomes empty.
    listing(&site, &bucket, &disk, &plan, "list").run().ends(0);
    assert_eq!(lines(&bucket, "list"), found);
    listing(&site, &bucket, &disk, "", "list").run().ends(0);
    assert_eq!(bucket.read("list").unwrap(), "");
    listing(&site, &bucket, &disk, "", "none").run().ends(0);
    assert!(bucket.read("none").is_none());
    // Nothing of it is on the disk.
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
}

/// As a job does that runs `export-plan --have | export-fetch -o`, with a new name each time.
fn killed_at_each_request(ledger: &str, least: u64, fault: Fault) {
    for at in 1.. {
        let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
        let run = |plan: &str, list: &str| {
            listing(&site, &bucket, &disk, plan, list).args(["--ledger", ledger])
        };
        let plan = site.plan(FROM, TO, &[]);
        bucket.faults(move |number, _| (number == at).then_some(fault));
        let is_killed = is_killed(&bucket, &mut run(&plan, "first").spawn());
        bucket.faults(|_, _| None);
        bucket.pass(TimeDelta::minutes(3));
        let rest = lacking(&bucket, &disk, ledger);
        let first = lines(&bucket, "first");
        // The list is there if and only if the ledger says so.
        assert_eq!(first.is_empty(), !rest.is_empty(), "{at}: {rest}");
        run(&rest, "second").run().ends(0);
        let all = [first, lines(&bucket, "second")].concat();
        assert_eq!(records(&bucket, &all), site.truth(FROM, TO), "{at}");
        assert_eq!(site.sim.stats().creates_accepted, 2, "{at}");
        assert_eq!(lacking(&bucket, &disk, ledger), "", "{at}");
        if !is_killed {
            assert!(at > least, "{at}");
            break;
        }
    }
}

#[test]
pub fn killed_before_each_request_the_ledger_knows_whether_the_list_is_there() {
    killed_at_each_request(LEDGER, 16, Fault::Killed);
}

#[test]
fn killed_before_each_request_a_ledger_on_the_disk_knows_it_too() {
    // The uploads of two ZIPs and a list, and what comes before them.
    for fault in [Fault::Killed, Fault::KilledAfter] {
        killed_at_each_request("ledger.ndjson", 5, fault);
    }
}

#[test]
fn whatever_fails_on_the_way_it_is_there_and_noted() {
    for fault in [Fault::Refused(503, "SlowDown"), Fault::Cut, Fault::Lost] {
        for at in (8..).step_by(2) {
            let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
            let plan = site.plan(FROM, TO, &[]);
            bucket.faults(move |number, _| (number == at).then_some(fault));
            listing(&site, &bucket, &disk, &plan, "list").run().ends(0);
            let is_done = (bucket.requests().len() as u64) < at;
            let found = lines(&bucket, "list");
            assert_eq!(records(&bucket, &found), site.truth(FROM, TO), "{fault:?}");
            assert_eq!(lacking(&bucket, &disk, LEDGER), "", "{fault:?} {at}");
            if is_done {
                break;
            }
        }
    }
}

#[test]
fn one_that_is_not_taken_is_not_noted_and_comes_again() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let plan = site.plan(FROM, TO, &[]);
    let run = || listing(&site, &bucket, &disk, &plan, "list");
    bucket.faults(|_, request| {
        let is_list = request.method == "PUT" && request.path() == "/bucket/list";
        is_list.then_some(Fault::Refused(403, "AccessDenied"))
    });
    run().run().ends(77);
    bucket.faults(|_, _| None);
    let ledger = bucket.read("zips/ledger.ndjson").unwrap();
    assert_eq!(ledger.matches("\"event\":\"fetched\"").count(), 0);
    assert_ne!(lacking(&bucket, &disk, LEDGER), "");
    // A pipe takes them now, and the ledger says what became of the list.
    let ran = fetch(&site, &bucket, &disk, &plan).run().ends(0);
    assert_eq!(records(&bucket, &ran.lines()), site.truth(FROM, TO));
    let ledger = bucket.read("zips/ledger.ndjson").unwrap();
    assert_eq!(ledger.matches("\"event\":\"withdrawn\"").count(), 1);
    assert!(bucket.read("list").is_none());
}

#[test]
fn a_list_on_a_disk_is_refused_with_a_ledger_in_a_bucket() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let plan = site.plan(FROM, TO, &[]);
    let run = fetch(&site, &bucket, &disk, &plan).args(["-o", "list"]);
    let said = run.run().ends(2).stderr();
    assert!(said.contains("--output must be an address"), "{said}");
    assert!(bucket.keys().is_empty());
}
