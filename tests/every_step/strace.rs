//! strace: which system calls a run makes, and a run in which one of them fails.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::{bin_dir, scratch};

/// System calls that change something, and `openat`, of which only those are
/// kept that open something in the user's directory. A name that the machine
/// does not have is passed over.
const CALLS: [&str; 26] = [
    "write",
    "pwrite64",
    "writev",
    "copy_file_range",
    "sendfile",
    "splice",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "truncate",
    "ftruncate",
    "flock",
    "mkdir",
    "mkdirat",
    "fchmod",
    "open",
    "openat",
];

/// Set to the words before a program's own, where it runs under strace.
const PREFIX: &str = "EVERY_STEP_PREFIX";

/// Why programs cannot be traced here, if they cannot.
pub fn refusal() -> Option<String> {
    let tried = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=none", "true"])
        .stdin(Stdio::null())
        .output();
    match tried {
        Err(e) => Some(format!("strace cannot be run: {e}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// The programs as a script finds them: in a hurry, and one of them traced
/// when a run asks for it.
pub struct Tools {
    dir: TempDir,
}

impl Tools {
    /// `traced` is the program that runs under strace; each program gets its
    /// `more` arguments behind those of the script.
    pub fn new(traced: &str, more: &[(&str, &str)]) -> Tools {
        let tools = Tools { dir: scratch() };
        for (name, more) in more {
            let prefix = match *name == traced {
                true => format!("${PREFIX} "),
                false => String::new(),
            };
            let real = bin_dir().join(name);
            let script = format!("#!/bin/sh\nexec {prefix}{} \"$@\" {more}\n", real.display());
            let path = tools.dir.path().join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        tools
    }

    /// PATH and the prefix, for the environment of a script.
    pub fn env(&self, prefix: &str) -> [(&'static str, String); 2] {
        let path = std::env::var("PATH").unwrap_or_default();
        let here = self.dir.path().display();
        [
            ("PATH", format!("{here}:{}:{path}", bin_dir().display())),
            (PREFIX, prefix.to_owned()),
        ]
    }

    /// Where the trace goes.
    fn log(&self) -> PathBuf {
        self.dir.path().join("trace")
    }

    /// The prefix that has every call recorded.
    pub fn recording(&self) -> String {
        let calls: Vec<String> = CALLS.iter().map(|call| format!("?{call}")).collect();
        let calls = calls.join(",");
        let log = self.log();
        format!(
            "strace -f -y -qq -s 300 -e trace={calls} -o {}",
            log.display()
        )
    }

    /// The calls that were recorded, in the order of their beginnings. Relative
    /// paths are in `site`.
    pub fn recorded(&self, site: &Path) -> Vec<Call> {
        parse(&fs::read_to_string(self.log()).unwrap(), site)
    }
}

/// One call of a recorded run.
#[derive(Clone, Debug)]
pub struct Call {
    /// `fsync`, …
    pub name: String,
    /// The thread.
    pub thread: u32,
    /// Which one of its name it is in its thread, from 1.
    pub nth: usize,
    /// What it is about: a path without its directory's, or what else strace shows of it.
    pub paths: Vec<PathBuf>,
    /// The arguments as strace shows them.
    pub text: String,
    /// The lines of the trace at which it began and ended.
    pub began: usize,
    pub ended: usize,
    pub succeeded: bool,
}

impl Call {
    /// As a message names it.
    pub fn label(&self, site: &Path) -> String {
        let short = |path: &PathBuf| {
            let path = path.strip_prefix(site).unwrap_or(path);
            path.display().to_string()
        };
        let paths: Vec<String> = self.paths.iter().map(short).collect();
        format!("{} {} [{}]", self.name, self.nth, paths.join(" -> "))
    }
}

/// The calls of a trace that was written with `-f -y`.
pub fn parse(trace: &str, site: &Path) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: HashMap<u32, usize> = HashMap::new();
    let mut counts: HashMap<(u32, String), usize> = HashMap::new();
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let (thread, rest) = (thread.parse::<u32>().expect("a thread"), rest.trim_start());
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some(index) = open.remove(&thread) else {
                continue;
            };
            let (_, rest) = resumed
                .split_once(" resumed>")
                .expect("a call that goes on");
            calls[index].ended = at;
            calls[index].succeeded = succeeded(rest);
            continue;
        }
        // The rest says of signals and of ends.
        let Some((name, rest)) = rest.split_once('(') else {
            continue;
        };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let nth = counts.entry((thread, name.to_owned())).or_default();
        *nth += 1;
        if rest.contains("<unfinished ...>") {
            open.insert(thread, calls.len());
        }
        calls.push(Call {
            name: name.to_owned(),
            thread,
            nth: *nth,
            paths: paths(name, rest, site),
            text: rest.to_owned(),
            began: at,
            ended: at,
            succeeded: succeeded(rest),
        });
    }
    calls
}

fn succeeded(rest: &str) -> bool {
    let result = rest
        .rsplit_once(") ")
        .map(|(_, result)| result.trim_start());
    result.is_some_and(|result| result.starts_with("= ") && !result.starts_with("= -1"))
}

/// The descriptor's path, or the paths in quotes.
fn paths(name: &str, rest: &str, site: &Path) -> Vec<PathBuf> {
    let whole = |path: &str| {
        let joined = site.join(path.trim_end_matches(" (deleted)"));
        joined.components().collect::<PathBuf>()
    };
    let by_name = ["open", "rename", "link", "symlink", "mkdir", "rmdir"];
    let is_named = by_name.iter().any(|word| name.contains(word)) || name == "truncate";
    if is_named {
        return rest.split('"').skip(1).step_by(2).map(whole).collect();
    }
    let inside = rest
        .split_once('<')
        .and_then(|(_, path)| path.split_once('>'));
    match inside {
        Some((path, _)) if path.starts_with('/') => vec![whole(path)],
        // A pipe, or a socket.
        other => other.map(|(what, _)| what.into()).into_iter().collect(),
    }
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The program is killed before it.
    Killed,
    /// It fails once.
    Fails(&'static str),
    /// It and all others of its name fail from then on.
    FailsForGood(&'static str),
}

/// One call, and what goes wrong with it.
#[derive(Clone, Debug)]
pub struct Injection {
    call: Call,
    /// Only in the first thread; else in whichever comes to its n-th first.
    main_only: bool,
    fault: Fault,
    /// As a message names it.
    pub label: String,
}

impl Injection {
    /// The prefix that makes it happen.
    pub fn prefix(&self) -> String {
        let (name, nth) = (&self.call.name, self.call.nth);
        let what = match self.fault {
            Fault::Killed => format!("signal=KILL:when={nth}"),
            Fault::Fails(error) => format!("error={error}:when={nth}"),
            Fault::FailsForGood(error) => format!("error={error}:when={nth}+"),
        };
        let threads = if self.main_only { "" } else { "-f " };
        format!("strace {threads}-qq -o /dev/null -e trace={name} -e inject={name}:{what}")
    }
}

/// Every call of a recorded run with everything that can go wrong with it.
pub fn injections(calls: &[Call], site: &Path) -> Vec<Injection> {
    const ERRORS: [&str; 4] = ["EIO", "ENOSPC", "EDQUOT", "EROFS"];
    let main = calls.first().map(|call| call.thread);
    let mut seen = Vec::new();
    let mut injections = Vec::new();
    for call in calls.iter().filter(|call| changes(call, site)) {
        let main_only = Some(call.thread) == main;
        let key = (call.name.clone(), call.nth, main_only);
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let error = |more: usize| ERRORS[(seen.len() + more) % ERRORS.len()];
        let faults = [
            Fault::Killed,
            Fault::Fails(error(0)),
            Fault::FailsForGood(error(1)),
            Fault::Fails("EINTR"),
        ];
        // The loader's opens come first in another thread than this.
        let is_possible = |fault: &Fault| {
            main_only || call.name != "openat" || !matches!(fault, Fault::FailsForGood(_))
        };
        injections.extend(
            faults
                .into_iter()
                .filter(is_possible)
                .map(|fault| Injection {
                    call: call.clone(),
                    main_only,
                    fault,
                    label: format!("{fault:?} {}", call.label(site)),
                }),
        );
    }
    injections
}

/// Whether a call is about the user's files or streams, and not about libraries.
fn changes(call: &Call, site: &Path) -> bool {
    let is_open = call.name.starts_with("open");
    let is_ours = |path: &PathBuf| path.starts_with(site);
    !is_open || call.paths.iter().any(is_ours)
}
