//! ZIPs that `export-fetch` keeps in a bucket.

use std::fs;

use chrono::TimeDelta;
use serde_json::Value;

use crate::bucket::running::{self, fetch, records};
use crate::bucket::service::{Bucket, Fault};
use crate::harness::scratch;
use crate::site::Site;

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-14T00:00:00Z";

fn zips(bucket: &Bucket) -> Vec<String> {
    let mut keys = bucket.keys();
    keys.retain(|key| key.ends_with(".zip"));
    keys
}

#[test]
pub fn they_are_had_as_those_on_a_disk_are() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let plan = site.plan(FROM, TO, &[]);
    let first = fetch(&site, &bucket, &disk, &plan).run().ends(0);
    assert_eq!(records(&bucket, &first.lines()), site.truth(FROM, TO));
    let line: Value = serde_json::from_str(&first.lines()[0]).unwrap();
    let path = line["path"].as_str().unwrap();
    assert!(path.starts_with("s3://bucket/zips/acme/"), "{path}");
    assert_eq!(zips(&bucket).len(), 2);
    assert!(bucket.read("zips/ledger.ndjson").is_some());
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
    // Another machine needs to download nothing.
    let other = scratch();
    let second = fetch(&site, &bucket, &other, &plan).run().ends(0);
    assert_eq!(second.stdout(), first.stdout());
    assert_eq!(site.downloads(), [1, 1]);
    // What was damaged or deleted is downloaded again.
    let keys = zips(&bucket);
    let mut damaged = bucket.read_bytes(&keys[0]).unwrap();
    damaged[9] ^= 1;
    bucket.write_bytes(&keys[0], damaged);
    bucket.delete(&keys[1]);
    let third = fetch(&site, &bucket, &disk, &plan).run().ends(0);
    assert_eq!(records(&bucket, &third.lines()), site.truth(FROM, TO));
    assert_eq!(site.downloads(), [2, 2]);
}

#[test]
pub fn killed_before_each_request_each_zip_is_complete_or_absent() {
    for at in 1.. {
        let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
        let to = "2026-11-10T01:00:00Z";
        let plan = site.plan(FROM, to, &[]);
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let mut child = fetch(&site, &bucket, &disk, &plan).spawn();
        let mut lines = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let is_killed = running::comes_to_it(&bucket, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        bucket.faults(|_, _| None);
        for key in zips(&bucket) {
            let whole = bucket.read_bytes(&key).unwrap();
            assert!(zip::ZipArchive::new(std::io::Cursor::new(whole)).is_ok());
        }
        bucket.pass(TimeDelta::minutes(3));
        let next = scratch();
        let ran = fetch(&site, &bucket, &next, &plan).run().ends(0);
        assert_eq!(records(&bucket, &ran.lines()), site.truth(FROM, to), "{at}");
        assert_eq!(site.sim.stats().creates_accepted, 1);
        if !is_killed {
            assert!(at > 14, "{at}");
            break;
        }
    }
}

#[test]
fn whatever_fails_on_the_way_each_zip_is_there_once() {
    let to = "2026-11-10T01:00:00Z";
    for fault in [
        Fault::Refused(500, "InternalError"),
        Fault::Refused(503, "SlowDown"),
        Fault::Cut,
        Fault::Lost,
    ] {
        for at in 5.. {
            let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
            let plan = site.plan(FROM, to, &[]);
            bucket.faults(move |number, _| (number == at).then_some(fault));
            let ran = fetch(&site, &bucket, &disk, &plan).run().ends(0);
            let is_done = (bucket.requests().len() as u64) < at;
            assert_eq!(records(&bucket, &ran.lines()), site.truth(FROM, to));
            // A lease may not have been given back.
            bucket.pass(TimeDelta::minutes(3));
            let again = fetch(&site, &bucket, &disk, &plan).run().ends(0);
            assert_eq!(again.stdout(), ran.stdout(), "{fault:?} {at}");
            assert_eq!(site.downloads(), [1], "{fault:?} {at}");
            if is_done {
                break;
            }
        }
    }
}

#[test]
fn a_service_that_takes_no_zip_is_75() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let plan = site.plan(FROM, TO, &[]);
    bucket.faults(|_, request| {
        let is_zip = request.method == "PUT" && request.path().ends_with(".zip");
        is_zip.then_some(Fault::Refused(503, "SlowDown"))
    });
    let down = fetch(&site, &bucket, &disk, &plan);
    down.args(["--tries", "2"]).run().ends(75);
    assert!(zips(&bucket).is_empty());
    bucket.faults(|_, _| None);
    let ran = fetch(&site, &bucket, &disk, &plan).run().ends(0);
    assert_eq!(records(&bucket, &ran.lines()), site.truth(FROM, TO));
}

#[test]
pub fn what_killed_runs_left_of_its_uploads_is_aborted_and_nothing_else() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let plan = site.plan(FROM, TO, &[]);
    fetch(&site, &bucket, &disk, &plan).run().ends(0);
    let ours = zips(&bucket)[0].replace("-p0001", "-p0002");
    for key in [&ours, "zips/other/x.zip", "elsewhere/x.zip", &ours] {
        bucket.begin_upload(key);
    }
    fetch(&site, &bucket, &disk, &plan).run().ends(0);
    assert_eq!(bucket.uploads(), ["zips/other/x.zip", "elsewhere/x.zip"]);
}
