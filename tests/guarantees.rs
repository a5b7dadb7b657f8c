//! docs/guarantees.md names only tests that exist, and tests that fail when the promise
//! is broken on purpose: system calls of the programs lie, or the programs are told to do
//! otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::every_step::strace;
use crate::harness::{BROKEN_PROGRAMS, built, program, scratch};

const PAGE: &str = include_str!("../docs/guarantees.md");

/// What may go wrong between the service that pushes and the lake: r01 to r28.
#[test]
fn every_hazard_of_the_stream_has_a_test_of_its_name() {
    let mut named = BTreeSet::new();
    let mut left: Vec<PathBuf> = ["lib/receive", "tests/receive", "tests/subscribe"]
        .map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .into();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        for line in fs::read_to_string(path).unwrap().lines() {
            let (_, name) = line.split_once("fn ").unwrap_or_default();
            named.extend(name.split('_').map_while(|word| {
                let number = word.strip_prefix('r')?;
                number.parse::<u32>().ok().filter(|_| number.len() == 2)
            }));
        }
    }
    assert_eq!(named, (1..=28).collect());
}

#[test]
fn every_test_that_is_named_exists() {
    let this = std::env::current_exe().unwrap();
    let list = program(this.to_str().unwrap()).arg("--list").run().ends(0);
    let tests: BTreeSet<String> = list
        .lines()
        .iter()
        .filter_map(|line| line.strip_suffix(": test").map(str::to_owned))
        .collect();
    let quoted = PAGE.split('`').skip(1).step_by(2);
    let named: Vec<&str> = quoted
        .filter(|text| text.contains("::") && !text.contains(' '))
        .collect();
    assert!(named.len() > 60, "{}", named.len());
    for name in named {
        assert!(tests.contains(name), "docs/guarantees.md names {name}");
    }
}

/// Words for strace that break the calls of a program: for tests that trace it themselves.
pub const LIES: &str = "CALLPIPE_BROKEN_CALLS";

/// How many rows of the page are broken in `make test`; `make crash` breaks all.
const SAMPLE: usize = 3;

/// A test, and what breaks it.
struct Break<'a> {
    test: &'a str,
    lie: &'a str,
}

/// The ways in which the programs are broken.
enum Lie<'a> {
    /// Calls that lie, as strace spells it.
    Calls(&'a str),
    /// `PROGRAM … ARGUMENTS` or `PROGRAM COMMAND … ARGUMENTS`: these arguments come last, so that
    /// they replace those of the test.
    Arguments {
        program: &'a str,
        command: Option<&'a str>,
        more: &'a str,
    },
    /// The environment of each program, with all secrets, is on stderr.
    ShowsEnvironment,
}

fn breaks() -> Vec<Break<'static>> {
    let (_, section) = PAGE.split_once("\n## Broken on purpose\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &'static str| {
        let mut quoted = line.split('`').skip(1).step_by(2);
        let mut next = || quoted.next().unwrap_or_else(|| panic!("{line}"));
        Break {
            test: next(),
            lie: next(),
        }
    };
    rows.map(row).collect()
}

impl<'a> Lie<'a> {
    fn parse(words: &'a str) -> Lie<'a> {
        match words.split_once(" … ") {
            None if words == "env >&2" => Lie::ShowsEnvironment,
            None => Lie::Calls(words),
            Some((call, more)) => {
                let mut call = call.split(' ');
                Lie::Arguments {
                    program: call.next().unwrap(),
                    command: call.next(),
                    more,
                }
            }
        }
    }

    /// The arguments of strace.
    fn injections(&self) -> String {
        let Lie::Calls(calls) = self else {
            return String::new();
        };
        let inject = |part: &str| format!("-e inject={part}");
        let all: Vec<String> = calls.split(' ').map(inject).collect();
        all.join(" ")
    }

    /// The script that stands for the program `real`.
    fn script(&self, name: &str, real: &Path) -> String {
        let real = real.display();
        let honest = format!("exec {real} \"$@\"");
        match self {
            Lie::Calls(calls) => {
                let names = calls.split(' ').map(|part| part.split(':').next().unwrap());
                let names: Vec<&str> = names.collect();
                format!(
                    "exec strace -D -f --seccomp-bpf -qq -o /dev/null -e trace={} {} {real} \"$@\"",
                    names.join(","),
                    self.injections()
                )
            }
            Lie::Arguments { program, .. } if *program != name => honest,
            Lie::Arguments { command, more, .. } => match command {
                None => format!("{honest} {more}"),
                Some(command) => format!("[ \"$1\" != {command} ] || {honest} {more}\n{honest}"),
            },
            Lie::ShowsEnvironment => format!("env >&2\n{honest}"),
        }
    }
}

impl Break<'_> {
    /// A directory with each program, all of them broken.
    fn programs(&self) -> TempDir {
        let directory = scratch();
        for name in crate::cli::PROGRAMS {
            let path = directory.path().join(name);
            let script = Lie::parse(self.lie).script(name, &built().join(name));
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        directory
    }

    /// What its test ends with: 0, or 101 if it fails.
    fn run(&self) -> i32 {
        let programs = self.programs();
        let this = std::env::current_exe().unwrap();
        let ran = program("timeout")
            .args(["120", this.to_str().unwrap(), "--exact", self.test])
            .env(BROKEN_PROGRAMS, programs.path())
            .env(LIES, Lie::parse(self.lie).injections())
            .run();
        let said = ran.stdout();
        assert!(said.contains("running 1 test"), "{}: {said}", self.test);
        // An argument that the program does not know would fail any test.
        let is_known =
            !ran.stderr().contains("unexpected argument") && !said.contains("unexpected argument");
        assert!(is_known, "{} with {}: {said}", self.test, self.lie);
        ran.status()
    }
}

#[test]
fn a_promise_that_is_broken_on_purpose_fails_its_test() {
    let is_all = std::env::var("CALLPIPE_CRASH").is_ok_and(|wanted| wanted == "all");
    if let Some(why) = strace::refusal() {
        assert!(!is_all, "nothing can be traced here: {why}");
        return;
    }
    let breaks = breaks();
    assert!(breaks.len() > 10, "{}", breaks.len());
    let stride = if is_all { 1 } else { breaks.len() / SAMPLE };
    let mut passed = Vec::new();
    for broken in breaks.iter().step_by(stride) {
        let status = broken.run();
        if status != 101 {
            passed.push(format!("{status}: {} with {}", broken.test, broken.lie));
        }
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

/// Else a test could fail for being traced, and not for what is broken.
#[test]
fn a_call_that_nobody_counts_on_may_be_broken() {
    if strace::refusal().is_some() {
        return;
    }
    let breaks = breaks();
    let is_all = std::env::var("CALLPIPE_CRASH").is_ok_and(|wanted| wanted == "all");
    let tests: BTreeSet<&str> = breaks.iter().map(|broken| broken.test).collect();
    let count = if is_all { tests.len() } else { 1 };
    for test in tests.into_iter().take(count) {
        let lie = "sched_yield:retval=0";
        // Some of them kill at moments of the clock, which come late in a crowd.
        let passes = (0..3).any(|_| Break { test, lie }.run() == 0);
        assert!(passes, "{test}");
    }
}
