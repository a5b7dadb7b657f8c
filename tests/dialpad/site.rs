//! A user's directory beside a simulated Dialpad.

use std::path::PathBuf;

use chrono::Utc;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Program, Ran, program, scratch, shell};
use crate::sim::dialpad::Dialpad;
use crate::sim::{Config, Sim, dialpad};

pub const KEY: &str = "demo-key";

pub struct Site {
    pub sim: Sim,
    pub dir: TempDir,
}

impl Site {
    pub fn new() -> Site {
        Site::with(|_| {})
    }

    /// Begins now, because the history is counted from the clock of the client.
    pub fn with(change: impl FnOnce(&mut dialpad::Config)) -> Site {
        let mut messages = dialpad::Config::default();
        change(&mut messages);
        let config = Config {
            now: Utc::now(),
            dialpad: messages,
            ..Config::default()
        };
        Site {
            sim: Sim::start(config).expect("loopback has a free port"),
            dir: scratch(),
        }
    }

    pub fn messages(&self) -> &Dialpad {
        self.sim.dialpad()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DIALPAD_BASE_URL", self.sim.url()),
            ("DIALPAD_PROVIDER_ID", "1020".to_owned()),
            ("DIALPAD_API_KEY", KEY.to_owned()),
        ]
    }

    /// `dialpad-window`, in a hurry.
    pub fn export(&self, args: &[&str]) -> Program {
        program("dialpad-window")
            .dir(self.dir.path())
            .envs(self.env())
            .args(HURRY)
            .args(args)
    }

    /// With a report, ending with this status.
    pub fn run(&self, args: &[&str], status: i32) -> Ran {
        self.export(args)
            .args(["--report", "report"])
            .run()
            .ends(status)
    }

    pub fn shell(&self, script: &str) -> Program {
        let hurry = format!("dialpad-window {}", HURRY.join(" "));
        shell(&script.replace("dialpad-window", &hurry))
            .dir(self.dir.path())
            .envs(self.env())
    }

    /// The report of the last run.
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.read("report")).unwrap()
    }
}

const HURRY: [&str; 6] = [
    "--backoff",
    "10ms",
    "--rate",
    "100000/1s",
    "--read-timeout",
    "300ms",
];

pub fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
