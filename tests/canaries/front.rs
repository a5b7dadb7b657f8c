//! A proxy that asks for a password, and behind it, with TLS, every host there is: the
//! simulated vendors, whose replies repeat each secret that was ever sent to them or
//! came from them.

use std::cell::RefCell;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{PERSON, PROXY_LOGIN, SECRETS, forms};
use crate::sim::http::Request;
use crate::sim::reply::Reply;
use crate::sim::{Sim, lock};

/// The faults of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Good,
    /// This status in place of 200, with everything in an error of JSON.
    Refuses(u16),
    /// The same in plain text.
    RefusesInText(u16),
    /// To an address that holds everything.
    Redirects,
    /// A page for people.
    Html,
    /// JSON that ends in its middle.
    Cut,
    /// JSON of another shape.
    Strange,
    /// Records of which a field has another type, or text in place of a number.
    Odd,
    /// The proxy answers CONNECT so.
    ProxyRefuses(u16),
}

/// Whose replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Everybodys,
    /// A login works.
    AllButTokens,
}

#[derive(Clone)]
pub struct Front {
    pub port: u16,
    sim: Arc<Sim>,
    mood: Arc<Mutex<(Mood, Whose)>>,
    tls: Arc<ServerConfig>,
    /// Tokens that were given out.
    given: Arc<Mutex<Vec<String>>>,
    /// The requests since the mood changed.
    sent: Arc<Mutex<String>>,
}

/// A stream that is read and written by turns.
struct Both<S>(Rc<RefCell<S>>);

impl<S: Read> Read for Both<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

impl<S: Write> Write for Both<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl Front {
    /// With the certificate `leaf.pem` and its key in `dir`.
    pub fn start(sim: Sim, dir: &Path) -> Front {
        let certificate = CertificateDer::from_pem_file(dir.join("leaf.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(dir.join("leaf.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let front = Front {
            port: listener.local_addr().unwrap().port(),
            sim: Arc::new(sim),
            mood: Arc::new(Mutex::new((Mood::Good, Whose::Everybodys))),
            tls: Arc::new(tls),
            given: Arc::default(),
            sent: Arc::default(),
        };
        let serving = front.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let front = serving.clone();
                // A client that leaves is an ordinary end.
                thread::spawn(move || drop(front.connection(stream)));
            }
        });
        front
    }

    pub fn set(&self, mood: Mood, whose: Whose) {
        *lock(&self.mood) = (mood, whose);
        lock(&self.given).clear();
        lock(&self.sent).clear();
    }

    /// Tokens that were given out so far.
    pub fn given(&self) -> Vec<String> {
        lock(&self.given).clone()
    }

    fn connection(&self, mut stream: TcpStream) -> io::Result<()> {
        let asked = {
            // Nothing follows a CONNECT before its reply.
            let mut input = BufReader::with_capacity(1, stream.try_clone()?);
            Request::read(&mut input, &mut stream)?
        };
        let Some(asked) = asked else {
            return Ok(());
        };
        let login = format!("Basic {}", BASE64_STANDARD.encode(PROXY_LOGIN));
        let is_known = asked.header("proxy-authorization") == Some(login.as_str());
        let refused = match lock(&self.mood).0 {
            Mood::ProxyRefuses(status) => Some(status),
            _ if !is_known => Some(407),
            _ => None,
        };
        if let Some(status) = refused {
            let everything = self.everything(&asked);
            let head = head(status, &everything);
            write!(
                stream,
                "{head}Content-Length: {}\r\n\r\n{everything}",
                everything.len()
            )?;
            return Ok(());
        }
        write!(
            stream,
            "HTTP/1.1 200 {PROXY_LOGIN}\r\nX-Echo: {login}\r\n\r\n"
        )?;
        let session = ServerConnection::new(Arc::clone(&self.tls)).map_err(io::Error::other)?;
        let both = Rc::new(RefCell::new(StreamOwned::new(session, stream)));
        let mut input = BufReader::new(Both(Rc::clone(&both)));
        let mut output = Both(both);
        while let Some(request) = Request::read(&mut input, &mut output)? {
            output.write_all(&self.answer(&request))?;
            output.flush()?;
        }
        Ok(())
    }

    /// Everything that must not be shown: what came with the request, in its own form, and
    /// every secret that was sent in any form, as it is.
    fn everything(&self, request: &Request) -> String {
        let headers = request.headers.iter().map(|(_, value)| value.clone());
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let parts: Vec<String> = headers.chain([request.target.clone(), body]).collect();
        let mut sent = lock(&self.sent);
        *sent += &parts.join("\n");
        let is_sent = |value: &str| forms(value).iter().any(|form| sent.contains(form));
        let known = SECRETS.iter().map(|(_, value)| *value);
        let known = known.filter(|value| is_sent(value)).map(str::to_owned);
        let all = known.chain(self.given()).chain(parts);
        let all: Vec<String> = all.map(|part| part.replace(['\r', '\n'], " ")).collect();
        all.join(" ; ")
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        let is_token = request.path().ends_with("/token");
        let (mood, whose) = *lock(&self.mood);
        let mood = match whose {
            Whose::AllButTokens if is_token => Mood::Good,
            _ => mood,
        };
        let mut reply = match request.path() {
            "/receiver/token" => Reply::new(
                200,
                "application/json",
                r#"{"access_token":"cn4ry.of-the.receiver","token_type":"Bearer","expires_in":3600}"#,
            ),
            path if path.starts_with("/receiver/") => {
                Reply::new(200, "application/json", r#"{"status":"ok"}"#)
            }
            _ => self.sim.answer(request),
        };
        let is_delivered = matches!(mood, Mood::Good | Mood::Odd);
        if is_token
            && is_delivered
            && let Ok(grant) = serde_json::from_slice::<serde_json::Value>(&reply.body)
        {
            let tokens = ["access_token", "refresh_token"].map(|name| grant[name].as_str());
            let tokens = tokens.into_iter().flatten().map(str::to_owned);
            lock(&self.given).extend(tokens);
        }
        let everything = self.everything(request);
        self.spoil(&mut reply, mood, &everything);
        let mut head = head(reply.status, &everything);
        for (name, value) in &reply.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", reply.body.len());
        [head.into_bytes(), reply.body].concat()
    }

    fn spoil(&self, reply: &mut Reply, mood: Mood, everything: &str) {
        let json = |status, value: serde_json::Value| Reply::json(status, &value);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let is_json = text.starts_with(['{', '[']);
        *reply = match mood {
            Mood::Good | Mood::ProxyRefuses(_) => return,
            Mood::Refuses(status) => json(
                status,
                serde_json::json!({
                    "error": everything, "error_description": everything, "message": everything,
                    "errors": [{"field": everything, "reason": everything}], "detail": everything,
                    "code": everything,
                }),
            ),
            Mood::RefusesInText(status) => Reply::new(status, "text/plain", everything),
            Mood::Redirects => {
                let mut reply = Reply::empty(302);
                let words: Vec<&str> = everything.split(" ; ").take(6).collect();
                let path = words.join("/").replace(' ', "%20");
                let location = format!("https://{PROXY_LOGIN}@elsewhere.test/{path}?sig={path}");
                reply.headers.push(("Location", location));
                reply
            }
            Mood::Html => Reply::new(
                200,
                "text/html",
                format!("<html><title>{everything}</title>{everything}</html>"),
            ),
            Mood::Cut => Reply::new(
                reply.status,
                "application/json",
                &reply.body[..reply.body.len() / 2],
            ),
            Mood::Strange => json(
                200,
                serde_json::json!({
                    "export_id": {"is": everything}, "status": everything, "data": everything,
                    "access_token": [everything], "result": everything, "rows": everything,
                    "person": PERSON.join(" "),
                }),
            ),
            Mood::Odd if is_json => {
                let person = PERSON.join(" ");
                let mut text =
                    text.replace("\"progressPhase\":\"", "\"progressPhase\":[],\"x\":\"");
                for name in ["startTime", "endTime", "recording"] {
                    let (from, to) = (format!("\"{name}\":\""), format!("\"{name}\":\"{person}"));
                    text = text.replace(&from, &to);
                }
                text = text.replace("\"ts\":", &format!("\"ts\":\"{person}\",\"x\":"));
                text = text.replace(
                    "\"export_id\":\"",
                    &format!("\"export_id\":7,\"x\":\"{person}"),
                );
                text = text.replace(
                    "\"expires_in\":",
                    &format!("\"expires_in\":\"{everything}\",\"x\":"),
                );
                Reply::new(200, "application/json", text)
            }
            Mood::Odd => return,
        };
    }
}

/// A status line and headers that repeat everything.
fn head(status: u16, everything: &str) -> String {
    let first: String = everything
        .chars()
        .filter(|c| c.is_ascii() && !c.is_control())
        .collect();
    format!(
        "HTTP/1.1 {status} {first}\r\nX-Echo: {first}\r\nServer: {first}\r\nX-Request-Id: {first}\r\n\
         WWW-Authenticate: Bearer realm=\"{first}\"\r\nSet-Cookie: s={first}\r\n\
         Content-Disposition: attachment; filename=\"{first}\"\r\n"
    )
}
