//! The whole job, as it is typed.

use crate::harness::Ran;
use crate::site::{NOW, Site, sorted};

const PLAN: &str = "export-plan windows --group acme --type dialog_end --now $NOW --from 2026-11-10 --to 2026-11-14";
const FETCH: &str = "export-fetch --out-dir cdrs --page-size 20 --rate 5/1s --poll 10ms --backoff 10ms --read-timeout 400ms";

fn run(site: &Site, script: &str) -> Ran {
    let script = script.replace("PLAN", PLAN).replace("FETCH", FETCH);
    site.shell(&script).env("NOW", NOW).run()
}

fn truth(site: &Site) -> Vec<String> {
    site.truth("2026-11-10T00:00:00Z", "2026-11-14T00:00:00Z")
}

#[test]
fn every_record_comes_out_once_and_unaltered() {
    let site = Site::new();
    let ran = run(&site, "PLAN | FETCH | unzip-jsonl | cdr-filter .").ends(0);
    assert_eq!(sorted(ran.lines()), truth(&site));
    assert_eq!(ran.stderr(), "");
    let again = run(&site, "PLAN | FETCH | unzip-jsonl | cdr-filter .").ends(0);
    assert_eq!(again.stdout(), ran.stdout());
}

#[test]
fn it_agrees_with_unzip_and_jq() {
    let site = Site::new();
    let ours = run(
        &site,
        "PLAN | FETCH | tee lines | unzip-jsonl | cdr-filter '.duration > 20000 and .locale == \"en-US\"' | jq -cS .",
    )
    .ends(0);
    let theirs = run(
        &site,
        "for zip in $(jq -r .path lines); do unzip -p $zip; done | jq -cS 'select(.duration > 20000 and .locale == \"en-US\")'",
    )
    .ends(0);
    assert!(!ours.stdout().is_empty());
    assert_eq!(ours.stdout(), theirs.stdout());
}

#[test]
fn a_failure_on_the_left_is_the_status_of_the_pipe() {
    let site = Site::new();
    site.sim.fault("create=503");
    let ran = run(&site, "PLAN | FETCH --tries 2 | unzip-jsonl | cdr-filter .").ends(75);
    assert_eq!(ran.stdout(), "");
}

#[test]
fn a_reader_that_leaves_stops_the_pipe_without_a_word_too_many() {
    let site = Site::new();
    run(&site, "PLAN | FETCH > lines").ends(0);
    let ran = run(&site, "unzip-jsonl < lines | cdr-filter . | head -n 1").ends(0);
    assert_eq!((ran.lines().len(), ran.stderr().as_str()), (1, ""));
}

/// Faults by a seeded die, dozens in a run: whatever happens, the records are
/// the truth, within a few reruns.
#[test]
fn faults_at_random_change_nothing() {
    const KINDS: [&str; 24] = [
        "create=lost",
        "create=500",
        "create=cut",
        "create=busy",
        "create=429,retry-after=1",
        "status=502",
        "status=cut",
        "status=html",
        "status=state=THAWING",
        "status=lost",
        "metadata=503,retry-after=0",
        "metadata=garbage",
        "metadata=expire",
        "list=500",
        "data=cut",
        "data=429",
        "data=500",
        "data=html",
        "data=bad-crc",
        "data=truncated-zip",
        "data=short-zip",
        "data=expire",
        "data=stall,for=9s",
        "data=forget-token",
    ];
    let mut die = 20_261_120_u64;
    let mut roll = |sides: usize| {
        die = die
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(die >> 33).unwrap() % sides
    };
    for round in 0..6 {
        let site = Site::new();
        let mut faults = Vec::new();
        for _ in 0..8 {
            let (role, kind) = KINDS[roll(KINDS.len())].split_once('=').unwrap();
            faults.push(format!("{role}@{}={kind}", 1 + roll(6)));
        }
        for fault in &faults {
            site.sim.fault(fault);
        }
        let mut runs = 0;
        let ran = loop {
            let ran = run(&site, "PLAN | FETCH | unzip-jsonl | cdr-filter .");
            runs += 1;
            if ran.status() == 0 || runs == 4 {
                break ran;
            }
        };
        assert_eq!(ran.status(), 0, "{round}: {faults:?}: {}", ran.stderr());
        assert_eq!(sorted(ran.lines()), truth(&site), "{round}: {faults:?}");
        let stats = site.sim.stats();
        assert_eq!(
            (stats.rate_violations, stats.panics),
            (0, 0),
            "{round}: {faults:?}"
        );
    }
}
