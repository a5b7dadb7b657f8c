//! `export-plan check`, `prune` and `--verify`, and `export-fetch list`, for ZIPs in a bucket.

use chrono::TimeDelta;

use crate::bucket::running;
use crate::bucket::service::{Bucket, Fault};
use crate::harness::{Program, program};
use crate::site::{NOW, Site};

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-14T00:00:00Z";
const KEY: &str = "zips/ledger.ndjson";
const PLACES: [&str; 4] = [
    "--ledger",
    "s3://bucket/zips/ledger.ndjson",
    "--out-dir",
    "s3://bucket/zips",
];

/// Two exports, whose ZIPs and ledger are in a bucket.
fn site() -> (Site, Bucket) {
    let (site, bucket) = (Site::new(), Bucket::start());
    let fetch = program("export-fetch")
        .envs(site.env())
        .envs(bucket.env())
        .args(["--rate", "5/1s", "--poll", "10ms", "--read-timeout", "20s"]);
    let plan = site.plan(FROM, TO, &[]);
    fetch.args(&PLACES[2..]).stdin(&plan).run().ends(0);
    assert_eq!(zips(&bucket).len(), 2);
    (site, bucket)
}

fn zips(bucket: &Bucket) -> Vec<String> {
    let mut keys = bucket.keys();
    keys.retain(|key| key.ends_with(".zip"));
    keys
}

fn export_plan(bucket: &Bucket, command: &str) -> Program {
    let run = program("export-plan").envs(bucket.env());
    run.arg(command)
        .args(["--backoff", "10ms", "--read-timeout", "20s"])
}

fn check(bucket: &Bucket) -> Program {
    export_plan(bucket, "check")
        .args(PLACES)
        .args(["--now", NOW])
}

fn prune(bucket: &Bucket, older_than: &str) -> Program {
    let run = export_plan(bucket, "prune").args(PLACES);
    run.args(["--older-than", older_than])
}

/// The hours that are to be fetched again.
fn windows(bucket: &Bucket) -> Vec<String> {
    let run = export_plan(bucket, "windows").args(["--have", PLACES[1], "--verify"]);
    run.args(&PLACES[2..])
        .args(["--group", "acme", "--type", "dialog_end"])
        .args(["--now", NOW, "--from", FROM, "--to", TO])
        .run()
        .ends(0)
        .lines()
}

#[test]
pub fn what_is_there_is_checked() {
    let (site, bucket) = site();
    bucket.faults(|_, _| None);
    let text = check(&bucket).run().ends(0).stdout();
    assert!(text.contains(" 0 damaged; 2 ZIPs of "), "{text}");
    assert!(text.contains("acme dialog_end: 96 h have"), "{text}");
    assert!(windows(&bucket).is_empty());
    let is_read = |one: &String| one.starts_with("GET") || one.starts_with("HEAD");
    assert!(bucket.requests().iter().all(is_read));
    let list = program("export-fetch").envs(site.env()).envs(bucket.env());
    let list = list.args(["list", "--group", "acme"]).args(&PLACES[2..]);
    let listed = list.run().ends(0).records();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|one| one["ledger"] == "fetched"));

    let keys = zips(&bucket);
    let mut damaged = bucket.read_bytes(&keys[0]).unwrap();
    damaged[9] ^= 1;
    bucket.write_bytes(&keys[0], damaged);
    bucket.delete(&keys[1]);
    let text = check(&bucket).run().ends(65).stdout();
    for said in [
        format!("s3://bucket/{}: the file was changed", keys[0]),
        format!("s3://bucket/{}: the file is missing", keys[1]),
    ] {
        assert!(text.contains(&said), "{text}");
    }
    assert_eq!(windows(&bucket).len(), 1);
    bucket.faults(|_, request| {
        (request.method == "HEAD").then_some(Fault::Refused(403, "AccessDenied"))
    });
    let verify = export_plan(&bucket, "coverage").args(PLACES);
    verify.args(["--verify", "--now", NOW]).run().ends(77);
}

#[test]
pub fn pruned_zips_are_gone_and_their_hours_stay_had() {
    let (_site, bucket) = site();
    let removed = |run: Program| run.run().ends(0).records();
    let now = ["--dry-run"];
    assert_eq!(removed(prune(&bucket, "1d")).len(), 0, "they are new");
    assert_eq!(removed(prune(&bucket, "0s").args(now)).len(), 2);
    let keys = zips(&bucket);
    let gone = removed(prune(&bucket, "0s"));
    assert_eq!(gone[0]["path"], format!("s3://bucket/{}", keys[0]));
    assert!(gone[0].get("file").is_none());
    assert!(zips(&bucket).is_empty());
    check(&bucket).run().ends(0);
    assert!(windows(&bucket).is_empty());
    let none = export_plan(&bucket, "prune").args(["--older-than", "0s"]);
    let none = none.args([
        "--ledger",
        "s3://bucket/none",
        "--out-dir",
        "s3://bucket/zips",
    ]);
    let said = none.run().ends(2).stderr();
    assert!(said.contains("s3://bucket/none: no such ledger"), "{said}");
    assert_eq!(bucket.read("none"), None);
}

#[test]
fn killed_before_each_request_no_hour_is_lost_and_the_next_prune_removes_all() {
    for at in 1.. {
        let (_site, bucket) = site();
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let mut child = prune(&bucket, "0s").spawn();
        let is_killed = running::comes_to_it(&bucket, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        bucket.faults(|_, _| None);
        assert!(windows(&bucket).is_empty(), "{at}");
        bucket.pass(TimeDelta::minutes(3));
        prune(&bucket, "0s").run().ends(0);
        assert!(zips(&bucket).is_empty(), "{at}");
        assert!(windows(&bucket).is_empty(), "{at}");
        let noted = bucket
            .read(KEY)
            .unwrap()
            .matches("\"event\":\"pruned\"")
            .count();
        assert_eq!(noted, 2, "{at}");
        if !is_killed {
            assert!(at > 7, "{at}");
            break;
        }
    }
}
