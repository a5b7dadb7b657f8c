//! The ledger says that lines arrived when they did, and never before.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{Program, program, shell};
use crate::site::{Site, sorted};

const FROM: &str = "2026-11-10T00:00:00Z";
const TO: &str = "2026-11-14T00:00:00Z";

fn fetch_list(site: &Site, list: &str) -> Program {
    let have = site.plan(FROM, TO, &["--have", "cdrs/ledger.ndjson"]);
    site.fetch(&have).args(["-o", list])
}

/// The records of all lists in the directory `lists`.
fn records(site: &Site) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(site.path("lists")).unwrap() {
        let path = entry.unwrap().path();
        assert!(
            path.extension().is_some_and(|kind| kind == "ndjson"),
            "{path:?}"
        );
        let text = fs::read_to_string(path).unwrap();
        lines.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
    }
    site.records(&lines)
}

fn temp_of(ledger: &str) -> String {
    let line = ledger
        .lines()
        .find(|line| line.contains("\"delivering\""))
        .unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    event["temp"].as_str().unwrap().to_owned()
}

/// A site whose run was killed when the ledger had `notes` lines from `delivering` on.
fn killed(notes: usize, is_renamed: bool) -> Site {
    let site = Site::new();
    fs::create_dir(site.path("lists")).unwrap();
    fetch_list(&site, "lists/a.ndjson").prints("");
    let ledger = site.read("cdrs/ledger.ndjson");
    let first = ledger
        .lines()
        .position(|line| line.contains("\"delivering\""))
        .unwrap();
    let kept: Vec<&str> = ledger.split_inclusive('\n').take(first + notes).collect();
    fs::write(site.path("cdrs/ledger.ndjson"), kept.concat()).unwrap();
    if !is_renamed {
        fs::rename(site.path("lists/a.ndjson"), temp_of(&ledger)).unwrap();
    }
    site
}

#[test]
fn killed_around_the_rename_no_record_is_lost_or_doubled() {
    for (notes, is_renamed) in [(0, false), (1, false), (1, true), (2, true), (3, true)] {
        let site = killed(notes, is_renamed);
        fetch_list(&site, "lists/b.ndjson").run().ends(0);
        assert_eq!(
            sorted(records(&site)),
            site.truth(FROM, TO),
            "{notes} {is_renamed}"
        );
        assert_eq!(site.path("lists/b.ndjson").exists(), !is_renamed);
        let again = site.plan(FROM, TO, &["--have", "cdrs/ledger.ndjson"]);
        assert_eq!(again, "", "{notes} {is_renamed}");
        assert_eq!(site.sim.stats().creates_accepted, 2);
    }
}

#[test]
fn a_list_that_was_taken_away_after_a_kill_was_delivered() {
    let site = killed(1, true);
    fs::rename(site.path("lists/a.ndjson"), site.path("taken.ndjson")).unwrap();
    let have = ["--have", "cdrs/ledger.ndjson"];
    assert_eq!(
        site.plan(FROM, TO, &have),
        "",
        "before export-fetch has noted it"
    );
    fetch_list(&site, "lists/b.ndjson").run().ends(0);
    assert_eq!(records(&site).len(), 0);
    assert_eq!(site.plan(FROM, TO, &have), "");
}

#[test]
fn a_list_that_did_not_get_its_name_stays_undelivered_when_it_is_removed() {
    let site = killed(1, false);
    // This run has no -o: it removes the unfinished list and says so first.
    site.fetch("").prints("");
    assert!(!Path::new(&temp_of(&site.read("cdrs/ledger.ndjson"))).exists());
    let have = ["--have", "cdrs/ledger.ndjson"];
    assert_eq!(site.plan(FROM, TO, &have).lines().count(), 2);
}

#[test]
fn other_programs_leave_an_unfinished_list_alone() {
    let site = killed(1, false);
    program("unzip-jsonl")
        .dir(site.dir.path())
        .args(["-o", "lists/other.ndjson"])
        .stdin("")
        .run()
        .ends(0);
    assert!(Path::new(&temp_of(&site.read("cdrs/ledger.ndjson"))).exists());
}

/// Runs the rest of the command line with a limit on the size of files, in bytes.
const LIMITED: &str = "import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execvp(sys.argv[2], sys.argv[2:])";

#[test]
fn a_disk_that_is_full_after_the_rename_doubles_nothing() {
    let site = |limit: usize| {
        let site = Site::new();
        fs::create_dir(site.path("lists")).unwrap();
        site.fetch("").prints("");
        // The ledger is the largest file.
        let mut ledger = site.read("cdrs/ledger.ndjson");
        let old =
            r#"{"event":"requesting","export_id":"x","page_number":1,"at":"2026-01-01T00:00:00Z"}"#;
        ledger += &format!("{old}\n").repeat(2000);
        fs::write(site.path("cdrs/ledger.ndjson"), ledger).unwrap();
        let plan = site.plan(FROM, TO, &["--have", "cdrs/ledger.ndjson"]);
        let ran = program("python3")
            .dir(site.dir.path())
            .envs(site.env())
            .args([
                "-c",
                LIMITED,
                &limit.to_string(),
                "export-fetch",
                "--out-dir",
                "cdrs",
            ])
            .args(["--rate", "5/1s", "--poll", "1s", "-o", "lists/a.ndjson"])
            .stdin(plan)
            .run();
        (site, ran)
    };
    let (whole, ran) = site(1 << 30);
    ran.ends(0);
    let ledger = whole.read("cdrs/ledger.ndjson");
    let (fetched, renamed) = (
        ledger.find("{\"event\":\"fetched\""),
        ledger.find("{\"event\":\"delivering\""),
    );
    let (site, ran) = site(fetched.unwrap() + 20);
    let ran = ran.ends(74);
    assert!(ran.stderr().contains("File too large"), "{}", ran.stderr());
    let ledger = site.read("cdrs/ledger.ndjson");
    assert!(renamed.is_some() && ledger.contains("delivering") && !ledger.contains("fetched"));
    assert!(site.path("lists/a.ndjson").exists());
    fetch_list(&site, "lists/b.ndjson").run().ends(0);
    assert_eq!(sorted(records(&site)), site.truth(FROM, TO));
}

#[test]
fn the_whole_job_killed_when_the_list_gets_its_name_doubles_nothing() {
    for delay in [0, 0, 1, 2] {
        let site = Site::new();
        fs::create_dir(site.path("lists")).unwrap();
        let plan = site.plan(FROM, TO, &[]);
        fs::write(site.path("plan"), plan).unwrap();
        let job = "export-fetch --out-dir cdrs --rate 5/1s --poll 10ms -o lists/a.ndjson < plan";
        let mut child = program("setsid")
            .dir(site.dir.path())
            .envs(site.env())
            .args(["bash", "-c", &format!("{job}; true")])
            .spawn();
        let begun = Instant::now();
        while !site.path("lists/a.ndjson").exists() && begun.elapsed().as_secs() < 30 {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(delay));
        shell(&format!("kill -9 -- -{}", child.id())).run();
        child.wait().unwrap();
        // The killed process may hold its lock for a moment.
        let mut rerun = (0..100).map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            fetch_list(&site, "lists/b.ndjson").run()
        });
        let ran = rerun.find(|ran| ran.status() != 75);
        ran.unwrap().ends(0);
        assert_eq!(sorted(records(&site)), site.truth(FROM, TO));
    }
}

#[test]
fn an_idle_run_leaves_no_file_and_empties_one_that_is_there() {
    let site = Site::new();
    site.fetch("").args(["-o", "lines"]).prints("");
    assert!(!site.path("lines").exists());
    fs::write(site.path("lines"), "old\n").unwrap();
    site.fetch("").args(["-o", "lines"]).prints("");
    assert_eq!(site.read("lines"), "");
}

#[test]
fn what_nobody_read_is_not_marked() {
    for (loader, most) in [("sleep 1; exit 1", 0), ("read a; read b; exit 1", 2)] {
        let site = Site::new();
        let plan = site.plan(FROM, "2026-11-18T00:00:00Z", &[]);
        let script = format!("export-fetch --out-dir cdrs --rate 5/1s --poll 10ms | ({loader})");
        site.shell(&script).stdin(&plan).run().ends(1);
        let marked = site
            .read("cdrs/ledger.ndjson")
            .matches("\"event\":\"fetched\"")
            .count();
        assert!(marked <= most, "{loader}: {marked}");
        let have = site.plan(
            FROM,
            "2026-11-18T00:00:00Z",
            &["--have", "cdrs/ledger.ndjson"],
        );
        assert_eq!(have.lines().count(), 4 - marked, "{loader}");
    }
}
