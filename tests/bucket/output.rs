//! `-o s3://BUCKET/KEY`: the object that a file would be, complete or absent.

use std::fs;

use chrono::TimeDelta;

use crate::bucket::running::{comes_to_it, is_killed, reading};
use crate::bucket::service::{Bucket, Fault, SECRET};
use crate::harness::{Program, program, scratch};
use crate::voicegain::site::Site;

const OUTPUT: [&str; 2] = ["-o", "s3://bucket/out/x"];

fn filter(bucket: &Bucket, records: &str) -> Program {
    program("cdr-filter")
        .envs(bucket.env())
        .arg(".n < 3")
        .args(OUTPUT)
        .stdin(records)
}

fn records(count: usize) -> String {
    (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

#[test]
fn every_program_writes_what_it_writes_to_a_file() {
    let bucket = Bucket::start();
    let dir = scratch();
    let runs: [(&str, &[&str], &str); 4] = [
        ("cdr-filter", &[".n < 3"], "{\"n\":1}\n{\"n\":3}\n"),
        (
            "export-plan",
            &[
                "windows",
                "--group=g",
                "--type=t",
                "--from=2026-11-01",
                "--to=2026-11-08",
            ],
            "",
        ),
        ("ocp-metrics", &["catalogue"], ""),
        (
            "dialpad-window",
            &[
                "--plan",
                "--base-url=http://127.0.0.1:1",
                "--from=2026-11-01",
                "--to=2026-11-08",
            ],
            "",
        ),
    ];
    for (name, args, stdin) in runs {
        let run = |output: &str, report: &str| {
            let run = program(name).dir(dir.path()).envs(bucket.env());
            let run = run.env("TMPDIR", dir.path()).args(args).stdin(stdin);
            run.args(["-o", output, "--report", report]).run().ends(0)
        };
        run("file", "/dev/null");
        let ran = run(OUTPUT[1], "-");
        assert_eq!(ran.lines().len(), 1, "{}", ran.stdout());
        let file = fs::read_to_string(dir.path().join("file")).unwrap();
        assert!(!file.is_empty(), "{name}");
        assert_eq!(bucket.read("out/x").unwrap(), file, "{name}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{name}");
    }
    // One without records is there, too, as a file is.
    filter(&bucket, "").run().ends(0);
    assert_eq!(bucket.read("out/x").unwrap(), "");
}

#[test]
fn what_fails_leaves_what_was_there() {
    let bucket = Bucket::start();
    filter(&bucket, &records(1)).run().ends(0);
    let first = bucket.read("out/x").unwrap();
    // It is not uploaded, or not let in.
    bucket.faults(|_, request| {
        (request.method == "PUT").then_some(Fault::Refused(403, "AccessDenied"))
    });
    let refused = filter(&bucket, &records(2)).run().ends(77);
    assert!(
        refused.stderr().contains("PUT s3://bucket/out/x"),
        "{}",
        refused.stderr()
    );
    assert!(!refused.stderr().contains(SECRET));
    bucket.faults(|_, _| None);
    bucket.accept(&[]);
    filter(&bucket, &records(2)).run().ends(77);
    program("cdr-filter")
        .arg(".")
        .args(OUTPUT)
        .stdin("")
        .run()
        .ends(2);
    assert_eq!(bucket.read("out/x").unwrap(), first);
}

#[test]
pub fn a_long_one_is_uploaded_in_parts_and_leftovers_of_it_are_aborted() {
    let bucket = Bucket::start();
    let pad = "p".repeat(1 << 20);
    let long: String = (0..18)
        .map(|_| format!("{{\"n\":1,\"pad\":\"{pad}\"}}\n"))
        .collect();
    bucket.faults(|_, request| {
        let is_part = request.query("partNumber").as_deref() == Some("2");
        is_part.then_some(Fault::Refused(403, "AccessDenied"))
    });
    filter(&bucket, &long).run().ends(77);
    assert!(bucket.keys().is_empty() && bucket.uploads().is_empty());
    bucket.faults(|_, _| None);
    for key in ["out/x", "out/xy", "out/x"] {
        bucket.begin_upload(key);
    }
    filter(&bucket, &long).run().ends(0);
    assert!(bucket.read("out/x").unwrap() == long);
    assert_eq!(bucket.uploads(), ["out/xy"]);
}

#[test]
pub fn killed_before_each_request_the_state_never_knows_more_than_the_object_has() {
    let state = ["--state", "s3://bucket/state"];
    for at in 1.. {
        let (mut site, bucket) = (Site::new(), Bucket::start());
        site.patience = "20s";
        let run = || site.export(&state).envs(bucket.env()).args(OUTPUT);
        bucket.faults(move |number, _| (number == at).then_some(Fault::Killed));
        let is_killed = is_killed(&bucket, &mut run().spawn());
        bucket.faults(|_, _| None);
        let before = bucket.read("out/x").unwrap_or_default();
        bucket.pass(TimeDelta::minutes(3));
        run().run().ends(0);
        let after = bucket.read("out/x").unwrap();
        let truth: String = site
            .calls()
            .truth()
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        // Complete before, and then nothing is new; or complete now.
        let is_noted = before == truth && after.is_empty();
        assert!(
            is_noted || after == truth && (before.is_empty() || before == truth),
            "{at}"
        );
        if !is_killed {
            assert!(is_noted && at > 8, "{at}");
            break;
        }
    }
}

#[test]
fn what_cannot_be_whole_is_refused() {
    let bucket = Bucket::start();
    let refused = |program: Program, said: &str| {
        let ran = program.envs(bucket.env()).run().ends(2);
        assert!(ran.stderr().contains(said), "{}", ran.stderr());
    };
    refused(
        program("ocp-token").args(["--region", "us1"]).args(OUTPUT),
        "a token is a secret",
    );
    let site = Site::new();
    let twice = site.export(&["--state", OUTPUT[1]]).args(OUTPUT);
    refused(twice, "name the same file");
    assert!(bucket.keys().is_empty());
}

/// A worker that was frozen, and the try that came after it.
#[test]
pub fn one_that_was_suspended_at_any_request_replaces_nothing_of_a_later_run() {
    let pad = "p".repeat(1 << 20);
    let long: String = (0..18)
        .map(|_| format!("{{\"n\":1,\"pad\":\"{pad}\"}}\n"))
        .collect();
    for first in [None, Some("earlier\n")] {
        for slow in [&records(3), &long] {
            for at in 1.. {
                let bucket = Bucket::start();
                if let Some(text) = first {
                    bucket.write("out/x", text);
                }
                bucket.faults(move |number, _| (number == at).then_some(Fault::Held));
                let mut sleeper = filter(&bucket, slow).spawn();
                let said = reading(sleeper.stderr.take().unwrap());
                if !comes_to_it(&bucket, &mut sleeper) {
                    assert!(at > 3, "{at}");
                    break;
                }
                // First it lists uploads, then it asks for the version.
                let has_version = at > 2;
                bucket.faults(|_, _| None);
                filter(&bucket, &records(1)).run().ends(0);
                let later = bucket.read("out/x").unwrap();
                bucket.release();
                let status = sleeper.wait().unwrap().code();
                let said = said.join().unwrap();
                let now = bucket.read("out/x").unwrap();
                if has_version {
                    assert_eq!(status, Some(75), "{at}: {said}");
                    assert!(
                        said.contains("s3://bucket/out/x: another run has"),
                        "{said}"
                    );
                    assert_eq!(now, later, "{at}");
                } else {
                    // It had not begun: it came after the other.
                    assert_eq!(status, Some(0), "{at}: {said}");
                }
                assert!(bucket.uploads().is_empty(), "{at}");
            }
        }
    }
}
