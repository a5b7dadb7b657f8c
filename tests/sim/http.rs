//! The little of HTTP/1.1 that the suite's clients send: requests with a length or in chunks, their
//! headers, and parameters in the query or a form. Not a mock crate's, because replies that stop
//! half-way (`reply`) need the socket.

use std::io::{self, BufRead, Read, Write};

pub struct Request {
    pub method: String,
    /// Path and query exactly as sent.
    pub target: String,
    pub body: Vec<u8>,
    pub keep_alive: bool,
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The next request of a connection, or `None` where the client has closed it between two.
    pub fn read(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(malformed("request line"));
        };
        let mut request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            body: Vec::new(),
            keep_alive: version == "HTTP/1.1",
            headers: read_headers(input)?,
        };
        if request
            .header("connection")
            .is_some_and(|v| v.eq_ignore_ascii_case("close"))
        {
            request.keep_alive = false;
        }
        if request.header("expect").is_some() {
            output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = match (
            request.header("transfer-encoding"),
            request.header("content-length"),
        ) {
            (Some(_), _) => read_chunks(input)?,
            (None, Some(length)) => read_exactly(
                input,
                length.parse().map_err(|_| malformed("content-length"))?,
            )?,
            (None, None) => Vec::new(),
        };
        Ok(Some(request))
    }

    /// The same request with another method, target and body.
    pub fn rewritten(&self, method: &str, target: &str, body: Vec<u8>) -> Request {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            body,
            keep_alive: self.keep_alive,
            headers: self.headers.clone(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        self.target
            .split_once('?')
            .and_then(|(_, query)| parameter(query, name))
    }

    /// All values of a parameter of the query that may be repeated.
    pub fn query_all(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let named = pairs.filter(|(key, _)| unescape(key) == name);
        named.map(|(_, value)| unescape(value)).collect()
    }

    /// A field of a form-encoded body.
    pub fn form(&self, name: &str) -> Option<String> {
        std::str::from_utf8(&self.body)
            .ok()
            .and_then(|form| parameter(form, name))
    }
}

fn read_headers(input: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim_end().is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
}

fn read_exactly(input: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if input.take(length).read_to_end(&mut body)? as u64 == length {
        Ok(body)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn read_chunks(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        input.read_line(&mut size)?;
        let length = u64::from_str_radix(size.trim(), 16).map_err(|_| malformed("chunk size"))?;
        body.extend(read_exactly(input, length)?);
        input.read_line(&mut String::new())?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

fn parameter(pairs: &str, name: &str) -> Option<String> {
    let mut decoded = pairs
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = decoded.find(|(key, _)| unescape(key) == name)?;
    Some(unescape(value))
}

pub fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = || {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        };
        match (first, escaped()) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
