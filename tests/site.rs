//! A user's working directory beside a simulated vendor, with limits scaled so
//! that a minute of theirs is a second of ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Program, program, scratch, shell};
use crate::sim::spelling::instant;
use crate::sim::truth::{EmptyHours, Truth};
use crate::sim::{Config, Sim};

/// When all of it happens.
pub const NOW: &str = "2026-11-20T12:00:00Z";
pub const PASSWORD: &str = "demo-password";

pub struct Site {
    pub sim: Sim,
    pub dir: TempDir,
}

/// Few records, quick exports, five ZIPs a second.
pub fn config() -> Config {
    Config {
        now: instant(NOW).expect("a time"),
        processing: vec![Duration::from_millis(60)],
        zip_window: Duration::from_secs(1),
        truth: Truth {
            records: 2,
            files: 1,
            recordings: 1,
            empty_hours: EmptyHours::None,
        },
        ..Config::default()
    }
}

impl Site {
    pub fn new() -> Site {
        Site::with(config())
    }

    pub fn with(config: Config) -> Site {
        Site {
            sim: Sim::start(config).expect("loopback has a free port"),
            dir: scratch(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The environment of a user's shell.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OCP_API_URL", self.sim.url()),
            ("OCP_IAM_URL", self.sim.url()),
            ("OCP_USERNAME", "demo".to_owned()),
            ("OCP_PASSWORD", PASSWORD.to_owned()),
            ("VOICEGAIN_BASE_URL", format!("{}/v1", self.sim.url())),
            ("VOICEGAIN_TOKEN", "demo-jwt".to_owned()),
            ("DIALPAD_BASE_URL", self.sim.url()),
            ("DIALPAD_PROVIDER_ID", "1020".to_owned()),
            ("DIALPAD_API_KEY", "demo-key".to_owned()),
        ]
    }

    /// The lines of `export-plan windows` for group acme and dialog_end.
    pub fn plan(&self, from: &str, to: &str, more: &[&str]) -> String {
        let ran = program("export-plan")
            .dir(self.dir.path())
            .args([
                "windows",
                "--group",
                "acme",
                "--type",
                "dialog_end",
                "--now",
                NOW,
            ])
            .args(["--from", from, "--to", to])
            .args(more)
            .run()
            .ends(0);
        ran.stdout()
    }

    /// `export-fetch` in that directory, with the pace scaled to the simulator's.
    pub fn fetch(&self, stdin: &str) -> Program {
        program("export-fetch")
            .dir(self.dir.path())
            .envs(self.env())
            .args(["--out-dir", "cdrs", "--rate", "5/1s", "--poll", "10ms"])
            .args(["--backoff", "10ms"])
            .stdin(stdin)
    }

    /// A pipeline in that directory, with the user's environment.
    pub fn shell(&self, script: &str) -> Program {
        shell(script).dir(self.dir.path()).envs(self.env())
    }

    /// The lines of `export-plan pages` for READY exports.
    pub fn pages(&self, ready: &str, page_size: &str) -> String {
        let plan = program("export-plan").args(["pages", "--page-size", page_size]);
        plan.stdin(ready).run().ends(0).stdout()
    }

    /// Every line of every member of the ZIPs that these lines name, in order.
    pub fn records(&self, lines: &[Value]) -> Vec<String> {
        let mut records = Vec::new();
        for line in lines {
            let path = self.path(line["path"].as_str().expect("a path"));
            let file = fs::File::open(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            let mut zip = zip::ZipArchive::new(file).expect("a ZIP");
            for index in 0..zip.len() {
                let mut member = zip.by_index(index).expect("a member");
                let mut text = String::new();
                std::io::Read::read_to_string(&mut member, &mut text).expect("a sound member");
                records.extend(text.lines().map(str::to_owned));
            }
        }
        records
    }

    /// The exact records of group acme and dialog_end, sorted.
    pub fn truth(&self, from: &str, to: &str) -> Vec<String> {
        sorted(self.sim.truth("acme", &["dialog_end"], from, to))
    }

    /// How often each page was downloaded, over all exports.
    pub fn downloads(&self) -> Vec<u64> {
        let exports: BTreeMap<_, _> = self.sim.stats().downloads;
        exports
            .values()
            .flat_map(|pages| pages.values().copied())
            .collect()
    }

    /// ZIPs and whatever else lies below the directory of downloads.
    pub fn files(&self) -> Vec<String> {
        fn walk(dir: &std::path::Path, into: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, into);
                } else {
                    into.push(path);
                }
            }
        }
        let root = self.path("cdrs");
        let mut paths = Vec::new();
        walk(&root, &mut paths);
        let name = |path: PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
        let mut names: Vec<String> = paths.into_iter().map(name).collect();
        names.sort();
        names
    }
}

pub fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
