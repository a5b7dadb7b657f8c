//! Killed at any moment, and run again.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::harness::{Ran, shell};
use crate::sim::Config;
use crate::site::{Site, config, sorted};

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-14T00:00:00Z";

fn signal(child: &Child, name: &str) {
    shell(&format!("kill -{name} {}", child.id())).run().ends(0);
}

#[test]
fn killed_at_ten_moments_a_plain_rerun_has_everything() {
    // The whole job takes about 2 s; the moments are spread over it by the golden ratio.
    let mut moment = 0.0_f64;
    for _ in 0..10 {
        moment = (moment + 0.618_034).fract();
        let site = Site::with(Config {
            latency: Duration::from_millis(10),
            processing: vec![Duration::from_millis(200)],
            ..config()
        });
        let plan = site.plan(FROM, TO, &[]);
        let mut child = site.fetch(&plan).args(["--page-size", "7"]).spawn();
        std::thread::sleep(Duration::from_secs_f64(moment * 2.2));
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = site.fetch(&plan).args(["--page-size", "7"]).run().ends(0);
        let lines = ran.records();
        assert_eq!(
            sorted(site.records(&lines)),
            site.truth(FROM, TO),
            "{moment}"
        );
        let stats = site.sim.stats();
        assert_eq!((stats.creates_accepted, stats.orphans), (2, 0), "{moment}");
        assert_eq!(stats.rate_violations, 0, "{moment}");
        // At most the page that was under way is downloaded twice; none is kept twice.
        let again = site.downloads().iter().map(|count| count - 1).sum::<u64>();
        assert!(again <= 1, "{moment}: {again}");
        assert_eq!(
            site.files().len(),
            lines.len() + 1,
            "{moment}: {:?}",
            site.files()
        );
    }
}

#[test]
fn terminated_it_ends_soon_and_can_go_on() {
    for (fault, reached) in [
        ("status=state=PROCESSING", "status"),
        ("data=stall,for=60s", "data"),
        ("status=slow-headers,for=60s", "status"),
        ("create=busy", "create"),
        ("data@2+=429,retry-after=600", "data"),
    ] {
        let site = Site::new();
        site.sim.fault(fault);
        let plan = site.plan(FROM, TO, &[]);
        let child = site.fetch(&plan).arg("--patience=1h").spawn();
        while site.sim.stats().requests[reached] == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        let asked = Instant::now();
        signal(&child, "TERM");
        let output = child.wait_with_output().unwrap();
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "{fault}: {:?}",
            asked.elapsed()
        );
        assert_eq!(output.status.code(), Some(143), "{fault}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("terminated: run the same command again"),
            "{fault}: {said}"
        );
        site.sim.reset();
        let lines = site.fetch(&plan).run().ends(0).records();
        assert_eq!(
            sorted(site.records(&lines)),
            site.truth(FROM, TO),
            "{fault}"
        );
    }
}

#[test]
fn interrupted_and_run_again_it_has_everything() {
    let site = Site::new();
    let plan = site.plan(FROM, TO, &[]);
    let child = site.fetch(&plan).args(["--page-size", "7"]).spawn();
    while site.sim.stats().requests["data"] < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&child, "INT");
    // It dies of the signal, so that a shell's loop ends, too.
    let status = child.wait_with_output().unwrap().status;
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(2)
    );
    let ran = site.fetch(&plan).args(["--page-size", "7"]).run().ends(0);
    assert_eq!(sorted(site.records(&ran.records())), site.truth(FROM, TO));
    assert_eq!(site.sim.stats().creates_accepted, 2);
}

#[test]
fn the_reader_left_so_nothing_is_marked_as_fetched() {
    let site = Site::new();
    let plan = site.plan(FROM, TO, &[]);
    let script = "export-fetch --out-dir cdrs --rate 5/1s --poll 10ms | true";
    let ran: Ran = site.shell(script).stdin(&plan).run().ends(1);
    assert!(
        ran.stderr().contains("the reader closed stdout"),
        "{}",
        ran.stderr()
    );
    assert!(
        !site
            .read("cdrs/ledger.ndjson")
            .contains("\"event\":\"fetched\"")
    );
    let have = site.plan(FROM, TO, &["--have", "cdrs/ledger.ndjson"]);
    assert_eq!(have.lines().count(), 2, "both are still to be had");
    let data = site.sim.stats().requests["data"];
    let lines = site.fetch(&have).run().ends(0).records();
    assert_eq!(sorted(site.records(&lines)), site.truth(FROM, TO));
    assert!(
        data >= 1 && site.sim.stats().requests["data"] == 2,
        "kept pages are not downloaded again"
    );
}

#[test]
fn a_reader_that_dies_late_has_only_what_it_read_marked() {
    for (reader, reads) in [
        ("sleep 1; exit 1", 0),
        ("read -r a; read -r b; exit 1", 2),
        ("for i in 1 2 3 4 5; do read -r a; done; exit 1", 5),
    ] {
        let site = Site::new();
        let plan = site.plan(FROM, TO, &[]);
        let script = format!(
            "set +o pipefail; export-fetch --out-dir cdrs --rate 5/1s --poll 10ms --page-size 20 | ({reader}) || exit ${{PIPESTATUS[0]}}"
        );
        let ran = site.shell(&script).stdin(&plan).run().ends(1);
        assert!(
            ran.stderr().contains("the reader closed stdout early"),
            "{reader}: {}",
            ran.stderr()
        );
        let marked = site.read("cdrs/ledger.ndjson");
        let marked = marked.matches("\"event\":\"fetched\"").count();
        assert!(marked * 3 <= reads, "{reader}: {marked} of 3 lines each");
        let have = site.plan(FROM, TO, &["--have", "cdrs/ledger.ndjson"]);
        assert_eq!(have.lines().count(), 2 - marked, "{reader}");
    }
}
