//! Passes requests on to a simulated vendor, and its replies back, some of them mangled.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::mangled;

/// One reply in this many is mangled.
const ONE_IN: u64 = 3;

/// The address of a proxy before `vendor`, a URL. It ends with the test process.
pub fn start(vendor: &str, seed: u64) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let vendor = vendor.strip_prefix("http://").unwrap().to_owned();
    thread::spawn(move || {
        let count = AtomicU64::new(seed);
        thread::scope(|scope| {
            for stream in listener.incoming().flatten() {
                let (count, vendor) = (&count, vendor.as_str());
                scope.spawn(move || {
                    let nth = count.fetch_add(1, Ordering::Relaxed);
                    // It does not matter which side closes first.
                    drop(pass(stream, vendor, seed * 1000 + nth));
                });
            }
        });
    });
    url
}

fn pass(client: TcpStream, vendor: &str, seed: u64) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(text) = lower.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap_or(0);
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut upstream = TcpStream::connect(vendor)?;
    upstream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(upstream, "{head}Connection: close\r\n\r\n")?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    if seed.is_multiple_of(ONE_IN) {
        answer = mangle(&answer, seed / ONE_IN);
    }
    reader.get_mut().write_all(&answer)
}

/// A body that is mangled, with a length that is as it was or agrees; or all of it mangled.
fn mangle(answer: &[u8], seed: u64) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end.filter(|_| !seed.is_multiple_of(5)) else {
        return mangled(answer, seed);
    };
    let (head, body) = answer.split_at(end + 4);
    let body = mangled(body, seed);
    let head = String::from_utf8_lossy(head);
    let agrees = |line: &str| match line.to_lowercase().starts_with("content-length:") {
        true if !seed.is_multiple_of(4) => format!("Content-Length: {}\r\n", body.len()),
        _ => line.to_owned(),
    };
    let head: String = head.split_inclusive("\r\n").map(agrees).collect();
    [head.as_bytes(), &body].concat()
}
