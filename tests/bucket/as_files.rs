//! The promises for files that do not depend on the place hold in a bucket, too.

use tempfile::TempDir;

use crate::bucket::service::Bucket;
use crate::harness::{Program, Ran, scratch, shell};
use crate::sim::voicegain::Change;
use crate::site::Site;
use crate::voicegain;

const LEDGER: &str = "zips/ledger.ndjson";
const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-11T00:00:00Z";
const FETCH: &str = "export-fetch --out-dir s3://bucket/zips --rate 5/1s --poll 10ms \
                     --backoff 10ms --read-timeout 20s";
const CALLS: &str = "vg-consecutive --state s3://bucket/vg --per-page 10 --rate 1000/1s \
                     --backoff 10ms --read-timeout 20s";

/// A pipeline on a machine whose disk is `disk`; a plan is its input.
fn on(disk: &TempDir, site: &Site, bucket: &Bucket, script: &str) -> Program {
    shell(script)
        .dir(disk.path())
        .envs(site.env())
        .envs(bucket.env())
        .env("TMPDIR", disk.path())
        .stdin(site.plan(FROM, TO, &[]))
}

fn said(ran: &Ran, what: &str) {
    assert!(ran.stderr().contains(what), "{}", ran.stderr());
}

#[test]
fn a_reader_that_left_marks_nothing_and_moves_no_state() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let run = |script: &str| on(&disk, &site, &bucket, script).run();
    let ran = run(&format!("{FETCH} | true")).ends(1);
    said(&ran, "the reader closed stdout");
    assert!(
        !bucket
            .read(LEDGER)
            .unwrap()
            .contains("\"event\":\"fetched\"")
    );
    assert_eq!(run(FETCH).ends(0).lines().len(), 1);
    assert_eq!(site.downloads(), [1]);
    let ran = run(&format!("{CALLS} | true")).ends(1);
    said(&ran, "the reader closed stdout");
    assert_eq!(bucket.read("vg"), None);
}

#[test]
fn a_disk_that_fills_up_is_74_and_no_zip_is_there() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let full = |script: &str| format!("trap '' XFSZ; ulimit -f 8; exec {script}");
    let ran = on(&disk, &site, &bucket, &full(FETCH)).run().ends(74);
    said(&ran, "File too large");
    assert_eq!(
        bucket.keys(),
        [LEDGER.to_owned(), format!("{LEDGER}.lease")]
    );
    assert!(!bucket.read(LEDGER).unwrap().contains("\"event\":\"page\""));
    let calls = full(&format!("{CALLS} -o out"));
    on(&disk, &site, &bucket, &calls).run().ends(74);
    assert_eq!(bucket.read("vg"), None);
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0);
    on(&scratch(), &site, &bucket, FETCH).run().ends(0);
    assert_eq!(site.sim.stats().creates_accepted, 1);
}

#[test]
fn a_flipped_digit_is_65_and_the_object_stays_as_it_is() {
    let (site, bucket, disk) = (Site::new(), Bucket::start(), scratch());
    let run = |script: &str| on(&disk, &site, &bucket, script).run();
    run(FETCH).ends(0);
    run(CALLS).ends(0);
    for (key, script, from, to) in [
        (LEDGER, FETCH, "\"num_of_files\":24", "\"num_of_files\":25"),
        ("vg", CALLS, "\"cursor\":14", "\"cursor\":13"),
    ] {
        let text = bucket.read(key).unwrap();
        let damaged = text.replace(from, to);
        assert_ne!(damaged, text);
        bucket.write(key, &damaged);
        said(&run(script).ends(65), "its checksum");
        assert_eq!(bucket.read(key).unwrap(), damaged);
        bucket.write(key, &text);
        run(script).ends(0);
    }
}

#[test]
fn other_settings_and_another_service_are_refused() {
    let (mut site, bucket) = (voicegain::site::Site::new(), Bucket::start());
    site.patience = "20s";
    let run = |args: &[&str]| {
        let run = site.export(&["--state", "s3://bucket/vg"]).args(args);
        run.envs(bucket.env()).run()
    };
    run(&["--agent", "a1"]).ends(0);
    let saved = bucket.read("vg");
    site.change(Change::Add(3));
    said(
        &run(&["--agent", "a2"]).ends(2),
        "this state was made with agent",
    );
    assert_eq!(bucket.read("vg"), saved);
    let (first, second, bucket) = (Site::new(), Site::new(), Bucket::start());
    on(&scratch(), &first, &bucket, FETCH).run().ends(0);
    let saved = bucket.read(LEDGER);
    let ran = on(&scratch(), &second, &bucket, FETCH).run();
    assert!([2, 65].contains(&ran.status()), "{}", ran.stderr());
    assert_eq!(bucket.read(LEDGER), saved);
    assert_eq!(second.sim.stats().creates_accepted, 0);
}
