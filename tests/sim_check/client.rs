//! An HTTP client that hides nothing: it says whether a reply came at all and whether its body was
//! complete, and follows no redirect.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::sim::{Config, Sim};

/// The calendar of these tests.
pub const NOW: &str = "2026-11-20T12:34:56Z";
pub const FROM: &str = "2026-11-18T07:00:00.000Z";
pub const TO: &str = "2026-11-18T09:00:00.000Z";

pub fn config() -> Config {
    Config {
        now: NOW.parse().expect("a time"),
        processing: vec![Duration::from_millis(20)],
        ..Config::default()
    }
}

pub fn start(config: Config) -> Sim {
    Sim::start(config).expect("a free port on loopback")
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// Whether all came that `Content-Length` had promised.
    pub is_complete: bool,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }
}

/// One request on its own connection; `None` where that closed without a reply. A reply later
/// than `patience` counts as missing.
pub fn exchange(url: &str, request: &str, patience: Duration) -> Option<Answer> {
    let mut socket = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
    socket.set_read_timeout(Some(patience)).expect("not zero");
    socket.write_all(request.as_bytes()).expect("it reads");
    let mut bytes = Vec::new();
    match socket.read_to_end(&mut bytes) {
        Err(e) if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset) => {
            panic!("{e}")
        }
        _ => {}
    }
    let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let body = bytes.split_off(head_end + 4);
    let head = String::from_utf8(bytes).expect("heads are ASCII");
    let mut answer = Answer {
        status: head[9..12].parse().expect("a status"),
        is_complete: true,
        head,
        body,
    };
    if let Some(length) = answer.header("content-length") {
        answer.is_complete = length.parse() == Ok(answer.body.len());
    }
    Some(answer)
}

pub struct Client {
    url: String,
    pub credential: String,
    pub patience: Duration,
}

impl Client {
    pub fn anonymous(sim: &Sim) -> Client {
        Client {
            url: sim.url(),
            credential: String::new(),
            patience: Duration::from_secs(10),
        }
    }

    pub fn logged_in(sim: &Sim) -> Client {
        let mut client = Client::anonymous(sim);
        let grant = client.log_in("username=demo&password=demo-password");
        assert_eq!(grant.status, 200);
        client.bear(grant.json()["access_token"].as_str().expect("a token"));
        client
    }

    pub fn bear(&mut self, token: &str) {
        self.credential = format!("Authorization: Bearer {token}\r\n");
    }

    pub fn log_in(&self, credentials: &str) -> Answer {
        self.iam(
            "token",
            &format!("client_id=ocp&grant_type=password&{credentials}"),
        )
    }

    pub fn iam(&self, endpoint: &str, form: &str) -> Answer {
        let target = format!("/auth/realms/master/protocol/openid-connect/{endpoint}");
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send("POST", &target, kind, form).expect("a reply")
    }

    pub fn get(&self, target: &str) -> Answer {
        self.try_get(target).expect("a reply")
    }

    pub fn try_get(&self, target: &str) -> Option<Answer> {
        self.send("GET", target, "", "")
    }

    pub fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> Option<Answer> {
        let length = body.len();
        let head = format!("{method} {target} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n");
        let rest = format!(
            "{headers}{}Content-Length: {length}\r\n\r\n{body}",
            self.credential
        );
        exchange(&self.url, &(head + &rest), self.patience)
    }

    pub fn create(&self, group: &str, types: &[&str], from: &str, to: &str) -> Answer {
        self.try_create(group, types, from, to).expect("a reply")
    }

    pub fn try_create(&self, group: &str, types: &[&str], from: &str, to: &str) -> Option<Answer> {
        let order = json!({"group": group, "message_types": types, "from": from, "to": to});
        let kind = "Content-Type: application/json\r\n";
        self.send("POST", "/exports-api/v1/exports", kind, &order.to_string())
    }

    pub fn status(&self, id: &str) -> String {
        let answer = self.get(&format!("/exports-api/v1/exports/{id}"));
        answer.json()["status"]
            .as_str()
            .expect("a status")
            .to_owned()
    }

    pub fn data(&self, id: &str, page: u64, size: u64) -> Answer {
        self.get(&data_target(id, page, size))
    }

    /// The id of a new export that is READY.
    pub fn ready(&self, types: &[&str]) -> String {
        let created = self.create("acme", types, FROM, TO);
        assert_eq!(created.status, 201, "{}", created.json());
        let id = created.json()["export_id"]
            .as_str()
            .expect("an id")
            .to_owned();
        self.await_ready(&id);
        id
    }

    pub fn await_ready(&self, id: &str) {
        while self.status(id) != "READY" {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

pub fn data_target(id: &str, page: u64, size: u64) -> String {
    format!("/exports-api/v1/exports/{id}/data?page_number={page}&page_size={size}")
}
