//! Faults of a service and its network, at each request of a run.

use std::process::Child;
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::TimeDelta;
use tempfile::TempDir;

use crate::bucket::running::{self, reading, records};
use crate::bucket::service::{Bucket, Fault, SECRET};
use crate::harness::{Program, program, scratch};
use crate::sim::voicegain::Change;
use crate::site::{self, sorted};
use crate::voicegain::site::Site;

const STATE: &str = "a/vg.state";
const LEDGER: &str = "zips/ledger.ndjson";
const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-10T01:00:00Z";

fn calls_site() -> Site {
    let mut site = Site::new();
    site.patience = "20s";
    site
}

/// A run of `vg-consecutive` that keeps a log beside its state.
fn calls(site: &Site, bucket: &Bucket) -> Program {
    site.export(&["--state", "s3://bucket/a/vg.state", "--refresh-days", "3"])
        .args(["--per-page", "20"])
        .envs(bucket.env())
}

/// A run of `export-fetch` on a machine whose disk is `disk`.
fn fetch(site: &site::Site, bucket: &Bucket, disk: &TempDir) -> Program {
    running::fetch(site, bucket, disk, &site.plan(FROM, TO, &[]))
}

/// A run whose output is read while it goes on.
struct Running {
    child: Child,
    stderr: JoinHandle<String>,
}

impl Running {
    fn start(program: Program) -> Running {
        let mut child = program.spawn();
        reading(child.stdout.take().unwrap());
        Running {
            stderr: reading(child.stderr.take().unwrap()),
            child,
        }
    }

    fn comes_to_it(&mut self, bucket: &Bucket) -> bool {
        running::comes_to_it(bucket, &mut self.child)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        program("kill").args([name, &id]).prints("");
    }

    fn ends(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap().code();
        (status, self.stderr.join().unwrap())
    }
}

/// Stops a run (SIGSTOP) at its request number `at`, until its lease has expired and `other` has
/// run to its end. Then the request arrives, and the run goes on: its status, and what it said.
/// `None` if there is no such request.
fn slept_at(
    bucket: &Bucket,
    at: u64,
    run: Program,
    key: &str,
    other: impl FnOnce(),
) -> Option<(Option<i32>, String)> {
    bucket.faults(move |number, _| (number == at).then_some(Fault::Held));
    let mut sleeper = Running::start(run);
    if !sleeper.comes_to_it(bucket) {
        return None;
    }
    sleeper.signal("-STOP");
    bucket.faults(|_, _| None);
    bucket.pass(TimeDelta::minutes(3));
    other();
    let saved = bucket.read(key);
    bucket.release();
    sleeper.signal("-CONT");
    let (status, said) = sleeper.ends();
    if status == Some(75) {
        assert_eq!(bucket.read(key), saved, "{at}: it wrote: {said}");
    }
    Some((status, said))
}

#[test]
pub fn a_run_that_sleeps_at_any_request_writes_no_state_over_that_of_another() {
    for at in 1.. {
        let (site, bucket) = (calls_site(), Bucket::start());
        let (disk, disk_of_other) = (scratch(), scratch());
        let run = |disk: &TempDir| calls(&site, &bucket).dir(disk.path()).args(["-o", "out"]);
        let taken = |disk: &TempDir| -> Vec<String> {
            let text = std::fs::read_to_string(disk.path().join("out")).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        };
        let other = || drop(run(&disk_of_other).run().ends(0));
        let slept = slept_at(&bucket, at, run(&disk), STATE, other);
        let Some((status, said)) = slept else {
            assert!(at > 8, "{at} requests");
            break;
        };
        let mut all = taken(&disk_of_other);
        // Where a run fails, its file is not taken.
        match status {
            Some(0) => all.extend(taken(&disk)),
            status => assert_eq!(status, Some(75), "{at}: {said}"),
        }
        assert!(sorted(all) == sorted(site.calls().truth()), "{at}: {said}");
        site.change(Change::Add(3));
        let next = calls(&site, &bucket).run().ends(0);
        assert_eq!(next.lines().len(), 3, "{at}");
    }
}

#[test]
pub fn a_worker_that_sleeps_at_any_request_makes_and_notes_nothing() {
    for at in 1.. {
        let (site, bucket, disk) = (site::Site::new(), Bucket::start(), scratch());
        let mut downloads = Vec::new();
        let other = || {
            let ran = fetch(&site, &bucket, &scratch()).run().ends(0);
            assert_eq!(records(&bucket, &ran.lines()), site.truth(FROM, TO), "{at}");
            downloads = site.downloads();
        };
        let slept = slept_at(&bucket, at, fetch(&site, &bucket, &disk), LEDGER, other);
        let Some((status, said)) = slept else {
            assert!(at > 12, "{at} requests");
            break;
        };
        assert!([Some(0), Some(75)].contains(&status), "{at}: {said}");
        assert_eq!(site.downloads(), downloads, "{at}: {said}");
        let stats = site.sim.stats();
        assert_eq!((stats.creates_accepted, stats.orphans), (1, 0), "{at}");
        let after = fetch(&site, &bucket, &scratch()).run().ends(0);
        assert_eq!(records(&bucket, &after.lines()), site.truth(FROM, TO));
        assert_eq!(site.downloads(), downloads, "{at}: {said}");
    }
}

#[test]
pub fn a_write_whose_reply_is_lost_is_not_ours_if_another_run_has_written_since() {
    // The lease, its test, the state or the ledger, and the lease at the end.
    for at in 1.. {
        let (site, bucket) = (calls_site(), Bucket::start());
        calls(&site, &bucket).run().ends(0);
        site.change(Change::Add(3));
        bucket.faults(move |number, request| {
            let is_it = number == at && request.method == "PUT";
            (is_it && request.path() == "/bucket/a/vg.state").then_some(Fault::LostAndReplaced)
        });
        let ran = calls(&site, &bucket).run();
        let requests = bucket.requests();
        let Some(hit) = requests.get(at as usize - 1) else {
            assert!(at > 5, "{at}");
            return;
        };
        match hit == "PUT /bucket/a/vg.state" {
            false => drop(ran.ends(0)),
            true => {
                let said = ran.ends(75).stderr();
                assert!(
                    said.contains("another run has changed it meanwhile"),
                    "{said}"
                );
                // What the other wrote is as it was.
                assert!(bucket.read(STATE).unwrap().ends_with(' '));
            }
        }
    }
}

#[test]
pub fn a_ledger_whose_write_was_lost_and_replaced_ends_with_75() {
    let (site, bucket, disk) = (site::Site::new(), Bucket::start(), scratch());
    let is_ledger = |path: &str| path.ends_with("/ledger.ndjson");
    let count = std::sync::atomic::AtomicUsize::new(0);
    bucket.faults(move |_, request| {
        let is_it = request.method == "PUT" && is_ledger(request.path());
        let number = count.fetch_add(usize::from(is_it), std::sync::atomic::Ordering::SeqCst);
        (is_it && number == 1).then_some(Fault::LostAndReplaced)
    });
    let said = fetch(&site, &bucket, &disk).run().ends(75).stderr();
    assert!(
        said.contains("another run has changed it meanwhile"),
        "{said}"
    );
    // It was the note that an export is about to be made.
    assert_eq!(site.sim.stats().creates_accepted, 0);
}

#[test]
fn a_service_that_is_slow_is_waited_for_or_asked_again() {
    for (delay, status) in [(300, 0), (1500, 0)] {
        for at in (1..).step_by(3) {
            let (mut site, bucket) = (calls_site(), Bucket::start());
            site.patience = "1s";
            let delay = Duration::from_millis(delay);
            bucket.faults(move |number, _| (number == at).then_some(Fault::Slow(delay)));
            let ran = calls(&site, &bucket).run().ends(status);
            assert_eq!(sorted(ran.lines()), sorted(site.calls().truth()), "{at}");
            if (bucket.requests().len() as u64) < at {
                break;
            }
        }
    }
}

#[test]
fn lists_that_are_slow_for_good_are_75() {
    let (mut site, bucket) = (calls_site(), Bucket::start());
    calls(&site, &bucket).run().ends(0);
    let saved = bucket.read(STATE);
    site.patience = "200ms";
    bucket.faults(|_, request| {
        let is_list = request.query("list-type").is_some();
        is_list.then_some(Fault::Slow(Duration::from_secs(2)))
    });
    let ran = calls(&site, &bucket).args(["--tries", "2"]).run().ends(75);
    assert!(
        ran.stderr().contains("s3://bucket/a/vg.state."),
        "{}",
        ran.stderr()
    );
    assert_eq!(bucket.read(STATE), saved);
    bucket.faults(|_, _| None);
    site.patience = "20s";
    site.change(Change::Add(3));
    assert_eq!(calls(&site, &bucket).run().ends(0).lines().len(), 3);
}

#[test]
fn lists_that_lag_lose_nothing() {
    let (site, bucket) = (calls_site(), Bucket::start());
    let mut all = calls(&site, &bucket).run().ends(0).lines();
    bucket.freeze_lists(true);
    for _ in 0..3 {
        site.change(Change::Add(2));
        let ran = calls(&site, &bucket).run().ends(0).lines();
        assert_eq!(ran.len(), 2);
        all.extend(ran);
    }
    assert_eq!(sorted(all), sorted(site.calls().truth()));
    bucket.freeze_lists(false);
    // What changed since is known by a log that no list showed.
    let id = site.calls().ids()[7];
    site.change(Change::Edit(id));
    assert_eq!(calls(&site, &bucket).run().ends(0).lines().len(), 1);
    calls(&site, &bucket).run().ends(0);
    let keys = bucket.keys();
    // One goes when the next run has begun.
    let logs = keys.iter().filter(|key| key.contains(".exported."));
    assert!(logs.count() <= 2, "{keys:?}");
}

#[test]
fn a_ledger_and_zips_are_had_with_a_clock_that_is_off() {
    for ahead in [TimeDelta::hours(1), TimeDelta::days(-40)] {
        let (site, bucket, disk) = (site::Site::new(), Bucket::start(), scratch());
        bucket.set_ahead(ahead);
        let ran = fetch(&site, &bucket, &disk).run().ends(0);
        let said = ran.stderr();
        assert!(
            said.contains("the clock of this machine is wrong"),
            "{said}"
        );
        let truth = site.truth(FROM, TO);
        assert_eq!(records(&bucket, &ran.lines()), truth);
        let again = fetch(&site, &bucket, &scratch()).run().ends(0);
        assert_eq!(again.stdout(), ran.stdout());
    }
}

#[test]
fn credentials_that_run_out_at_any_request_are_renewed() {
    for at in (1..).step_by(2) {
        let (site, bucket, disk) = (site::Site::new(), Bucket::start(), scratch());
        let path = disk.path().join("credentials");
        let file = |key: &str| {
            format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\n")
        };
        std::fs::write(&path, file("AKTEST")).unwrap();
        let (renewed, next) = (path.clone(), file("AKNEXT"));
        bucket.faults(move |number, request| {
            let has_run_out = number >= at && request.target.contains("AKTEST");
            has_run_out.then(|| {
                std::fs::write(&renewed, &next).unwrap();
                Fault::Refused(400, "ExpiredToken")
            })
        });
        bucket.accept(&["AKTEST", "AKNEXT"]);
        let run = program("export-fetch")
            .dir(disk.path())
            .envs(site.env())
            .env("AWS_ENDPOINT_URL", &bucket.env()[0].1)
            .env("AWS_SHARED_CREDENTIALS_FILE", &path)
            .args(["--rate", "5/1s", "--poll", "10ms", "--backoff", "10ms"])
            .args(["--read-timeout", "20s", "--out-dir", "s3://bucket/zips"])
            .stdin(site.plan(FROM, TO, &[]));
        let ran = run.run().ends(0);
        let is_done = (bucket.requests().len() as u64) < at;
        bucket.faults(|_, _| None);
        let truth = site.truth(FROM, TO);
        assert_eq!(records(&bucket, &ran.lines()), truth, "{at}");
        if is_done {
            assert!(at > 12, "{at} requests");
            break;
        }
    }
}

#[test]
fn a_service_without_conditions_gets_no_ledger_and_the_vendor_no_request() {
    let (site, bucket, disk) = (site::Site::new(), Bucket::start(), scratch());
    bucket.ignore_conditions();
    let said = fetch(&site, &bucket, &disk).run().ends(2).stderr();
    assert!(said.contains("ignores If-None-Match"), "{said}");
    assert!(bucket.keys().is_empty(), "{:?}", bucket.keys());
    assert_eq!(site.sim.stats().creates_accepted, 0);
}

#[test]
fn a_service_that_cannot_list_uploads_keeps_what_killed_runs_left() {
    let (site, bucket, disk) = (site::Site::new(), Bucket::start(), scratch());
    bucket.begin_upload("zips/acme/x.zip");
    bucket.faults(|_, request| {
        let is_list = request.method == "GET" && request.query("uploads").is_some();
        is_list.then_some(Fault::Refused(501, "NotImplemented"))
    });
    let ran = fetch(&site, &bucket, &disk).arg("-v").run().ends(0);
    let said = ran.stderr();
    assert!(said.contains("cannot list unfinished uploads"), "{said}");
    assert_eq!(bucket.uploads().len(), 1);
}
