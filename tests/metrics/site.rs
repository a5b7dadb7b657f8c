//! A user's directory beside a simulated Metrics API, whose calendar stands still.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Program, Ran, program, scratch};
use crate::sim::metrics::Metrics;
use crate::sim::spelling::instant;
use crate::sim::{Config, Sim};

pub const PAT: &str = "demo-pat";
pub const NOW: &str = "2026-11-05T16:02:11Z";

pub struct Site {
    pub sim: Sim,
    pub dir: TempDir,
}

impl Site {
    pub fn new() -> Site {
        let sim = Sim::start(Config {
            now: instant(NOW).expect("a time"),
            pat: Some(PAT.to_owned()),
            ..Config::default()
        });
        Site {
            sim: sim.expect("loopback has a free port"),
            dir: scratch(),
        }
    }

    pub fn metrics(&self) -> &Metrics {
        self.sim.metrics()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `ocp-metrics`, in a hurry, for the group acme; the arguments as in a shell.
    pub fn program(&self, args: &str) -> Program {
        program("ocp-metrics")
            .dir(self.dir.path())
            .env("OCP_API_URL", self.sim.url())
            .env("OCP_PAT", PAT)
            .args(args.split_whitespace())
            .args(["--group", "acme", "--backoff", "1ms", "--rate", "9999/1s"])
            .args(["--read-timeout", "500ms", "--tries", "2"])
    }

    /// What it did, ending with this status, with a report.
    #[track_caller]
    pub fn run(&self, args: &str, status: i32) -> Ran {
        let program = self.program(args).args(["--report", "report"]);
        program.run().ends(status)
    }

    pub fn report(&self) -> Value {
        let text = std::fs::read_to_string(self.path("report")).expect("a report");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The entry in the state.
    pub fn entry(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.path("S")).expect("a state");
        let state: Value = serde_json::from_str(&text).expect("JSON");
        state["data"][name].clone()
    }
}

/// The value of each key, that with the greatest `as_of`; of equal ones the last line. By metric,
/// tags and the beginning of the bucket, as the simulator's truth has them.
pub fn latest(rows: &[Value]) -> BTreeMap<String, Value> {
    let mut latest: BTreeMap<(String, String), (String, String, Value)> = BTreeMap::new();
    for row in rows {
        let text = |name: &str| row[name].as_str().expect("text").to_owned();
        let key = (text("series"), text("from"));
        let from = text("from").replace('T', " ").replace('Z', ".0");
        let name = format!("{} {} {from}", text("metric"), row["tags"]);
        let new = (text("as_of"), name, row["value"].clone());
        match latest.get(&key) {
            Some(old) if old.0 > new.0 => {}
            _ => drop(latest.insert(key, new)),
        }
    }
    latest
        .into_values()
        .map(|(_, name, value)| (name, value))
        .collect()
}

/// The last request.
pub fn last_body(site: &Site) -> Value {
    site.metrics().bodies().pop().expect("a request")
}
