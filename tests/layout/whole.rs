//! A ZIP is in files as a whole or not at all, and once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::slice::from_ref;
use std::thread;
use std::time::Duration;

use callpipe::os::digest;

use super::{files, filing, mixed, notes, partitions, record, report, statuses};
use crate::harness::{program, scratch, shell};
use crate::unzip::unzip;
use crate::zips::{Member, zip};

/// One file for each number, with `lines` lines in each.
fn zip_of(files: u64, lines: usize) -> Vec<u8> {
    let text = |n| {
        (0..files)
            .map(|hour| record("a", hour, n))
            .collect::<String>()
    };
    let members: Vec<_> = (0..lines).map(|n| Member::new("m.json", text(n))).collect();
    zip(&members)
}

/// Nothing is there but files whose names tell their contents.
fn is_clean(directory: &Path) {
    is_clean_but_for(directory, 0);
}

/// The same, with this number of files with notes of runs that failed.
fn is_clean_but_for(directory: &Path, noted: usize) {
    let notes = notes(directory);
    assert_eq!(notes.len(), noted, "{notes:?}");
    for (name, bytes) in files(directory) {
        let name = name.strip_suffix(".zst").unwrap_or(&name);
        let (_, hash) = name
            .strip_suffix(".ndjson")
            .unwrap()
            .rsplit_once('-')
            .unwrap();
        assert_eq!(hash, &digest::sha256(&bytes)[..16], "{name}");
    }
    let names = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut others = names.filter(|name| !notes.contains(name));
    assert!(others.all(|name| name.starts_with("message_type=")));
}

#[test]
fn unpacked_again_nothing_changes() {
    let dir = scratch();
    let zips = [("x.zip", mixed())];
    let first = filing(dir.path(), &zips)
        .variants([""; 0])
        .arg("x.zip")
        .run()
        .ends(0);
    assert!(statuses(&first).iter().all(|status| status == "written"));
    let before = files(&dir.path().join("D"));
    for flags in [
        &["x.zip"][..],
        &["x.zip", "--compress=zstd"],
        &["x.zip", "x.zip"],
    ] {
        let again = filing(dir.path(), &[])
            .args(flags)
            .arg("--report=report")
            .run()
            .ends(0);
        assert!(statuses(&again).iter().all(|status| status == "kept"));
        assert_eq!(report(dir.path())["files_written"], 0);
        assert!(files(&dir.path().join("D")) == before);
    }
    // A file that is lost comes back, and only that.
    let lost = before.keys().next().unwrap();
    fs::remove_file(dir.path().join("D").join(lost)).unwrap();
    filing(dir.path(), &[])
        .args(["x.zip", "--report=report"])
        .variants([""; 0])
        .run()
        .ends(0);
    assert_eq!(report(dir.path())["files_written"], 1);
    assert!(files(&dir.path().join("D")) == before);
    is_clean(&dir.path().join("D"));
}

#[test]
fn two_zips_of_one_name_both_stay() {
    let dir = scratch();
    for (name, number) in [("a", 1), ("b", 2)] {
        fs::create_dir(dir.path().join(name)).unwrap();
        let member = Member::new("m.json", record("a", 0, number));
        fs::write(dir.path().join(name).join("x.zip"), zip(&[member])).unwrap();
    }
    filing(dir.path(), &[])
        .args(["a/x.zip", "b/x.zip"])
        .run()
        .ends(0);
    assert_eq!(files(&dir.path().join("D")).len(), 2);
    let lines = partitions(&dir.path().join("D"))
        .into_values()
        .collect::<String>();
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn of_a_damaged_zip_nothing_is_in_files() {
    let dir = scratch();
    let good = Member::new("good.json", record("a", 1, 1));
    let large = (0..100_000)
        .map(|n| record("a", n % 9, 1))
        .collect::<String>();
    let mut cut = zip(from_ref(&good));
    cut.truncate(60);
    let bad = [
        (
            "crc.zip",
            zip(&[
                good.clone(),
                Member::new("m.json", record("a", 1, 2)).crc(1),
            ]),
        ),
        (
            "locked.zip",
            zip(&[Member::new("m.json", "{}").encrypted(), good.clone()]),
        ),
        (
            "late.zip",
            zip(&[good.clone(), Member::new("m.json", large).crc(1)]),
        ),
        ("cut.zip", cut),
    ];
    for (name, bytes) in &bad {
        let zips = [(*name, bytes.clone()), ("good.zip", zip(from_ref(&good)))];
        let ran = filing(dir.path(), &zips)
            .args([name, "good.zip", "--report=report"])
            .run();
        let said = format!(
            "unzip-jsonl: {name}:[..]\n\
             unzip-jsonl: {name}: damaged, so no files were written for it (good records left out: [..]): fetch it again, or read the good part with --member or without --layout\n\
             unzip-jsonl: 1 bad record, 0 allowed (--max-bad); --rejects FILE keeps them\n"
        );
        let ran = ran.check(65, "{[..]\"source\":\"good.zip\"}\n", &said);
        assert!(!ran.stderr().contains("were printed before"));
        assert_eq!(report(dir.path())["zips_withheld"], 1);
        assert_eq!(files(&dir.path().join("D")).len(), 1);
        is_clean_but_for(&dir.path().join("D"), 1);
        fs::remove_dir_all(dir.path().join("D")).unwrap();
    }
    filing(dir.path(), &[])
        .args(["crc.zip", "--member=good*"])
        .run()
        .ends(0);
    assert_eq!(files(&dir.path().join("D")).len(), 1);
}

#[test]
fn a_full_disk_leaves_nothing_and_the_next_run_all() {
    let dir = scratch();
    let zips = [("a.zip", zip_of(1, 1)), ("b.zip", zip_of(5, 2000))];
    for (name, bytes) in &zips {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let run = "unzip-jsonl a.zip b.zip --layout duckdb --out-dir D";
    for threads in ["--threads=1", "--threads=2"] {
        shell(&format!("trap '' XFSZ; ulimit -f 64; {run} {threads}"))
            .dir(dir.path())
            .run()
            .check(
                74,
                "{[..]\"source\":\"a.zip\"}\n",
                "unzip-jsonl: writing files in D: File too large (os error 27)\n",
            );
        assert_eq!(files(&dir.path().join("D")).len(), 1);
        is_clean_but_for(&dir.path().join("D"), 1);
    }
    filing(dir.path(), &[])
        .args(["a.zip", "b.zip", "-o/dev/full"])
        .variants([""; 0])
        .run()
        .ends(74);
    is_clean_but_for(&dir.path().join("D"), 1);
    shell(run).dir(dir.path()).run().ends(0);
    assert_eq!(files(&dir.path().join("D")).len(), 6);
    is_clean(&dir.path().join("D"));
}

#[test]
fn a_place_that_cannot_be_made_leaves_nothing_of_its_zip() {
    let dir = scratch();
    fs::create_dir_all(dir.path().join("D/message_type=a/date=2026-11-01")).unwrap();
    File::create(dir.path().join("D/message_type=a/date=2026-11-01/hour=03")).unwrap();
    let zips = [("x.zip", zip_of(5, 1))];
    filing(dir.path(), &zips).variants([""; 0]).args(["x.zip", "--threads=2"]).fails(
        74,
        "unzip-jsonl: creating D/message_type=a/date=2026-11-01/hour=03: File exists (os error 17)\n",
    );
    assert_eq!(files(&dir.path().join("D")).len(), 1);
}

#[test]
fn killed_at_any_moment_the_next_run_has_all_and_tidies_up() {
    let dir = scratch();
    let zips = [("a.zip", zip_of(60, 300)), ("b.zip", mixed())];
    filing(dir.path(), &zips)
        .args(["a.zip", "b.zip"])
        .variants([""; 0])
        .run()
        .ends(0);
    let expected = files(&dir.path().join("D"));
    let mut left_something = 0;
    for millis in [0, 5, 20, 40, 70, 110, 160, 250] {
        fs::remove_dir_all(dir.path().join("D")).unwrap();
        let args = ["a.zip", "b.zip", "--layout=duckdb", "--out-dir=D"];
        let mut child = program("unzip-jsonl").dir(dir.path()).args(args).spawn();
        thread::sleep(Duration::from_millis(millis));
        child.kill().unwrap();
        child.wait().unwrap();
        if let Ok(there) = fs::read_dir(dir.path().join("D")) {
            let mut names = there.map(|entry| entry.unwrap().file_name());
            left_something +=
                usize::from(names.any(|name| name.to_string_lossy().starts_with(".callpipe-")));
        }
        let ran = filing(dir.path(), &[])
            .args(["a.zip", "b.zip"])
            .variants([""; 0])
            .run()
            .ends(0);
        assert_eq!(ran.records().len(), expected.len());
        assert!(
            files(&dir.path().join("D")) == expected,
            "after {millis} ms"
        );
        is_clean(&dir.path().join("D"));
    }
    assert!(left_something > 0, "it was never killed in its work");
}

/// Most of the time files get their names; a signal waits for the last one.
#[test]
fn a_signal_never_parts_the_files_of_a_zip() {
    let dir = scratch();
    let names: Vec<_> = (0..20).map(|n| format!("{n}.zip")).collect();
    for (n, name) in names.iter().enumerate() {
        let text: String = (0..50).map(|hour| record("a", hour, n)).collect();
        fs::write(dir.path().join(name), zip(&[Member::new("m.json", text)])).unwrap();
    }
    let mut cut_short = 0;
    for (round, signal) in ["INT", "TERM"].into_iter().cycle().take(16).enumerate() {
        fs::create_dir(dir.path().join("D")).unwrap();
        let program = program("unzip-jsonl").dir(dir.path()).args(&names);
        let mut child = program.args(["--layout=duckdb", "--out-dir=D"]).spawn();
        // From the first file on: a start may take long on a busy machine.
        let has_begun = || {
            let names = fs::read_dir(dir.path().join("D")).unwrap();
            let mut names = names.map(|entry| entry.unwrap().file_name());
            names.any(|name| !name.to_string_lossy().starts_with('.'))
        };
        while child.try_wait().unwrap().is_none() && !has_begun() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(2 * round as u64));
        shell(&format!("kill -{signal} {} || true", child.id())).run();
        let status = child.wait().unwrap();
        cut_short += usize::from(!status.success());
        let mut zips: BTreeMap<String, usize> = BTreeMap::new();
        for name in files(&dir.path().join("D"))
            .into_keys()
            .filter(|name| name.ends_with(".ndjson"))
        {
            let (_, name) = name.rsplit_once('/').unwrap();
            *zips
                .entry(name.split('-').next().unwrap().to_owned())
                .or_default() += 1;
        }
        assert!(zips.values().all(|files| *files == 50), "{zips:?}");
        fs::remove_dir_all(dir.path().join("D")).unwrap();
    }
    assert!(cut_short > 3, "{cut_short} of 16 were cut short");
}

#[test]
fn two_runs_at_once_do_no_harm() {
    let dir = scratch();
    fs::write(dir.path().join("x.zip"), zip_of(60, 50)).unwrap();
    for _ in 0..5 {
        let run = |flags: [&str; 2]| {
            let args = ["x.zip", "--layout=duckdb", "--out-dir=D"];
            program("unzip-jsonl")
                .dir(dir.path())
                .args(args)
                .args(flags)
                .spawn()
        };
        let runs = [
            run(["-q", "-q"]),
            run(["--compress=zstd", "-q"]),
            run(["--threads=2", "-q"]),
        ];
        let mut written = 0;
        for run in runs {
            let output = run.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let lines = String::from_utf8(output.stdout).unwrap();
            assert_eq!(lines.lines().count(), 60);
            written += lines.matches("\"written\"").count();
        }
        assert_eq!(written, 60);
        assert_eq!(files(&dir.path().join("D")).len(), 60);
        is_clean(&dir.path().join("D"));
        fs::remove_dir_all(dir.path().join("D")).unwrap();
    }
}

#[test]
fn files_get_their_names_while_no_other_run_names_any() {
    let dir = scratch();
    fs::create_dir(dir.path().join("D")).unwrap();
    fs::write(dir.path().join("x.zip"), zip_of(3, 3)).unwrap();
    let other = File::open(dir.path().join("D")).unwrap();
    other.lock().unwrap();
    let args = ["x.zip", "--layout=duckdb", "--out-dir=D"];
    let mut run = program("unzip-jsonl").dir(dir.path()).args(args).spawn();
    thread::sleep(Duration::from_millis(500));
    let named = |name: &String| name.ends_with(".ndjson");
    assert!(run.try_wait().unwrap().is_none());
    assert!(!files(&dir.path().join("D")).keys().any(named));
    drop(other);
    assert!(run.wait().unwrap().success());
    assert_eq!(files(&dir.path().join("D")).len(), 3);
}

#[test]
fn a_name_that_cannot_be_given_takes_the_others_of_its_zip_back() {
    let dir = scratch();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(
        device(elsewhere.path()),
        device(dir.path()),
        "one file system"
    );
    let day = dir.path().join("D/message_type=a/date=2026-11-01");
    fs::create_dir_all(&day).unwrap();
    symlink(elsewhere.path(), day.join("hour=03")).unwrap();
    let zips = [("x.zip", zip_of(5, 1))];
    filing(dir.path(), &zips).variants([""; 0]).arg("x.zip").fails(
        74,
        "unzip-jsonl: writing D/message_type=a/date=2026-11-01/hour=03/x-[..].ndjson: [..] (os error 18)\n",
    );
    assert!(files(&dir.path().join("D")).is_empty());
}

#[test]
fn a_reader_that_leaves_is_no_quiet_end() {
    let dir = scratch();
    fs::write(dir.path().join("x.zip"), zip_of(3, 3)).unwrap();
    for threads in ["--threads=1", "--threads=2"] {
        let args = ["x.zip", "x.zip", "--layout=duckdb", "--out-dir=D", threads];
        let ran = program("unzip-jsonl")
            .dir(dir.path())
            .args(args)
            .with(|command| {
                let (_, writer) = std::io::pipe().unwrap();
                command.stdout(writer);
            });
        ran.check(
            1,
            "",
            "unzip-jsonl: the reader closed stdout: run the same command again to write all ZIPs \
             to files\n",
        );
        is_clean_but_for(&dir.path().join("D"), 1);
    }
}

#[test]
fn stdout_is_as_before_without_the_flags() {
    let dir = scratch();
    unzip(dir.path(), &[("x.zip", zip_of(2, 1))])
        .args(["x.zip", "--report=report"])
        .prints(&(record("a", 0, 0) + &record("a", 1, 0)));
    assert!(report(dir.path()).get("files_written").is_none());
}
