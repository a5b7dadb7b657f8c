//! The output of records, the messages and the report of a run, and its end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CALLS, filter};
use crate::harness::{bin_dir, program, scratch, shell};

#[test]
fn an_output_file_is_complete_or_absent() {
    let dir = scratch();
    let out = dir.path().join("out.ndjson");
    let run = |max_bad: &str, file: &str| {
        filter(["-q", "--max-bad", max_bad, "-o", out.to_str().unwrap(), "."])
            .args(["-", file])
            .stdin("{\"a\":1}\nbad\n{\"a\":2}\n")
            .run()
    };
    run("1", "/none").ends(74);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // With too many bad records, too, all the good ones are in it.
    for (max_bad, status) in [("0", 65), ("1", 0)] {
        run(max_bad, "/dev/null").ends(status);
        assert_eq!(fs::read_to_string(&out).unwrap(), "{\"a\":1}\n{\"a\":2}\n");
        fs::remove_file(&out).unwrap();
    }
}

#[test]
fn exit_status_says_whether_anything_was_kept() {
    filter(["-e", ".id == \"2\""]).stdin(CALLS).run().ends(0);
    filter(["-e", ".id == \"3\""]).stdin(CALLS).fails(1, "");
    filter(["-e", "."]).fails(1, "");
}

#[test]
fn an_input_that_cannot_be_read_does_not_hide_the_others() {
    let dir = scratch();
    fs::write(dir.path().join("a"), "{\"a\":1}").unwrap();
    fs::write(dir.path().join("b"), "{\"a\":2}\n").unwrap();
    filter([".", "a", "none", ".", "-", "b"])
        .dir(dir.path())
        .stdin("{\"a\":0}\n")
        .run()
        .check(
            74,
            "{\"a\":1}\n{\"a\":0}\n{\"a\":2}\n",
            "cdr-filter: none: No such file or directory (os error 2)\n\
         cdr-filter: .: Is a directory (os error 21)\n\
         cdr-filter: 2 inputs could not be read\n",
        );
    filter(["-o", "out", ".", "a", "none"])
        .dir(dir.path())
        .run()
        .ends(74);
    assert!(!dir.path().join("out").exists());
}

#[test]
fn the_report_counts() {
    let dir = scratch();
    let report = dir.path().join("report.json");
    filter([
        "-q",
        "--max-bad",
        "1",
        "--report",
        report.to_str().unwrap(),
        "--to",
        "2026-11-02",
    ])
    .stdin(format!("{CALLS}\nbad\n"))
    .run()
    .ends(0);
    let seen: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    for (fact, value) in [
        ("lines", json!(6)),
        ("records", json!(5)),
        ("kept", json!(2)),
        ("rejected", json!(1)),
        ("without_time", json!(1)),
        ("bytes_in", json!(CALLS.len() + 5)),
        (
            "bytes_out",
            json!(CALLS.lines().take(2).map(|l| l.len() + 1).sum::<usize>()),
        ),
        ("first_time", json!("2026-11-01T00:00:00Z")),
        ("last_time", json!("2026-11-01T00:00:00Z")),
        ("status", json!(0)),
    ] {
        assert_eq!(seen[fact], value, "{fact}");
    }
}

#[test]
fn a_live_stream_stays_live() {
    for threads in ["1", "2", "4"] {
        let mut child = Command::new(bin_dir().join("cdr-filter"))
            .args(["--threads", threads, ".a > 1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, seen) = mpsc::channel();
        thread::spawn(move || {
            output
                .lines()
                .try_for_each(|line| sender.send(line.unwrap()))
        });
        for n in 2..5 {
            write!(input, "{{\"a\":1}}\n{{\"a\":{n}}}\n{{\"half").unwrap();
            let line = seen.recv_timeout(Duration::from_secs(20));
            assert_eq!(line, Ok(format!("{{\"a\":{n}}}")), "{threads} threads");
            writeln!(input, "\":0}}").unwrap();
        }
        drop(input);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let dir = scratch();
    fs::write(dir.path().join("many"), "{\"a\":1}\n".repeat(100_000)).unwrap();
    for flag in ["--threads=1", "--threads=4", "--unbuffered"] {
        shell(&format!("cdr-filter {flag} .a many | head -1"))
            .dir(dir.path())
            .prints("{\"a\":1}\n");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let dir = scratch();
    let input = dir.path().join("one");
    fs::write(&input, "{\"a\":1}\n").unwrap();
    for threads in ["1", "4"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        program("cdr-filter")
            .args(["--threads", threads, "."])
            .arg(&input)
            .with(|command| {
                command.stdout(full);
            })
            .check(
                74,
                "",
                "cdr-filter: writing the records: stdout: No space left on device (os error 28)\n",
            );
    }
}

#[test]
fn help_begins_with_examples_and_lists_the_statuses() {
    let help = filter(["--help"]).run().ends(0).stdout();
    assert!(help.starts_with("Examples:\n"), "{help}");
    assert!(help.contains("--ocp-group <GROUP>") && help.contains("Exit status:"));
}
