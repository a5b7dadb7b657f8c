//! A ledger in a bucket, shared by workers that have nothing else in common.

use std::io::Read;
use std::process::Child;
use std::time::Duration;

use chrono::TimeDelta;
use tempfile::TempDir;

use crate::bucket::running;
use crate::bucket::service::{Bucket, Fault, SECRET, TOKEN};
use crate::harness::{Program, Ran, program, scratch};
use crate::sim::Config;
use crate::site::{NOW, Site, config, sorted};

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-14T00:00:00Z";
const KEY: &str = "a/ledger.ndjson";
const LEDGER: &str = "s3://bucket/a/ledger.ndjson";

/// A machine of its own, which is gone when this is dropped.
struct Worker {
    disk: TempDir,
}

impl Worker {
    fn new() -> Worker {
        Worker { disk: scratch() }
    }

    fn fetch(&self, site: &Site, bucket: &Bucket, plan: &str) -> Program {
        program("export-fetch")
            .dir(self.disk.path())
            .envs(site.env())
            .envs(bucket.env())
            .args(["--rate", "5/1s", "--poll", "10ms", "--backoff", "10ms"])
            .args(["--read-timeout", "20s", "--ledger", LEDGER])
            .args([
                "--out-dir".as_ref(),
                self.disk.path().join("cdrs").as_os_str(),
            ])
            .stdin(plan)
    }

    fn plan(&self, bucket: &Bucket, command: &str, args: &[&str]) -> Program {
        program("export-plan")
            .dir(self.disk.path())
            .envs(bucket.env())
            .args([command, "--now", NOW])
            .args(args)
    }
}

fn is_truth(site: &Site, ran: &Ran) {
    let records = sorted(site.records(&ran.records()));
    assert!(records == site.truth(FROM, TO), "{}", ran.stderr());
}

/// A site whose exports take long enough to do something meanwhile.
fn slow() -> Site {
    Site::with(Config {
        processing: vec![Duration::from_secs(2)],
        ..config()
    })
}

/// A worker whose first export is being made.
fn waiting(site: &Site, bucket: &Bucket, worker: &Worker, plan: &str) -> Child {
    let child = worker.fetch(site, bucket, plan).spawn();
    let is_noted = || {
        let text = bucket.read(KEY).unwrap_or_default();
        text.contains("{\"event\":\"created\"")
    };
    while !is_noted() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn ends(mut child: Child) -> (Option<i32>, String) {
    let (mut lines, mut said) = (String::new(), String::new());
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut lines).unwrap();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
pub fn workers_share_it_as_they_share_a_file() {
    let (site, bucket) = (Site::new(), Bucket::start());
    let plan = site.plan(FROM, TO, &[]);
    let first = Worker::new();
    bucket.faults(|_, _| None);
    let ran = first.fetch(&site, &bucket, &plan).run().ends(0);
    is_truth(&site, &ran);
    assert_eq!(bucket.keys(), [KEY, &format!("{KEY}.lease")]);
    let puts = bucket.requests();
    let puts = puts
        .iter()
        .filter(|one| **one == format!("PUT /bucket/{KEY}"));
    // The first line; creating, created, ready and fetched of each export; and each page.
    assert_eq!(puts.count(), 1 + 2 * 4 + ran.lines().len());
    for key in bucket.keys() {
        let text = bucket.read(&key).unwrap();
        assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
    }

    let second = Worker::new();
    let have = [
        "--group",
        "acme",
        "--type",
        "dialog_end",
        "--from",
        FROM,
        "--to",
        TO,
    ];
    let windows = |args: &[&str]| {
        let plan = second.plan(&bucket, "windows", &have);
        plan.args(["--have", LEDGER])
            .args(args)
            .run()
            .ends(0)
            .lines()
    };
    assert!(windows(&[]).is_empty());
    // Its own disk has none of the ZIPs.
    assert_eq!(windows(&["--verify", "--out-dir", "cdrs"]).len(), 2);
    let coverage = second.plan(&bucket, "coverage", &["--ledger", LEDGER]);
    let said = coverage.args(["--format", "ndjson"]).run().ends(0);
    assert!(!said.stdout().contains("2026-11-12"), "{}", said.stdout());
    let on_first = first.disk.path().join("cdrs");
    let check = second.plan(&bucket, "check", &["--ledger", LEDGER]);
    let checked = check.arg("--out-dir").arg(&on_first).run().ends(0).stdout();
    assert!(checked.contains(" 0 damaged; 2 ZIPs of "), "{checked}");
    let list = program("export-fetch").envs(site.env()).envs(bucket.env());
    let listed = list
        .args(["list", "--group", "acme", "--ledger", LEDGER])
        .run()
        .ends(0)
        .records();
    assert_eq!(listed.len(), 2);
    // The first one goes on where it was.
    let again = first.fetch(&site, &bucket, &plan).run().ends(0);
    assert_eq!(again.stdout(), ran.stdout());
    assert_eq!(site.downloads(), [1, 1]);
    // A file with its content is a ledger, and the other way round.
    let path = first.disk.path().join("copy");
    std::fs::write(&path, bucket.read(KEY).unwrap()).unwrap();
    let local = first
        .plan(&bucket, "windows", &have)
        .arg("--have")
        .arg(&path);
    local.prints("");
}

#[test]
pub fn killed_before_each_request_a_worker_with_an_empty_disk_makes_no_export_twice() {
    for at in 1.. {
        let (site, bucket) = (Site::new(), Bucket::start());
        let plan = site.plan(FROM, TO, &[]);
        let worker = Worker::new();
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let mut child = worker.fetch(&site, &bucket, &plan).spawn();
        let mut lines = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let is_killed = running::comes_to_it(&bucket, &mut child);
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        bucket.faults(|_, _| None);
        drop(worker);
        bucket.pass(TimeDelta::minutes(3));
        let next = Worker::new();
        let ran = next.fetch(&site, &bucket, &plan).run().ends(0);
        is_truth(&site, &ran);
        let stats = site.sim.stats();
        assert_eq!((stats.creates_accepted, stats.orphans), (2, 0), "{at}");
        if !is_killed {
            assert_eq!(ended.code(), Some(0));
            assert!(at > 12, "{at} requests");
            break;
        }
    }
}

#[test]
fn whatever_fails_on_the_way_every_record_comes_once() {
    let faults = [
        Fault::Refused(500, "InternalError"),
        Fault::Refused(503, "SlowDown"),
        Fault::Cut,
        Fault::Lost,
    ];
    for fault in faults {
        for at in (1..).step_by(2) {
            let (site, bucket) = (Site::new(), Bucket::start());
            let plan = site.plan(FROM, TO, &[]);
            bucket.faults(move |number, _| (number == at).then_some(fault));
            let worker = Worker::new();
            let ran = worker.fetch(&site, &bucket, &plan).run().ends(0);
            is_truth(&site, &ran);
            let text = bucket.read(KEY).unwrap();
            assert_eq!(text.matches("{\"event\":\"fetched\"").count(), 2, "{text}");
            assert_eq!(site.sim.stats().creates_accepted, 2, "{fault:?} {at}");
            if (bucket.requests().len() as u64) < at {
                break;
            }
        }
    }
}

#[test]
fn of_two_workers_one_goes_on_and_the_other_asks_the_vendor_nothing() {
    let (site, bucket) = (slow(), Bucket::start());
    let plan = site.plan(FROM, TO, &[]);
    let (first, second) = (Worker::new(), Worker::new());
    let running = waiting(&site, &bucket, &first, &plan);
    let process = format!("process {}", running.id());
    let asked = site.sim.stats().requests["create"];
    let refused = second.fetch(&site, &bucket, &plan).run().ends(75).stderr();
    let said = format!("{LEDGER}: another run holds it: ");
    assert!(
        refused.contains(&said) && refused.contains(&process),
        "{refused}"
    );
    assert_eq!(site.sim.stats().requests["create"], asked);
    // Reading needs no lease.
    second
        .plan(&bucket, "coverage", &["--ledger", LEDGER])
        .run()
        .ends(0);
    assert_eq!(ends(running).0, Some(0));
}

#[test]
fn one_that_slept_too_long_ends_before_it_makes_or_downloads_anything() {
    let (site, bucket) = (slow(), Bucket::start());
    let plan = site.plan(FROM, TO, &[]);
    let (slept, other) = (Worker::new(), Worker::new());
    let running = waiting(&site, &bucket, &slept, &plan);
    bucket.pass(TimeDelta::minutes(3));
    let taken = other.fetch(&site, &bucket, &plan).run();
    is_truth(&site, &taken.ends(0));
    let saved = bucket.read(KEY);
    let (status, said) = ends(running);
    assert_eq!(status, Some(75), "{said}");
    let lost = format!("{LEDGER}: another run has changed it meanwhile");
    assert!(said.contains(&lost), "{said}");
    assert_eq!(bucket.read(KEY), saved);
    assert_eq!(site.sim.stats().creates_accepted, 2);
    assert_eq!(site.downloads(), [1, 1]);
}

#[test]
fn a_lease_that_ran_out_is_renewed_before_a_page_is_downloaded() {
    let (site, bucket) = (slow(), Bucket::start());
    let plan = site.plan(FROM, "2026-11-11T00:00:00Z", &[]);
    let worker = Worker::new();
    let running = waiting(&site, &bucket, &worker, &plan);
    bucket.faults(|_, _| None);
    bucket.pass(TimeDelta::minutes(3));
    assert_eq!(ends(running).0, Some(0));
    let (ledger, lease) = (
        format!("PUT /bucket/{KEY}"),
        format!("PUT /bucket/{KEY}.lease"),
    );
    // Ready, the lease, the page, fetched; and the lease is given back.
    assert_eq!(
        bucket.requests(),
        [ledger.clone(), lease.clone(), ledger.clone(), ledger, lease]
    );
}

#[test]
fn one_that_is_terminated_notes_what_it_did_and_lets_the_next_one_in_at_once() {
    let (site, bucket) = (Site::new(), Bucket::start());
    let plan = site.plan(FROM, TO, &[]);
    let worker = Worker::new();
    // Its first page was requested, and the body stalls.
    site.sim.fault("data=stall,for=60s");
    let running = worker.fetch(&site, &bucket, &plan).spawn();
    while site.sim.stats().requests["data"] == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    program("kill").arg(running.id().to_string()).prints("");
    let (status, said) = ends(running);
    assert_eq!(status, Some(143), "{said}");
    let text = bucket.read(KEY).unwrap();
    assert!(text.contains("{\"event\":\"requesting\""), "{text}");
    site.sim.reset();
    is_truth(&site, &worker.fetch(&site, &bucket, &plan).run().ends(0));
}

#[test]
fn what_is_no_ledger_is_left_as_it_is() {
    let (site, bucket) = (Site::new(), Bucket::start());
    let plan = site.plan(FROM, TO, &[]);
    let worker = Worker::new();
    bucket.write(KEY, "precious\n");
    let said = worker.fetch(&site, &bucket, &plan).run().ends(65).stderr();
    assert!(said.contains("it was not changed"), "{said}");
    assert_eq!(bucket.read(KEY).unwrap(), "precious\n");
    // As a copy of a file that a crash cut off.
    bucket.write(KEY, "{\"event\":\"ope");
    is_truth(&site, &worker.fetch(&site, &bucket, &plan).run().ends(0));
    let missing = worker.plan(&bucket, "coverage", &["--ledger", "s3://bucket/none"]);
    let said = missing.run().ends(74).stderr();
    assert!(said.contains("s3://bucket/none: no such object"), "{said}");
    let empty = ["--group", "acme", "--type", "t", "--from", "-2d", "--have"];
    let windows = worker.plan(&bucket, "windows", &empty);
    assert_eq!(
        windows.arg("s3://bucket/none").run().ends(0).lines().len(),
        1
    );
}

#[test]
fn what_cannot_be_told_from_a_bucket_is_refused() {
    let (site, bucket) = (Site::new(), Bucket::start());
    let plan = site.plan(FROM, TO, &[]);
    let worker = Worker::new();
    let to_file = |until: &str| {
        let fetch = worker.fetch(&site, &bucket, &plan);
        fetch.args(["-o", "list", "--until", until]).run()
    };
    let said = to_file("fetched").ends(2).stderr();
    assert!(said.contains("--output must be an address"), "{said}");
    assert!(bucket.keys().is_empty());
    to_file("ready").ends(0);
    let check = worker.plan(&bucket, "check", &["--ledger", LEDGER]);
    let said = check.run().ends(2).stderr();
    assert!(said.contains("give --out-dir"), "{said}");
    let open = "{\"event\":\"delivering\",\"temp\":\"/x/.t\",\"path\":\"/x/list\",\
                \"export_ids\":[\"e\"],\"at\":\"2026-11-20T12:00:00Z\"}\n";
    let text = bucket.read(KEY).unwrap() + open;
    bucket.write(KEY, &text);
    let said = worker.fetch(&site, &bucket, &plan).run().ends(2).stderr();
    assert!(said.contains("/x/list"), "{said}");
    assert_eq!(bucket.read(KEY).unwrap(), text);
}
