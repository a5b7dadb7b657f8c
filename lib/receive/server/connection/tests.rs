//! Sends requests as bytes, and checks the replies.

mod bodies;
mod smuggling;

use super::*;
use crate::error::Status;
use crate::os::clock::Clock;
use crate::os::files::write_atomic;
use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::receive::access::authenticator::Authenticator;
use crate::receive::inbox::{CommitFailure, CoverageNote, Done, Inbox};
use crate::receive::push::{Push, PushContent};
use crate::receive::server::capacity::Capacity;
use crate::receive::server::condition::Condition;
use crate::receive::server::connections::Connections;
use crate::receive::server::counters::Counters;
use crate::receive::server::limits::ServerLimits;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, timeout};

const CLIENTS: &str = "[[client]]\nid='a'\nsecret_env='S'\npaths=['/push/acme/*']\n\
                       [[client]]\nid='b'\nsecret_env='S'\npaths=['/push/other/*']\n";

/// The simulated result of a push.
#[derive(Clone, Debug, Default)]
enum Fate {
    #[default]
    Stored,
    Full,
    Fails(CommitFailure),
    /// The commit never ends.
    Waits,
}

#[derive(Default)]
struct MemoryInbox {
    stored: Mutex<Vec<Push>>,
    notes: Mutex<Vec<CoverageNote>>,
    fate: Mutex<Fate>,
    waiting: Mutex<Vec<Done>>,
}

impl Inbox for MemoryInbox {
    fn submit(&self, push: Push, done: Done) -> Result<(), Push> {
        match lock(&self.fate).clone() {
            Fate::Full => return Err(push),
            Fate::Waits => lock(&self.waiting).push(done),
            Fate::Fails(failure) => done(Err(failure)),
            Fate::Stored => {
                // Like the committer, this renames the file.
                if let PushContent::Recording { staged, .. } = &push.content {
                    std::fs::rename(staged, staged.with_extension("wav")).unwrap();
                }
                lock(&self.stored).push(push);
                done(Ok(()));
            }
        }
        Ok(())
    }

    fn note(&self, note: CoverageNote) {
        lock(&self.notes).push(note);
    }
}

struct Site {
    dir: TempDir,
    inbox: Arc<MemoryInbox>,
    receiver: Arc<Receiver>,
    connections: Arc<Connections>,
    stopping: watch::Sender<bool>,
    stop: Stop,
}

impl Site {
    fn new() -> Site {
        Site::with(ServerLimits::default())
    }

    fn with(limits: ServerLimits) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let clients = dir.path().join("clients.toml");
        write_atomic(&clients, CLIENTS.as_bytes()).unwrap();
        let env = Box::new(|_: &str| Some("hunter2".to_owned()));
        let (hour, clock) = (Duration::from_secs(3600), Clock::system());
        let authenticator =
            Authenticator::open(&clients, dir.path(), hour, env, clock.clone()).unwrap();
        let inbox = Arc::new(MemoryInbox::default());
        let connections = Arc::new(Connections::new(&limits));
        let stop = Stop::default();
        let receiver = Receiver {
            authenticator,
            inbox: inbox.clone(),
            capacity: Capacity::new(limits.in_flight, limits.recordings),
            limits: Arc::new(limits),
            counters: Counters::default(),
            condition: Arc::new(Condition::new(0, stop.clone())),
            clock,
            token_path: "/oauth2/token".to_owned(),
            push_prefix: "/push".to_owned(),
            recordings: dir.path().to_owned(),
            is_proxied: false,
            allowed: Vec::new(),
            has_seen_get: false.into(),
        };
        Site {
            dir,
            inbox,
            receiver: Arc::new(receiver),
            connections,
            stopping: watch::channel(false).0,
            stop,
        }
    }

    fn connect(&self) -> DuplexStream {
        let (server, client) = duplex(1 << 16);
        let place = Connections::admit(&self.connections, [192, 0, 2, 1].into()).unwrap();
        let (receiver, stopping) = (self.receiver.clone(), self.stopping.subscribe());
        tokio::spawn(serve(server, place, receiver, stopping));
        client
    }

    fn token(&self, client: &str) -> String {
        let body =
            format!("grant_type=client_credentials&client_id={client}&client_secret=hunter2");
        let issued =
            self.receiver
                .authenticator
                .token(None, body.as_bytes(), [192, 0, 2, 1].into());
        issued.unwrap().text
    }

    fn head(&self, path: &str, more: &str) -> String {
        let token = self.token("a");
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
    }

    fn stored(&self) -> Vec<Vec<u8>> {
        let content = |push: &Push| match &push.content {
            PushContent::Json(body) => body.to_vec(),
            PushContent::Recording { staged, .. } => {
                std::fs::read(staged.with_extension("wav")).unwrap()
            }
        };
        lock(&self.inbox.stored).iter().map(content).collect()
    }

    /// The number of files in the directory, without the three that are always there.
    fn files(&self) -> usize {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        entries.count() - 3
    }

    /// Sends these bytes, and returns all that the server sends.
    async fn reply(&self, sent: impl AsRef<[u8]>) -> String {
        let mut client = self.connect();
        client.write_all(sent.as_ref()).await.unwrap();
        client.shutdown().await.unwrap();
        rest(&mut client).await
    }
}

async fn rest(client: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    client.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// Reads one reply with a length, from a connection that stays open.
async fn one(client: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    loop {
        text.push(client.read_u8().await.unwrap());
        let known = String::from_utf8_lossy(&text).to_lowercase();
        if let Some((head, body)) = known.split_once("\r\n\r\n") {
            let (_, length) = head.split_once("content-length: ").unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() == length {
                return String::from_utf8(text).unwrap();
            }
        }
    }
}

fn status(reply: &str) -> u16 {
    // A request in HTTP/1.0 is answered in HTTP/1.0. 0 stands for no reply at all.
    let status = reply.split(' ').nth(1).unwrap_or("0");
    status.parse().unwrap()
}

const PATH: &str = "/push/acme/dialog_end";
const TWO: &str = "Content-Length: 2\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const WAV: &str = "Content-Type: application/octet-stream\r\nX-OML-ORN: storage:x/a.wav\r\n";

#[tokio::test]
async fn r05_a_push_is_answered_with_200_and_an_object() {
    let site = Site::new();
    let head = site.head(PATH, "Content-Length: 2\r\nClient-Corelation-Id: c\r\n");
    let reply = site.reply(format!("{head}{{}}")).await;
    assert_eq!(status(&reply), 200);
    assert!(
        reply.contains("content-type: application/json\r\n"),
        "{reply}"
    );
    assert!(reply.ends_with("\r\n\r\n{\"status\":\"ok\"}"), "{reply}");
    let stored = lock(&site.inbox.stored);
    assert_eq!(stored[0].path, "acme/dialog_end");
    assert_eq!(stored[0].client, "a");
    assert_eq!(stored[0].correlation_id.as_deref(), Some("c"));
}

#[tokio::test]
async fn r04_a_push_is_answered_as_a_whole_and_only_after_its_commit() {
    let site = Site::new();
    *lock(&site.inbox.fate) = Fate::Waits;
    let mut client = site.connect();
    let sent = site.head(PATH, TWO) + "{}";
    client.write_all(sent.as_bytes()).await.unwrap();
    let soon = Duration::from_millis(50);
    assert!(timeout(soon, client.read_u8()).await.is_err());
    lock(&site.inbox.waiting).pop().unwrap()(Ok(()));
    assert_eq!(status(&one(&mut client).await), 200);
}

#[tokio::test]
async fn checks_come_in_their_order_and_before_the_body() {
    let site = Site::new();
    let token = site.token("b");
    let cases = [
        ("POST /nowhere HTTP/1.1\r\nHost: x\r\n".to_owned(), 404),
        (format!("PUT {PATH} HTTP/1.1\r\nHost: x\r\n"), 405),
        ("GET /oauth2/token HTTP/1.1\r\nHost: x\r\n".to_owned(), 405),
        (format!("POST {PATH} HTTP/1.1\r\nHost: x\r\n"), 401),
        (
            format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"),
            403,
        ),
    ];
    for (head, expected) in cases {
        // The body is never sent: a server that waited for it would never reply.
        let mut client = site.connect();
        let sent = format!("{head}Content-Length: 99999999999\r\n\r\n");
        client.write_all(sent.as_bytes()).await.unwrap();
        let reply = one(&mut client).await;
        assert_eq!(status(&reply), expected, "{head}{reply}");
        assert!(reply.contains("connection: close\r\n"), "{reply}");
        assert!(reply.contains("{\""), "{reply}");
        let allow = match (expected, head.contains("token")) {
            (405, true) => Some("POST"),
            (405, false) => Some("POST, GET"),
            _ => None,
        };
        let said = reply
            .split_once("allow: ")
            .and_then(|(_, rest)| rest.lines().next());
        assert_eq!(said, allow, "{head}{reply}");
    }
    let mut client = site.connect();
    let head = site.head(
        PATH,
        "Content-Length: 99999999999\r\nExpect: 100-continue\r\n",
    );
    client.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&one(&mut client).await), 413);
    assert_eq!(site.files(), 0);
}

#[tokio::test]
async fn r21_continue_is_said_only_after_the_checks() {
    let site = Site::new();
    let mut client = site.connect();
    let expects = "Content-Length: 2\r\nExpect: 100-continue\r\n";
    let head = site.head(PATH, expects);
    client.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    client.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"{}").await.unwrap();
    assert_eq!(status(&one(&mut client).await), 200);
    let stranger = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\n{expects}\r\n");
    let reply = site.reply(stranger).await;
    assert_eq!(status(&reply), 401, "{reply}");
    assert!(reply.contains("www-authenticate: Bearer error=\"invalid_token\"\r\n"));
}

#[tokio::test]
async fn an_early_refusal_arrives_while_the_body_is_still_coming() {
    let site = Site::new();
    let mut client = site.connect();
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    // A client can have sent this much before it reads the reply.
    client.write_all(&[b'x'; 60_000]).await.unwrap();
    assert_eq!(status(&rest(&mut client).await), 401);
}

#[tokio::test]
async fn a_kept_connection_takes_one_push_after_the_other() {
    let site = Site::new();
    let mut client = site.connect();
    for _ in 0..3 {
        let sent = site.head(PATH, CHUNKED) + "1\r\n[\r\n1;x=y\r\n]\r\n0\r\nX: y\r\n\r\n";
        client.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(status(&one(&mut client).await), 200);
    }
    let get = site.head(PATH, "").replace("POST", "GET");
    client.write_all(get.as_bytes()).await.unwrap();
    assert_eq!(status(&one(&mut client).await), 200);
    assert_eq!(site.stored(), [b"[]"; 3]);
    let uses = lock(&site.inbox.notes);
    assert!(matches!(&uses[..], [CoverageNote::Used { path, .. }] if path == "acme/dialog_end"));
}

#[tokio::test(start_paused = true)]
async fn r12_a_request_that_is_under_way_is_answered_at_the_end() {
    let site = Site::new();
    let (mut idle, mut busy) = (site.connect(), site.connect());
    let head = site.head(PATH, TWO);
    busy.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    site.stopping.send_replace(true);
    assert_eq!(rest(&mut idle).await, "");
    busy.write_all(b"{}").await.unwrap();
    let reply = rest(&mut busy).await;
    assert_eq!(status(&reply), 200);
    assert!(reply.contains("connection: close\r\n"), "{reply}");
    drop((idle, busy));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(site.connections.count(), (0, 0));
}

#[tokio::test]
async fn a_token_comes_over_http_in_all_four_forms_and_no_cache_keeps_it() {
    let site = Site::new();
    let basic = "Authorization: Basic YTpodW50ZXIy\r\n";
    let json = r#"{"grant_type":"client_credentials","client_id":"a","client_secret":"hunter2"}"#;
    for (more, body) in [
        (basic, "grant_type=client_credentials"),
        (
            "",
            "grant_type=client_credentials&client_id=a&client_secret=hunter2",
        ),
        ("Content-Type: application/json\r\n", json),
        ("", "grant_type=password&username=a&password=hunter2"),
    ] {
        let length = body.len();
        let sent = format!(
            "POST /oauth2/token HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        );
        let reply = site.reply(sent).await;
        assert_eq!(status(&reply), 200, "{reply}");
        assert!(reply.contains("cache-control: no-store\r\n"), "{reply}");
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 3600);
        let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
        let client = site
            .receiver
            .authenticator
            .client_of(&bearer, &Mutex::default());
        assert_eq!(client.as_deref(), Some("a"));
    }
    let wrong = "grant_type=password&username=a&password=x";
    let length = wrong.len();
    let sent = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{wrong}"
    );
    let reply = site.reply(sent).await;
    assert_eq!(status(&reply), 401);
    assert!(reply.contains("www-authenticate: Basic realm"), "{reply}");
    assert!(reply.ends_with("{\"error\":\"invalid_client\"}"), "{reply}");
    let large = Bytes::from(vec![b'x'; 17_000]);
    let sent = "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 17000\r\n\r\n";
    let reply = site.reply([sent.as_bytes(), &large].concat()).await;
    assert_eq!(status(&reply), 413);
}
