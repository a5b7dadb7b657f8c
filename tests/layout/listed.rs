//! Who loads only the files with the status `written`, of runs that succeed, loads every record.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{files, filing, notes, record, statuses};
use crate::every_step::strace;
use crate::harness::{Ran, program, scratch, shell};
use crate::zips::{Member, zip};

/// A ZIP with a file for each of so many hours.
fn zip_of(hours: u64, number: usize) -> Vec<u8> {
    let lines: String = (0..hours).map(|hour| record("a", hour, number)).collect();
    zip(&[Member::new("m.json", lines)])
}

/// Loads what a run has listed as written, as docs/lake.md says: by name, whatever was loaded before.
fn load(dir: &Path, ran: &Ran, loaded: &mut BTreeMap<String, Vec<u8>>) {
    for line in ran.records() {
        if line["status"] == "written" {
            let path = line["path"].as_str().unwrap();
            let name = path.strip_prefix("D/").unwrap();
            loaded.insert(name.to_owned(), fs::read(dir.join(path)).unwrap());
        }
    }
}

const RUN: &str = "unzip-jsonl a.zip b.zip --layout duckdb --out-dir D";

#[test]
fn killed_between_the_files_of_a_zip_all_are_listed_as_written() {
    if strace::refusal().is_some() {
        return;
    }
    let dir = scratch();
    for (name, number) in [("a.zip", 1), ("b.zip", 2)] {
        fs::write(dir.path().join(name), zip_of(3, number)).unwrap();
    }
    let mut amid = 0;
    for call in ["rename", "unlink", "unlinkat", "fdatasync"] {
        for at in 1.. {
            let _ = fs::remove_dir_all(dir.path().join("D"));
            let killed = shell(&format!(
                "strace -f -qq -o /dev/null -e trace={call} -e inject={call}:signal=KILL:when={at} {RUN}"
            ));
            let killed = killed.dir(dir.path()).run();
            let is_killed = killed.status() != 0;
            let mut loaded = BTreeMap::new();
            if !is_killed {
                load(dir.path(), &killed, &mut loaded);
            }
            let there = files(&dir.path().join("D")).len();
            amid += u32::from(!there.is_multiple_of(3));
            let next = shell(RUN).dir(dir.path()).run().ends(0);
            load(dir.path(), &next, &mut loaded);
            let truth = files(&dir.path().join("D"));
            assert_eq!(truth.len(), 6);
            assert!(loaded == truth, "{call} {at}: {}", next.stdout());
            assert_eq!(notes(&dir.path().join("D")).len(), 0, "{call} {at}");
            let last = shell(RUN).dir(dir.path()).run().ends(0);
            assert_eq!(statuses(&last), ["kept"; 6]);
            if !is_killed {
                break;
            }
        }
    }
    assert!(amid >= 4, "killed {amid} times amid a ZIP");
}

#[test]
fn a_run_that_fails_has_listed_nothing_for_good() {
    let dir = scratch();
    let damaged = zip(&[Member::new("m.json", record("a", 9, 9)).crc(1)]);
    let zips = [("a.zip", zip_of(2, 1)), ("bad.zip", damaged)];
    let run = |zips: &[(&str, Vec<u8>)], args: &[&str]| {
        // The files of variants are read, and one of these has no end.
        filing(dir.path(), zips).variants([""; 0]).args(args).run()
    };
    let written = ["written"; 2];
    let first = run(&zips, &["a.zip", "bad.zip"]).ends(65);
    assert_eq!(statuses(&first), written);
    // A list that nobody can see.
    run(&[], &["a.zip", "-o", "/dev/full"]).ends(74);
    // Other members of the ZIP do not make it listed as a whole.
    let other = run(&[], &["a.zip", "--member", "none"]).ends(0);
    assert_eq!(other.stdout(), "");
    assert_eq!(notes(&dir.path().join("D")).len(), 1);
    let second = run(&[], &["a.zip"]).ends(0);
    assert_eq!(statuses(&second), written);
    assert_eq!(statuses(&run(&[], &["a.zip"]).ends(0)), ["kept"; 2]);
    assert!(notes(&dir.path().join("D")).is_empty());
}

/// It will list them itself.
#[test]
fn files_of_a_run_that_lives_are_kept() {
    let dir = scratch();
    for (name, number) in [("a.zip", 1), ("b.zip", 2)] {
        fs::write(dir.path().join(name), zip_of(3, number)).unwrap();
    }
    // Not in variants: they would read the pipe.
    let run = || {
        let program = filing(dir.path(), &[]).variants([""; 0]);
        program.arg("a.zip").run()
    };
    // It waits for the second ZIP.
    shell("mkfifo slow").dir(dir.path()).run().ends(0);
    let args = ["a.zip", "slow", "--layout=duckdb", "--out-dir=D"];
    let mut slow = program("unzip-jsonl").dir(dir.path()).args(args).spawn();
    let last = dir.path().join("D/message_type=a/date=2026-11-01/hour=02");
    while !last.is_dir() || fs::read_dir(&last).unwrap().count() == 0 {
        assert!(slow.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let other = run().ends(0);
    assert_eq!(statuses(&other), ["kept"; 3]);
    slow.kill().unwrap();
    slow.wait().unwrap();
    let next = run().ends(0);
    assert_eq!(statuses(&next), ["written"; 3]);
}
