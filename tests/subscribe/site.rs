//! A user's directory beside the simulated service, and a receiver that takes anything.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Program, program, scratch};
use crate::raw_service::{Asked, RawService, json, reply};
use crate::sim::{Config, Sim};

pub const PAT: &str = "demo-pat";
pub const SECRET: &str = "hunter2-of-the-receiver";

pub struct Site {
    pub sim: Sim,
    pub receiver: RawService,
    pub dir: TempDir,
}

/// A token for every client, and 200 for every push.
pub fn good(asked: &Asked) -> Vec<u8> {
    match asked.target.as_str() {
        "/oauth2/token" => {
            json(r#"{"access_token":"a.b.c","token_type":"Bearer","expires_in":3600}"#)
        }
        _ if asked.target.starts_with("/push/") => json(r#"{"status":"ok"}"#),
        _ => reply("404 Not Found", &[], "{}"),
    }
}

impl Site {
    pub fn new() -> Site {
        Site::with(good)
    }

    pub fn with(receiver: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Site {
        let sim = Sim::start(Config {
            pat: Some(PAT.to_owned()),
            ..Config::default()
        });
        Site {
            sim: sim.expect("loopback has a free port"),
            receiver: RawService::start(receiver),
            dir: scratch(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `ocp-subscribe`, in a hurry; the arguments as in a shell.
    pub fn program(&self, args: &str) -> Program {
        program("ocp-subscribe")
            .dir(self.dir.path())
            .env("OCP_API_URL", self.sim.url())
            .env("OCP_PAT", PAT)
            .env("RECEIVER_SECRET", SECRET)
            .args(args.split_whitespace())
            .args([
                "--backoff",
                "1ms",
                "--read-timeout",
                "500ms",
                "--tries",
                "3",
            ])
    }

    /// `create` or `update` of a type of acme for a client.
    pub fn one(&self, command: &str, kind: &str, client: &str) -> Program {
        let url = self.receiver.url();
        self.program(command).args([
            "--group",
            "acme",
            "--type",
            kind,
            "--name",
            &format!("acme_{kind}"),
            "--url",
            &format!("{url}/push/acme/{kind}"),
            "--token-url",
            &format!("{url}/oauth2/token"),
            "--client-id",
            client,
            "--secret-env",
            "RECEIVER_SECRET",
        ])
    }

    /// A table of subscriptions.toml.
    pub fn table(&self, kind: &str, client: &str) -> String {
        let url = self.receiver.url();
        format!(
            "[[subscription]]\ngroup = \"acme\"\ntype = \"{kind}\"\nname = \"acme_{kind}\"\n\
             url = \"{url}/push/acme/{kind}\"\ntoken_url = \"{url}/oauth2/token\"\n\
             client_id = \"{client}\"\nsecret_env = \"RECEIVER_SECRET\"\n\n"
        )
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("the directory is writable");
    }

    /// The entries of the ledger: action, old client, new client.
    pub fn ledger(&self) -> Vec<(String, String, String)> {
        let text = fs::read_to_string(self.path("subscriptions.ndjson")).unwrap_or_default();
        let entry = |line: &str| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let client = |which: &str| match &line[which] {
                Value::Null => "-".to_owned(),
                one => one["client_id"].as_str().expect("a client").to_owned(),
            };
            let action = line["action"].as_str().expect("an action").to_owned();
            (action, client("old"), client("new"))
        };
        text.lines().map(entry).collect()
    }

    /// The clients that the service would push as, by type.
    pub fn clients(&self) -> Vec<(String, String)> {
        let feeds = self.sim.feeds().into_iter();
        let mut clients: Vec<_> = feeds
            .map(|feed| (feed.settings.message_type, feed.settings.client_id))
            .collect();
        clients.sort();
        clients
    }

    pub fn creates(&self) -> u64 {
        self.sim.stats().requests["sub_create"]
    }
}

pub fn entry(action: &str, old: &str, new: &str) -> (String, String, String) {
    (action.to_owned(), old.to_owned(), new.to_owned())
}
