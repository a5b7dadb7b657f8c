//! The steps of a user, the faults in them, and the checks afterwards.

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;

use super::checks::{Check, files, tidy};
use super::injection::{self, Injection};
use super::order;
use super::strace::Tools;
use crate::bucket::service::Bucket;
use crate::harness::{Ran, program};
use crate::sim::Config;
use crate::site::Site;

/// The statuses of the README, and what a shell says of one that was killed.
const STATUSES: [i32; 11] = [0, 1, 2, 65, 69, 74, 75, 77, 130, 137, 143];

/// Arguments after those of a script, so that nothing waits and there is more
/// than one page of everything.
const HURRY: [(&str, &str); 9] = [
    ("export-plan", ""),
    (
        "export-fetch",
        "--rate 1000/1s --poll 5ms --backoff 5ms --page-size 40",
    ),
    ("unzip-jsonl", ""),
    ("cdr-filter", ""),
    (
        "vg-consecutive",
        "--rate 1000/1s --backoff 5ms --per-page 4",
    ),
    ("dialpad-window", "--rate 100000/1s --backoff 5ms"),
    ("ocp-metrics", "--rate 1000/1s --backoff 5ms"),
    ("ocp-subscribe", "--backoff 5ms"),
    ("ocp-receive", ""),
];

/// One way to use one program.
pub struct Scenario {
    pub name: &'static str,
    /// The program that is killed, or whose calls fail.
    pub program: &'static str,
    pub config: fn() -> Config,
    /// What there is before, and what a first run has done.
    pub prepare: fn(&Run<'_>),
    pub script: String,
    /// Holds after every run, however it ended.
    pub always: fn(&Site) -> Check,
    /// Holds after every run that ended with 0.
    pub done: fn(&Site) -> Check,
}

/// A fault that is known and not mended yet.
pub struct Known {
    pub scenario: &'static str,
    /// Part of what the test says of it.
    pub words: &'static str,
    pub why: &'static str,
}

/// A scenario in a directory of its own, with a vendor and a bucket of its own.
pub struct Run<'a> {
    pub scenario: &'a Scenario,
    pub tools: &'a Tools,
    pub site: Site,
    bucket: Bucket,
}

impl Scenario {
    pub fn tools(&self) -> Tools {
        let mut more = HURRY.to_vec();
        more.push(("ocp-token", ""));
        Tools::new(self.program, &more)
    }

    pub fn run<'a>(&'a self, tools: &'a Tools) -> Run<'a> {
        let run = Run {
            scenario: self,
            tools,
            site: Site::with((self.config)()),
            bucket: Bucket::start(),
        };
        (self.prepare)(&run);
        run
    }

    /// Everything that can go wrong, by the calls of a run in which nothing does,
    /// and what is out of order in that one.
    pub fn injections(&self, tools: &Tools) -> (Vec<Injection>, Vec<String>) {
        let run = self.run(tools);
        let root = run.root();
        let there = files(&root);
        run.bucket.faults(|_, _| None);
        run.plain(&tools.recording());
        let calls = tools.recorded(&root);
        let faults = order::violations(&calls, &root, &there);
        let faults = faults.iter().map(|fault| format!("{}: {fault}", self.name));
        let mut injections = injection::injections(&calls, &root);
        injections.extend(injection::request_injections(&run.bucket.requests()));
        (injections, faults.collect())
    }

    /// Makes one of them happen, runs the same again, and says what is wrong then.
    pub fn faults_after(&self, tools: &Tools, injection: &Injection) -> Vec<String> {
        let run = self.run(tools);
        let root = run.root();
        if let Some(request) = injection.request() {
            run.bucket.faults(move |number, _| request.of(number));
        }
        let ran = run.script(&injection.prefix());
        run.bucket.faults(|_, _| None);
        let mut found = Vec::new();
        let mut look = |when: &str, check: Check| {
            found.extend(check.err().map(|e| format!("{when}: {e}")));
        };
        let status = ran.status();
        look("status", in_table(&ran));
        look("then", (self.always)(&run.site));
        if status == 0 {
            look("then, though it ended with 0", (self.done)(&run.site));
        }
        let again = run.script("");
        match again.status() {
            0 => look("run again", (self.done)(&run.site)),
            other => look(
                "run again",
                Err(format!("status {other}: {}", again.stderr())),
            ),
        }
        look("run again", (self.always)(&run.site));
        look("run again", tidy(&root));
        if found.is_empty() {
            return found;
        }
        let label = format!(
            "{}: {} ({})",
            self.name,
            injection.label,
            injection.prefix()
        );
        let said = ran.stderr();
        let lines = found.into_iter();
        lines
            .map(|line| format!("{label}: status {status}: {line}\n    {}", said.trim()))
            .collect()
    }
}

impl Run<'_> {
    /// The user's directory, as the system names it.
    pub fn root(&self) -> PathBuf {
        self.site.dir.path().canonicalize().unwrap()
    }

    /// The script once, in which nothing goes wrong.
    pub fn plain(&self, prefix: &str) {
        let ran = self.script(prefix).ends(0);
        if let Err(e) = (self.scenario.done)(&self.site) {
            panic!("{}: {e}\n{}", self.scenario.name, ran.stderr());
        }
    }

    pub fn script(&self, prefix: &str) -> Ran {
        let script = format!("set -euo pipefail\n{}", self.scenario.script);
        let run = program("timeout").args(["30", "bash", "-c", &script]);
        let run = run.dir(self.root()).envs(self.site.env());
        let ran = run
            .envs(self.bucket.env())
            .envs(self.tools.env(prefix))
            .run();
        // The lease of a run that was killed lapses before the next one.
        self.bucket.pass(TimeDelta::minutes(3));
        self.copy_bucket();
        ran
    }

    /// The objects as files below `bucket/`, where checks and the next run find them.
    fn copy_bucket(&self) {
        let root = self.site.path("bucket");
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        for key in self.bucket.keys() {
            let path = root.join(&key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, self.bucket.read_bytes(&key).unwrap()).unwrap();
        }
    }
}

fn in_table(ran: &Ran) -> Check {
    let said = ran.stderr();
    match STATUSES.contains(&ran.status()) && !said.contains("panicked") {
        true => Ok(()),
        false => Err(format!("{} is none of the table", ran.status())),
    }
}
