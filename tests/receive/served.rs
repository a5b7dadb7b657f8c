//! A receiver in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{bin_dir, scratch};
use crate::pusher::canonical::canonical;
use crate::sim::subscriptions::{Feed, Settings};

const SECRET: &str = "demo-secret";
const CLIENTS: &str =
    "[[client]]\nid = \"ocp\"\nsecret_env = \"PUSH_SECRET\"\npaths = [\"/push/acme/*\"]\n";

/// Where receivers run, one after the other.
pub struct Place {
    pub dir: TempDir,
    /// How often the next ones publish.
    pub publish_every: &'static str,
    /// The port of the first one; the next ones take it, too.
    pub port: u16,
    /// The status of the last one that ended before it listened.
    pub ended_early: Option<i32>,
    /// What that one said.
    said: String,
}

/// A receiver that runs.
pub struct Served {
    child: Child,
    pub port: u16,
    /// Of the admin listener.
    pub admin: u16,
}

impl Place {
    pub fn new() -> Place {
        let dir = scratch();
        fs::write(dir.path().join("clients.toml"), CLIENTS).unwrap();
        let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
        fs::set_permissions(dir.path().join("clients.toml"), private).unwrap();
        Place {
            dir,
            publish_every: "200ms",
            port: 0,
            ended_early: None,
            said: String::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a receiver and waits until it listens.
    pub fn serve(&mut self) -> Served {
        self.start_alone("1M")
    }

    /// The same, for whom the disk is short: it refuses every push.
    pub fn refuse(&mut self) -> Served {
        self.start_alone("99999G")
    }

    /// Waits for a port that a connection of another program has for a moment.
    fn start_alone(&mut self, min_free: &str) -> Served {
        for _ in 0..20 {
            if let Some(served) = self.start(&[], min_free) {
                return served;
            }
            assert!(self.said.contains("in use"), "it ended: {}", self.said);
            thread::sleep(Duration::from_millis(250));
        }
        panic!("its port is not free: {}", self.said);
    }

    /// The same, started by the words of another program, such as strace; `None` if it ended
    /// before it listened.
    pub fn serve_under(&mut self, prefix: &[&str]) -> Option<Served> {
        self.start(prefix, "1M")
    }

    fn start(&mut self, prefix: &[&str], min_free: &str) -> Option<Served> {
        let admin = free_port();
        let listed = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("files.ndjson"));
        let program = bin_dir().join("ocp-receive");
        let program = program.to_str().unwrap();
        let words = [prefix, &[program]].concat();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .args(["serve", "-v", "--plain", "--clients", "clients.toml"])
            .args([
                "--dir",
                "ocp",
                "--publish-every",
                self.publish_every,
                "--drain",
                "0s",
            ])
            .args(["--min-free", min_free, "--listen"])
            .arg(format!("127.0.0.1:{}", self.port))
            .args(["--admin", &format!("127.0.0.1:{admin}")])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PUSH_SECRET", SECRET)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(listed.unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        self.said.clear();
        let port = loop {
            self.said += &line;
            line.clear();
            if said.read_line(&mut line).unwrap() == 0 {
                self.ended_early = child.wait().unwrap().code();
                return None;
            }
            if let Some(at) = line
                .trim_end()
                .strip_prefix("ocp-receive: listening on 127.0.0.1:")
            {
                break at.parse().unwrap();
            }
        };
        // What it says goes nowhere, but it must not wait for a reader.
        thread::spawn(move || {
            let mut rest = Vec::new();
            let _ = said.read_to_end(&mut rest);
        });
        self.port = port;
        Some(Served { child, port, admin })
    }

    /// The records of the lake as they are told apart, and how often each is there.
    pub fn lake(&self) -> BTreeMap<String, u64> {
        lake_at(&self.path("ocp/lake"))
    }
}

/// The records of the lake in a directory as they are told apart, and how often each is there.
pub fn lake_at(directory: &Path) -> BTreeMap<String, u64> {
    let mut records = BTreeMap::new();
    collect(directory, &mut records);
    records
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn collect(directory: &Path, records: &mut BTreeMap<String, u64>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, records);
        } else if path.extension().is_some_and(|end| end == "ndjson") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                *records.entry(canonical(line)).or_default() += 1;
            }
        }
    }
}

impl Served {
    pub fn feed(&self, kind: &str) -> Feed {
        let url = format!("http://127.0.0.1:{}", self.port);
        Feed {
            id: format!("s-{kind}"),
            settings: Settings {
                group: "acme".to_owned(),
                message_type: kind.to_owned(),
                name: format!("acme_{kind}"),
                callback_url: format!("{url}/push/acme/{kind}"),
                token_url: format!("{url}/oauth2/token"),
                client_id: "ocp".to_owned(),
                client_secret: SECRET.to_owned(),
            },
            old: None,
        }
    }

    /// The most memory it ever held, in MiB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = peak.unwrap().split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() / 1024
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it with SIGTERM; its status is 143.
    pub fn stop(mut self) {
        self.terminate();
        assert_eq!(self.status(), Some(143));
    }

    /// Sends SIGTERM, if it still runs.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).output();
        sent.unwrap();
    }

    /// Its status, when it has ended; `None` if it was killed. A test must fail if it does not end.
    pub fn status(&mut self) -> Option<i32> {
        let until = Instant::now() + Duration::from_secs(120);
        while !self.has_ended() {
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
        self.child.wait().unwrap().code()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
