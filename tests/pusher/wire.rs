//! A request as bytes, which may break off anywhere in its body.

use std::fmt::Write;
use std::time::Duration;

use crate::sim::prng::Prng;

/// Where the body ends before its end, and how long nothing comes before that.
#[derive(Clone, Copy)]
pub struct Break {
    pub at: usize,
    pub stall: Duration,
}

pub struct Wire {
    pub head: String,
    pub body: Vec<u8>,
    pub broken: Option<Break>,
}

/// Scheme, host with port, and the rest of a URL.
pub fn split(url: &str) -> (&str, &str, &str) {
    let (scheme, rest) = url.split_once("://").expect("a URL has a scheme");
    let at = rest.find('/').unwrap_or(rest.len());
    let path = &rest[at..];
    (
        scheme,
        &rest[..at],
        if path.is_empty() { "/" } else { path },
    )
}

impl Wire {
    /// A body with its length.
    pub fn sized(url: &str, token: &str, headers: &[(&str, String)], body: &[u8]) -> Wire {
        let mut head = head(url, token, headers);
        let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
        Wire {
            head,
            body: body.to_vec(),
            broken: None,
        }
    }

    /// A body in chunks of any size.
    pub fn chunked(
        url: &str,
        token: &str,
        headers: &[(&str, String)],
        body: &[u8],
        random: &mut Prng,
    ) -> Wire {
        let head = head(url, token, headers) + "Transfer-Encoding: chunked\r\n\r\n";
        let mut chunks = Vec::with_capacity(body.len() + 64);
        let mut rest = body;
        while !rest.is_empty() {
            let length = (1 + random.below(8192) as usize).min(rest.len());
            chunks.extend(format!("{length:x}\r\n").as_bytes());
            chunks.extend(&rest[..length]);
            chunks.extend(b"\r\n");
            rest = &rest[length..];
        }
        chunks.extend(b"0\r\n\r\n");
        Wire {
            head,
            body: chunks,
            broken: None,
        }
    }

    pub fn broken(self, broken: Option<Break>) -> Wire {
        // At its very end it is not broken.
        let broken = broken.filter(|broken| broken.at < self.body.len());
        Wire { broken, ..self }
    }
}

fn head(url: &str, token: &str, headers: &[(&str, String)]) -> String {
    let (_, host, path) = split(url);
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: ReactorNetty/1.2.11\r\nAccept: application/json;v=1\r\n"
    );
    if !token.is_empty() {
        let _ = write!(head, "Authorization: Bearer {token}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head
}
