//! A user's directory beside a simulated Voicegain.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Program, Ran, program, scratch, shell};
use crate::sim::spelling::instant;
use crate::sim::voicegain::{Change, Voicegain};
use crate::sim::{Config, Sim, voicegain};

pub const TOKEN: &str = "demo-jwt";

pub struct Site {
    pub sim: Sim,
    pub dir: TempDir,
    /// How long a body may stall. Short, for faults; but a test that expects no warning
    /// takes more, or a machine that is busy looks like a service that stalls.
    pub patience: &'static str,
}

/// Begins now, because ages are counted from the clock of the client. A minute lasts a second.
pub fn config(change: impl FnOnce(&mut voicegain::Config)) -> Config {
    let mut calls = voicegain::Config {
        minute: Duration::from_secs(1),
        ..voicegain::Config::default()
    };
    change(&mut calls);
    Config {
        now: Utc::now(),
        voicegain: calls,
        ..Config::default()
    }
}

impl Site {
    pub fn new() -> Site {
        Site::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut voicegain::Config)) -> Site {
        Site::of(config(change))
    }

    /// With a calendar that stands at `now`, in RFC 3339.
    pub fn at(now: &str, change: impl FnOnce(&mut voicegain::Config)) -> Site {
        Site::of(Config {
            now: instant(now).expect("a time"),
            ..config(change)
        })
    }

    fn of(config: Config) -> Site {
        Site {
            sim: Sim::start(config).expect("loopback has a free port"),
            dir: scratch(),
            patience: "300ms",
        }
    }

    pub fn calls(&self) -> &Voicegain {
        self.sim.voicegain()
    }

    pub fn change(&self, change: Change) {
        self.calls().change(change);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("VOICEGAIN_BASE_URL", format!("{}/v1", self.sim.url())),
            ("VOICEGAIN_TOKEN", TOKEN.to_owned()),
        ]
    }

    /// `vg-consecutive`, in a hurry.
    pub fn export(&self, args: &[&str]) -> Program {
        program("vg-consecutive")
            .dir(self.dir.path())
            .envs(self.env())
            .args([
                "--backoff",
                "10ms",
                "--rate",
                "1000/1s",
                "--read-timeout",
                self.patience,
            ])
            .args(args)
    }

    /// With a state, ending with this status; what it printed.
    pub fn run(&self, args: &[&str], status: i32) -> Ran {
        self.export(args)
            .args(["--state", "S", "--report", "report"])
            .run()
            .ends(status)
    }

    pub fn shell(&self, script: &str) -> Program {
        shell(script).dir(self.dir.path()).envs(self.env())
    }

    /// The content of the state.
    pub fn state(&self) -> Value {
        let state: Value = serde_json::from_str(&self.read("S")).unwrap();
        state["data"].clone()
    }

    pub fn cursor(&self) -> u64 {
        self.state()["cursor"].as_u64().unwrap()
    }

    /// The report of the last run.
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.read("report")).unwrap()
    }
}

/// The ids of exported lines, in their order.
pub fn ids(lines: &[String]) -> Vec<u64> {
    lines.iter().map(|line| id_of(line)).collect()
}

pub fn id_of(line: &str) -> u64 {
    let call: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    match &call["callId"] {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_u64().unwrap(),
    }
}

pub fn by_id(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_by_key(|line| id_of(line));
    lines
}
