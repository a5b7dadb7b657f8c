//! A receiver with flags of the test's own, and curl as the one who pushes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{Program, bin_dir, program, scratch};

pub const SECRET: &str = "s3cret-of-a";
pub const CLIENT: &str =
    "[[client]]\nid = \"a\"\nsecret_env = \"SECRET_A\"\npaths = [\"/push/acme/*\"]\n";

/// How long something may take that takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory in which receivers run.
pub struct Host(pub TempDir);

/// A receiver that runs.
pub struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    /// Reads what it says, until it ends.
    listener: Option<JoinHandle<()>>,
    /// `https://localhost:PORT`, or `http:`.
    pub url: String,
}

/// Waits until `found` finds something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Host {
    pub fn new() -> Host {
        let host = Host(scratch());
        host.write("clients.toml", CLIENT);
        host
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of this user alone, there as a whole or not at all.
    pub fn write(&self, name: &str, text: &str) {
        let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
        fs::write(self.path("new"), text).unwrap();
        fs::set_permissions(self.path("new"), private).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    pub fn receive(&self, args: &[&str]) -> Program {
        program("ocp-receive")
            .args(args)
            .env("SECRET_A", SECRET)
            .env("SECRET_B", "s3cret-of-b")
            .dir(self.0.path())
    }

    /// Without TLS on a port of its own.
    pub fn plain(&self, more: &[&str]) -> Running {
        let flags = ["--listen", "127.0.0.1:0", "--plain", "--drain", "0s"];
        self.serve(
            Command::new(bin_dir().join("ocp-receive")),
            &flags,
            more,
            "http",
        )
    }

    /// With the certificate that lies there.
    pub fn tls(&self, more: &[&str]) -> Running {
        let flags = [
            "--listen",
            "127.0.0.1:0",
            "--cert",
            "leaf.pem",
            "--key",
            "leaf.key",
        ];
        let flags = [&flags[..], &["--drain", "0s"]].concat();
        self.serve(
            Command::new(bin_dir().join("ocp-receive")),
            &flags,
            more,
            "https",
        )
    }

    pub fn serve(
        &self,
        mut command: Command,
        flags: &[&str],
        more: &[&str],
        scheme: &str,
    ) -> Running {
        let mut child = command
            .args(["serve", "-v", "--clients", "clients.toml", "--dir", "ocp"])
            .args(["--publish-every", "200ms", "--min-free", "1M"])
            .args(flags)
            .args(more)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("SECRET_A", SECRET)
            .env("SECRET_B", "s3cret-of-b")
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (child.stderr.take().unwrap(), said.clone());
        let listener = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                *heard.lock().unwrap() += &(line + "\n");
            }
        });
        let mut running = Running {
            child,
            said,
            listener: Some(listener),
            url: String::new(),
        };
        let port = wait_for("it listens", || {
            assert_eq!(
                running.child.try_wait().unwrap(),
                None,
                "{}",
                running.said()
            );
            running.after("listening on 127.0.0.1:")
        });
        running.url = format!("{scheme}://localhost:{port}");
        running
    }

    /// What curl prints, and `STATUS` after it.
    pub fn curl(&self, args: &[&str]) -> String {
        let certificate = self.path("ca.pem");
        let mut curl = program("curl").args(["-s", "-m", "30", "-w", " %{http_code}"]);
        if certificate.exists() {
            curl = curl.args(["--cacert".as_ref(), certificate.as_os_str()]);
        }
        curl.args(args).dir(self.0.path()).run().stdout()
    }

    /// A token for client `a`.
    pub fn token(&self, running: &Running) -> String {
        self.token_by(
            running,
            &["-u", "a:s3cret-of-a", "-d", "grant_type=client_credentials"],
        )
    }

    pub fn token_by(&self, running: &Running, args: &[&str]) -> String {
        let url = format!("{}/oauth2/token", running.url);
        let reply = self.curl(&[args, &[&url]].concat());
        let (body, status) = reply.rsplit_once(' ').unwrap();
        assert_eq!(status, "200", "{reply}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Pushes one record; the status.
    pub fn push(&self, running: &Running, token: &str, more: &[&str]) -> String {
        let url = format!("{}/push/acme/dialog_end", running.url);
        let bearer = format!("Authorization: Bearer {token}");
        let record = r#"{"messages":[{"message_type":"dialog_end","id":"1"}]}"#;
        let args = [
            "-H",
            &bearer,
            "-H",
            "Content-Type: application/json",
            "-d",
            record,
        ];
        let reply = self.curl(&[&args[..], more, &[&url]].concat());
        let (body, status) = reply.rsplit_once(' ').unwrap();
        if status == "200" {
            assert_eq!(body, "{\"status\":\"ok\"}");
        }
        status.to_owned()
    }
}

impl Running {
    /// All that it said so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// What follows a text on its line.
    pub fn after(&self, text: &str) -> Option<String> {
        let said = self.said();
        let (_, rest) = said.split_once(text)?;
        let (word, _) = rest.split_once(['\n', '"'])?;
        Some(word.to_owned())
    }

    /// Where it answers operators.
    pub fn admin(&self) -> String {
        wait_for("it has an admin listener", || self.after("for operators: "))
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; its status.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        self.listener.take().map(JoinHandle::join);
        (status.code(), self.said())
    }

    /// Ends it with SIGTERM.
    #[track_caller]
    pub fn stop(self) {
        self.signal("-TERM");
        let (code, said) = self.ended();
        assert_eq!(code, Some(143), "{said}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
