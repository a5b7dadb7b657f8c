//! A service whose test says byte for byte what it answers: for replies that no sound
//! server sends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone)]
pub struct Asked {
    pub target: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// Which request for this path it is, counted from 1.
    pub nth: usize,
}

impl Asked {
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// Answers each request on a connection of its own, which it closes afterwards. It ends
/// with the test process.
pub struct RawService {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl RawService {
    pub fn start(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> RawService {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                thread::spawn(move || serve(stream, &*answer, &log));
            }
        });
        RawService { port, asked }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests whose target holds `part`, in their order.
    pub fn asked(&self, part: &str) -> Vec<Asked> {
        let asked = self.asked.lock().expect("no test panics with it");
        let asked = asked.iter().filter(|asked| asked.target.contains(part));
        asked.cloned().collect()
    }
}

fn serve(stream: TcpStream, answer: &dyn Fn(&Asked) -> Vec<u8>, log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line.trim().is_empty() => break,
            Ok(_) => lines.push(line.trim_end().to_owned()),
        }
    }
    let header = |line: &String| {
        let (name, value) = line.split_once(": ").expect("a header");
        (name.to_lowercase(), value.to_owned())
    };
    let headers: BTreeMap<String, String> = lines[1..].iter().map(header).collect();
    let length = headers
        .get("content-length")
        .map_or(0, |text| text.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let mut asked = Asked {
        target: lines[0].split(' ').nth(1).expect("a target").to_owned(),
        headers,
        body: String::from_utf8(body).expect("UTF-8"),
        nth: 1,
    };
    {
        let mut log = log.lock().expect("no test panics with it");
        asked.nth += log
            .iter()
            .filter(|known| known.path() == asked.path())
            .count();
        log.push(asked.clone());
    }
    // The program may have what it needs, and close first.
    let _ = reader.get_mut().write_all(&answer(&asked));
}

/// A reply of status `status` with these header lines and a declared length.
pub fn reply(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.as_ref().len());
    let headers = [headers, &[&length]].concat();
    undelimited(status, &headers, body)
}

/// The same without a length: it ends with the connection.
pub fn undelimited(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    for header in headers {
        bytes.extend(format!("{header}\r\n").as_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body.as_ref());
    bytes
}

/// A JSON reply of status 200.
pub fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    reply("200 OK", &["Content-Type: application/json"], body)
}
