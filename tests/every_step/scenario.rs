//! What a user does, what goes wrong with it, and what has to be true then.

use std::fs;
use std::path::{Path, PathBuf};

use super::order;
use super::strace::{self, Injection, Tools};
use crate::harness::{Ran, program};
use crate::sim::Config;
use crate::site::Site;

/// What does not hold, in words.
pub type Check = Result<(), String>;

/// The statuses of the README, and what a shell says of one that was killed.
const STATUSES: [i32; 11] = [0, 1, 2, 65, 69, 74, 75, 77, 130, 137, 143];

/// Arguments behind those of a script, so that nothing waits and there is more
/// than one page of everything.
const HURRY: [(&str, &str); 6] = [
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

/// A scenario in a directory of its own, with a vendor of its own.
pub struct Run<'a> {
    pub scenario: &'a Scenario,
    pub tools: &'a Tools,
    pub site: Site,
}

impl Scenario {
    pub fn tools(&self) -> Tools {
        let mut more = HURRY.to_vec();
        more.push(("ocp-token", ""));
        Tools::new(self.program, &more)
    }

    fn run<'a>(&'a self, tools: &'a Tools) -> Run<'a> {
        let run = Run {
            scenario: self,
            tools,
            site: Site::with((self.config)()),
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
        run.plain(&tools.recording());
        let calls = tools.recorded(&root);
        let faults = order::violations(&calls, &root, &there);
        let faults = faults.iter().map(|fault| format!("{}: {fault}", self.name));
        (strace::injections(&calls, &root), faults.collect())
    }

    /// What is not true after one of them.
    pub fn suffers(&self, tools: &Tools, injection: &Injection) -> Vec<String> {
        let run = self.run(tools);
        let root = run.root();
        let ran = run.script(&injection.prefix());
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
        run.envs(self.tools.env(prefix)).run()
    }
}

fn in_table(ran: &Ran) -> Check {
    let said = ran.stderr();
    match STATUSES.contains(&ran.status()) && !said.contains("panicked") {
        true => Ok(()),
        false => Err(format!("{} is none of the table", ran.status())),
    }
}

/// Nothing is left of what was only begun.
fn tidy(root: &Path) -> Check {
    let left: Vec<String> = files(root)
        .into_iter()
        .filter(|name| name.contains(".callpipe-"))
        .collect();
    none(&format!("{left:?} left behind"), left.is_empty())
}

/// An error with these words unless it is so.
pub fn none(words: &str, is_so: bool) -> Check {
    if is_so { Ok(()) } else { Err(words.to_owned()) }
}

/// Every file and every empty directory below a directory, by its path from there.
pub fn files(root: &Path) -> Vec<String> {
    let name_of = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    let mut names = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        let entries = fs::read_dir(&directory).into_iter().flatten();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        let (directories, others): (Vec<_>, Vec<_>) =
            paths.into_iter().partition(|path| path.is_dir());
        if directories.is_empty() && others.is_empty() {
            names.push(name_of(&directory) + "/");
        }
        names.extend(others.iter().map(name_of));
        todo.extend(directories);
    }
    names.sort();
    names
}

/// The files of a directory that end so and have their final name.
pub fn named(site: &Site, directory: &str, ending: &str) -> Vec<String> {
    let is_named = |name: &String| name.ends_with(ending) && !name.contains(".callpipe-");
    let names = files(&site.path(directory)).into_iter().filter(is_named);
    names.map(|name| format!("{directory}/{name}")).collect()
}

/// The lines of files.
pub fn lines(site: &Site, names: &[String]) -> Vec<String> {
    let text = |name: &String| site.read(name);
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    names.iter().map(text).flat_map(lines).collect()
}

/// Each record once and no other.
pub fn each_once(got: Vec<String>, truth: Vec<String>) -> Check {
    let (got, truth) = (sorted(got), sorted(truth));
    if got == truth {
        return Ok(());
    }
    let lost = truth
        .iter()
        .filter(|line| got.binary_search(line).is_err())
        .count();
    let strange = got
        .iter()
        .filter(|line| truth.binary_search(line).is_err())
        .count();
    let doubled = got.windows(2).filter(|pair| pair[0] == pair[1]).count();
    Err(format!(
        "{} records instead of {}: {lost} lost, {doubled} doubled, {strange} that are none",
        got.len(),
        truth.len()
    ))
}

/// Each record at least once and no other; half a line may be among them.
pub fn each_at_least_once(got: &[String], truth: &[String]) -> Check {
    let lost = truth.iter().filter(|line| !got.contains(line)).count();
    let is_part = |line: &str| truth.iter().any(|whole| whole.starts_with(line));
    let is_record = |line: &String| {
        // Half a line, and behind it the one that was written next.
        let mut cuts = (0..=line.len()).filter(|at| line.is_char_boundary(*at));
        cuts.any(|at| is_part(&line[..at]) && is_part(&line[at..]))
    };
    let strange = got.iter().filter(|line| !is_record(line)).count();
    none(
        &format!("{lost} records lost, {strange} that are none"),
        lost + strange == 0,
    )
}

/// Every file is absent or ends with a whole line, all of them records.
pub fn whole(site: &Site, names: &[String], truth: &[String]) -> Check {
    for name in names {
        let text = site.read(name);
        let is_whole = text.is_empty() || text.ends_with('\n');
        let known = |line: &str| truth.iter().any(|whole| whole == line);
        if !is_whole || !text.lines().all(known) {
            return Err(format!("{name} is not whole"));
        }
    }
    Ok(())
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
