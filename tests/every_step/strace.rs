//! strace: which system calls a run makes, and a run in which one of them fails.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::guarantees::LIES;
use crate::harness::{built, scratch};

/// System calls that change something, and `openat`, of which only those are
/// kept that open something in the user's directory. `sendto` is a request, which
/// may change something at the vendor's. A name that the machine does not have is
/// passed over.
const CALLS: [&str; 27] = [
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
    "sendto",
];

/// Set to the words before a program's own, where it runs under strace.
const PREFIX: &str = "EVERY_STEP_PREFIX";

/// Why no program can be traced on this machine; `None` if they can.
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
    /// `more` arguments after those of the script.
    pub fn new(traced: &str, more: &[(&str, &str)]) -> Tools {
        let tools = Tools { dir: scratch() };
        for (name, more) in more {
            let prefix = match *name == traced {
                true => format!("${PREFIX} "),
                false => String::new(),
            };
            let real = built().join(name);
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
            ("PATH", format!("{here}:{}:{path}", built().display())),
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
        let lies = std::env::var(LIES).map_or_else(|_| String::new(), |lies| lies + " ");
        format!(
            "strace -f -y -qq -s 300 -e trace={calls} {lies}-o {}",
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
    /// The files that it is about, or what else strace shows, such as a pipe.
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
    // A call that lies does nothing and says that it did.
    result.is_some_and(|result| {
        result.starts_with("= ") && !result.starts_with("= -1") && !result.ends_with("(INJECTED)")
    })
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
