//! Services, proxies and environments that misbehave, the same for every vendor: each
//! test is a scripted server on loopback and one of the programs.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Program, Ran, program, scratch, shell};
use crate::raw_service::RawService;
use crate::sim::http::Request;

/// The form of a secret of these tests; no message may hold it.
const SECRET: &str = "s3cr3t-t0ken-of-the-test";

/// A server that answers each request with the bytes that a function makes.
struct Server {
    port: u16,
    /// When each request came, and its first line.
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Server {
    fn start(answer: impl Fn(&Request, usize) -> Vec<u8> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let (log, answer) = (seen.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                thread::spawn(move || serve(&stream, &log, &*answer));
            }
        });
        Server { port, seen }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|(_, line)| line.clone()).collect()
    }
}

fn serve(
    stream: &TcpStream,
    log: &Mutex<Vec<(Instant, String)>>,
    answer: &dyn Fn(&Request, usize) -> Vec<u8>,
) {
    let mut input = BufReader::new(stream);
    let mut output = stream;
    while let Ok(Some(request)) = Request::read(&mut input, &mut output) {
        let number = {
            let mut log = log.lock().unwrap();
            let line = format!("{} {}", request.method, request.target);
            log.push((Instant::now(), line));
            log.len()
        };
        if output.write_all(&answer(&request, number)).is_err() {
            return;
        }
    }
}

fn reply(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn voicegain(url: &str) -> Program {
    program("vg-consecutive")
        .env("VOICEGAIN_BASE_URL", format!("{url}/v1"))
        .env("VOICEGAIN_TOKEN", SECRET)
        .args(["--backoff", "10ms", "--tries", "2", "--rate", "1000/1s"])
}

fn dialpad(url: &str) -> Program {
    program("dialpad-window")
        .env("DIALPAD_BASE_URL", url)
        .env("DIALPAD_API_KEY", SECRET)
        .env("DIALPAD_PROVIDER_ID", "1020")
        .args(["--backoff", "10ms", "--tries", "2", "--from", "-1d"])
}

fn fetch(url: &str) -> Program {
    program("export-fetch")
        .env("OCP_API_URL", url)
        .env("OCP_TOKEN", SECRET)
        .args(["--out-dir", "zips", "--backoff", "10ms", "--tries", "2"])
        .args(["--poll", "10ms"])
        .stdin(PLAN)
}

fn token(url: &str) -> Program {
    program("ocp-token")
        .env("OCP_IAM_URL", url)
        .env("OCP_USERNAME", "demo")
        .env("OCP_PASSWORD", SECRET)
        .args(["--backoff", "10ms", "--tries", "2"])
}

const PLAN: &str = r#"{"group":"acme","types":["dialog_end"],"from":"2026-11-10T00:00:00Z","to":"2026-11-12T00:00:00Z"}
"#;

/// A URL of a host that only a proxy could reach.
const ELSEWHERE: &str = "https://vendor.example";

fn says(ran: &Ran, words: &str) {
    assert!(ran.stderr().contains(words), "{}", ran.stderr());
}

#[test]
fn a_proxy_that_is_busy_is_asked_again_and_one_that_refuses_is_named() {
    for (status, ends, requests, words) in [
        (
            503,
            75,
            2,
            "the proxy answers CONNECT with HTTP 503, after 2 tries",
        ),
        (
            429,
            75,
            2,
            "the proxy answers CONNECT with HTTP 429, after 2 tries",
        ),
        (
            408,
            75,
            2,
            "the proxy answers CONNECT with HTTP 408, after 2 tries",
        ),
        (400, 69, 1, "the proxy answers CONNECT with HTTP 400"),
        (407, 69, 1, "HTTP 407: it requires a login"),
        (403, 69, 1, "HTTP 403: it does not allow this host"),
    ] {
        let proxy = Server::start(move |_, _| reply(status, "Connection: close\r\n", ""));
        for program in [voicegain(ELSEWHERE), token(ELSEWHERE)] {
            let before = proxy.requests().len();
            let ran = program.env("HTTPS_PROXY", proxy.url()).run().ends(ends);
            says(&ran, words);
            assert_eq!(proxy.requests().len() - before, requests, "{status}");
        }
    }
}

#[test]
fn a_proxy_that_closes_the_connection_is_asked_again() {
    let proxy = RawService::start(|_| Vec::new());
    let program = voicegain(ELSEWHERE).env("HTTPS_PROXY", proxy.url());
    says(&program.run().ends(75), "after 2 tries");
    assert_eq!(proxy.asked("vendor.example").len(), 2);
}

#[test]
fn a_proxy_that_cannot_be_used_is_wrong_configuration() {
    for (name, value) in [
        ("HTTPS_PROXY", "socks5://127.0.0.1:9"),
        ("ALL_PROXY", "socks4://127.0.0.1:9"),
        ("https_proxy", "ftp://127.0.0.1:9"),
        ("HTTPS_PROXY", "http://[::"),
    ] {
        let ran = voicegain(ELSEWHERE).env(name, value).run().ends(2);
        says(&ran, "_PROXY: ");
        says(&ran, "give http://HOST:PORT");
    }
}

#[test]
fn no_proxy_sees_what_goes_to_this_machine() {
    let service = Server::start(|_, _| reply(200, "Content-Type: application/json\r\n", "[]"));
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
        voicegain(&service.url())
            .env(name, "http://127.0.0.1:9")
            .run()
            .ends(0);
    }
}

/// The ways in which a service may repeat a secret that it was sent.
fn echo(request: &Request) -> Vec<u8> {
    let sent = format!(
        "{} {} {}",
        request.header("authorization").unwrap_or("none"),
        request.target,
        String::from_utf8_lossy(&request.body)
    );
    let escape = "\u{1b}[31m";
    match request.path().len() % 3 {
        0 => reply(
            400,
            "Content-Type: application/json\r\n",
            &serde_json::json!({"error": {"reason": sent, "detail": escape}, "message": sent})
                .to_string(),
        ),
        1 => reply(
            302,
            &format!("Location: https://other.example/{SECRET}?x={SECRET}\r\n"),
            "",
        ),
        _ => reply(
            400,
            "Content-Type: text/plain\r\n",
            &format!("{escape}{sent}\r\n{sent}"),
        ),
    }
}

#[test]
fn a_secret_that_a_service_echoes_reaches_no_message_and_no_report() {
    let service = Server::start(|request, _| echo(request));
    let dir = scratch();
    for extra in ["", "/a", "/ab", "/abc"] {
        let url = format!("{}{extra}", service.url());
        for program in [voicegain(&url), dialpad(&url), fetch(&url), token(&url)] {
            let ran = program
                .dir(dir.path())
                .args(["-vv", "--report", "report"])
                .run();
            assert_ne!(ran.status(), 0);
            let report = std::fs::read_to_string(dir.path().join("report")).unwrap();
            for text in [ran.stderr(), report, ran.stdout()] {
                assert!(!text.contains(SECRET), "{text}");
                assert!(!text.contains('\u{1b}'), "{text:?}");
            }
        }
    }
}

#[test]
fn a_pause_that_a_failed_create_asks_for_holds_for_the_next_request() {
    let service = Server::start(|request, _| match request.method.as_str() {
        "POST" => reply(503, "Retry-After: 1\r\n", ""),
        _ => reply(200, "Content-Type: application/json\r\n", "[]"),
    });
    let dir = scratch();
    fetch(&service.url())
        .dir(dir.path())
        .args(["--deadline", "3s"])
        .run();
    let seen = service.seen.lock().unwrap();
    let pause = seen[1].0 - seen[0].0;
    assert!(seen[0].1.starts_with("POST"), "{seen:?}");
    assert!(pause >= Duration::from_millis(990), "{pause:?}");
}

#[test]
fn a_reply_beyond_its_bound_is_an_error_that_says_the_bound() {
    let long = format!("[{}0]", "0,".repeat(1_500_000));
    let service =
        Server::start(move |_, _| reply(200, "Content-Type: application/json\r\n", &long));
    let dir = scratch();
    let ran = fetch(&service.url()).dir(dir.path()).run().ends(69);
    says(&ran, "longer than 2 MiB");
}

#[test]
fn the_first_line_of_a_token_command_is_enough() {
    let service = Server::start(|_, _| reply(400, "", ""));
    let dir = scratch();
    let begun = Instant::now();
    let ran = fetch(&service.url())
        .dir(dir.path())
        .args(["--token-command", "sleep 30 2>/dev/null & echo t0ken"])
        .run()
        .ends(69);
    says(&ran, "HTTP 400");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it waited for the background process"
    );
}

#[test]
fn a_token_command_works_where_nobody_waits_for_children() {
    let service = Server::start(|_, _| reply(400, "", ""));
    let dir = scratch();
    let ran = shell("trap '' CHLD; exec export-fetch --out-dir zips --token-command 'echo t0ken'")
        .env("OCP_API_URL", service.url())
        .dir(dir.path())
        .stdin(PLAN)
        .run()
        .ends(69);
    says(&ran, "HTTP 400");
}

#[test]
fn an_empty_variable_is_unset_and_a_line_end_is_no_part_of_a_name() {
    let service = Server::start(|request, _| {
        let is_right = request.path().contains("/realms/master/")
            && request.form("username").as_deref() == Some("demo");
        match is_right {
            true => reply(200, "", r#"{"access_token":"at","expires_in":300}"#),
            false => reply(404, "", "{}"),
        }
    });
    let empty = ["OCP_REALM", "OCP_REGION", "OCP_OTP", "OCP_API_URL"];
    let ran = token(&service.url())
        .envs(empty.map(|name| (name, String::new())))
        .env("OCP_USERNAME", "demo\n")
        .arg("--raw")
        .run()
        .ends(0);
    assert_eq!(ran.stdout(), "at\n");
    // A setting without a value says so.
    for (program, name, words) in [
        ("export-fetch --out-dir x", "OCP_API_URL", "no API address"),
        ("ocp-token", "OCP_IAM_URL", "no IAM address"),
        ("dialpad-window --from -1d", "DIALPAD_BASE_URL", "no server"),
    ] {
        let ran = shell(program)
            .env(name, "")
            .env("OCP_USERNAME", "demo")
            .env("OCP_PASSWORD", "x")
            .env("DIALPAD_API_KEY", "x")
            .stdin(PLAN)
            .run()
            .ends(2);
        says(&ran, words);
    }
}

#[test]
fn lifetimes_of_tokens_may_be_spelled_in_any_way() {
    for lifetimes in [
        r#""expires_in":"300","refresh_expires_in":-1"#,
        r#""expires_in":300.7,"refresh_expires_in":null"#,
        r#""expires_in":300"#,
        r#""refresh_expires_in":"soon""#,
    ] {
        let body = format!(r#"{{"access_token":"at","refresh_token":"rt",{lifetimes}}}"#);
        let service = Server::start(move |_, _| reply(200, "", &body));
        let ran = token(&service.url()).arg("--raw").run().ends(0);
        assert_eq!(ran.stdout(), "at\n", "{lifetimes}");
    }
    let service = Server::start(|_, _| reply(200, "", r#"{"access_token":" ","expires_in":300}"#));
    says(&token(&service.url()).run().ends(77), "is empty");
}

#[test]
fn a_grant_from_the_future_is_not_believed() {
    let service = Server::start(|_, number| {
        let body = format!(r#"{{"access_token":"at.{number}","expires_in":300}}"#);
        reply(200, "", &body)
    });
    let home = scratch();
    let token = || {
        let program = token(&service.url()).arg("--raw");
        program.env("XDG_CACHE_HOME", home.path()).run().ends(0)
    };
    assert_eq!(token().stdout(), "at.1\n");
    assert_eq!(token().stdout(), "at.1\n");
    // The clock was two days ahead when the token was granted.
    let cache = home.path().join("callpipe");
    let entries = std::fs::read_dir(&cache)
        .unwrap()
        .map(|e| e.unwrap().path());
    let file = entries
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .last()
        .unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let mut grant: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in ["granted_at", "expires_at"] {
        grant[name] = "2999-01-01T00:00:00Z".into();
    }
    std::fs::write(&file, grant.to_string()).unwrap();
    assert_eq!(token().stdout(), "at.2\n");
}
