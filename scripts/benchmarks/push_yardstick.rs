//! Both ends of a push, for `scripts/bench receive`. `serve` answers every request over TLS with
//! 200 as soon as it has read it; no receiver can be faster. `push` sends bodies of one size over
//! connections that stay open, and measures the replies.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on ends"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[derive(Parser)]
enum Args {
    /// Print the port and answer until killed.
    Serve { certificate: String, key: String },
    /// Push, and print a line of JSON.
    Push(Push),
}

#[derive(clap::Args)]
struct Push {
    /// HOST:PORT
    host: String,
    path: String,
    /// The value of the header Authorization, or `-` to send no such header
    authorization: String,
    /// The authority to trust, or `-` for plain HTTP.
    trust: String,
    #[arg(long, default_value_t = 64)]
    connections: u64,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Pushes a second, over all connections. Without this option, as many as possible
    #[arg(long)]
    rate: Option<f64>,
}

fn main() {
    match Args::parse() {
        Args::Serve { certificate, key } => serve(&certificate, &key),
        Args::Push(push) => push.run(),
    }
}

fn serve(certificate: &str, key: &str) {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                continue;
            };
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let _ = socket.set_nodelay(true);
                if let Ok(stream) = acceptor.accept(socket).await {
                    let served = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service_fn(answer));
                    drop(served.await);
                }
            });
        }
    });
}

async fn answer(
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request.into_body().collect().await);
    let reply = Response::builder().header("content-type", "application/json");
    Ok(reply.body(Full::from(r#"{"status":"ok"}"#)).unwrap())
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

#[derive(Default)]
struct Measured {
    millis: Vec<f64>,
    replies: BTreeMap<u16, u64>,
}

impl Push {
    fn run(self) {
        let push = Arc::new(self);
        let began = Instant::now();
        let end = began + Duration::from_secs(push.seconds);
        let threads: Vec<_> = (0..push.connections)
            .map(|number| {
                let push = Arc::clone(&push);
                thread::spawn(move || push.connection(number, began, end))
            })
            .collect();
        let mut all = Measured::default();
        for thread in threads {
            let one = thread.join().unwrap();
            all.millis.extend(one.millis);
            for (status, count) in one.replies {
                *all.replies.entry(status).or_default() += count;
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        all.millis.sort_by(f64::total_cmp);
        let at = |share: f64| {
            all.millis
                .get((all.millis.len() as f64 * share) as usize)
                .copied()
        };
        let good = all.replies.get(&200).copied().unwrap_or(0);
        println!(
            "{}",
            serde_json::json!({"per_second": good as f64 / seconds, "p50_ms": at(0.5), "p99_ms": at(0.99), "replies": all.replies})
        );
    }

    fn connection(&self, number: u64, began: Instant, end: Instant) -> Measured {
        let mut stream = self.connect();
        let mut measured = Measured::default();
        let pause = self
            .rate
            .map(|rate| Duration::from_secs_f64(self.connections as f64 / rate));
        let mut due = began
            + pause
                .unwrap_or_default()
                .mul_f64(number as f64 / self.connections as f64);
        let mut bodies = Bodies::new(number + (u64::from(std::process::id()) << 32));
        loop {
            if let Some(pause) = pause {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                due += pause;
            }
            if Instant::now() >= end {
                break;
            }
            let body = bodies.next();
            let mut request = format!(
                "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
                self.path,
                self.host,
                body.len()
            );
            if self.authorization != "-" {
                request += &format!("Authorization: {}\r\n", self.authorization);
            }
            request += "\r\n";
            let mut request = request.into_bytes();
            request.extend_from_slice(body);
            let sent = Instant::now();
            let status = stream
                .write_all(&request)
                .ok()
                .and_then(|()| reply(&mut *stream));
            measured.millis.push(sent.elapsed().as_secs_f64() * 1000.0);
            *measured.replies.entry(status.unwrap_or(0)).or_default() += 1;
            if status.is_none() {
                stream = self.connect();
            }
        }
        measured
    }

    fn connect(&self) -> Box<dyn Stream> {
        let socket = TcpStream::connect(&self.host).unwrap();
        socket.set_nodelay(true).unwrap();
        if self.trust == "-" {
            return Box::new(socket);
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.trust).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        Box::new(StreamOwned::new(session, socket))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Records of `scripts/gen-cdr`. zstd --fast=3 compresses a single push to 1/1.7 of its size, and 64
/// pushes in one frame to 1/3.3. The records of the vendor's documentation, with identifiers in
/// their empty fields, compress better: to 1/2.4 and 1/3.5.
const RECORDS: &str = include_str!("pushed.ndjson");

/// The number of records in a push.
const PUSHED: usize = 4;

/// Bodies of 6 KB with the same records but different identifiers, so no record comes twice.
struct Bodies {
    text: Vec<u8>,
    /// The positions of the hexadecimal digits of an identifier.
    identifiers: Vec<Range<usize>>,
    state: u64,
}

impl Bodies {
    fn new(connection: u64) -> Bodies {
        let all: Vec<&str> = RECORDS.lines().collect();
        let all: Vec<&[&str]> = all.chunks_exact(PUSHED).collect();
        let records = all[connection as usize % all.len()];
        let text = format!(
            r#"{{"schemaName":"bench","sessionId":"5c2b9dc1-899a-4124-97f5-b7e3e02a0660","sessionStartingSequenceNumber":"0","messages":[{}]}}"#,
            records.join(",")
        );
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let mut identifiers = Vec::new();
        for run in text.split(|c| !is_digit(c)) {
            // A digit in a number must not become a letter.
            if run.len() >= 8 && run.contains(|c: char| c.is_ascii_lowercase()) {
                let start = run.as_ptr().addr() - text.as_ptr().addr();
                identifiers.push(start..start + run.len());
            }
        }
        Bodies {
            text: text.into_bytes(),
            identifiers,
            state: connection + 1,
        }
    }

    fn next(&mut self) -> &[u8] {
        for identifier in &self.identifiers {
            for digits in self.text[identifier.clone()].chunks_mut(16) {
                // A step of SplitMix64.
                self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut word = self.state;
                word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                word ^= word >> 31;
                for digit in digits {
                    *digit = b"0123456789abcdef"[(word & 15) as usize];
                    word >>= 4;
                }
            }
        }
        &self.text
    }
}

/// Reads a reply with a Content-Length to its end, and returns its status.
fn reply(stream: &mut dyn Stream) -> Option<u16> {
    let mut read = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next());
            let length: usize = length.unwrap_or("0").trim().parse().ok()?;
            if body.len() >= length {
                return head.split(' ').nth(1)?.parse().ok();
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend(&buffer[..count]),
        }
    }
}
