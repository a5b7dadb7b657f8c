//! What goes back: a reply with a length or in chunks, on time or late, all of it, half of it, or
//! nothing at all.

use std::io::{self, Write};
use std::time::Duration;

use chrono::Utc;
use serde::Serialize;
use serde_json::json;

use super::server::Stop;

/// How much of a reply reaches the client.
#[derive(Clone, Copy, PartialEq)]
pub enum Delivery {
    Whole,
    /// The head promises everything, half of the body follows, then silence for so long, then the
    /// end of the connection.
    Half(Duration),
    Nothing,
}

/// Writes a body that is made while it is sent.
pub type Stream = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + Send>;

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// In place of the body, in chunks.
    pub stream: Option<Stream>,
    pub chunked: bool,
    pub delay: Duration,
    pub delivery: Delivery,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: vec![("Content-Type", content_type.to_owned())],
            body: body.into(),
            stream: None,
            chunked: false,
            delay: Duration::ZERO,
            delivery: Delivery::Whole,
        }
    }

    pub fn empty(status: u16) -> Reply {
        Reply {
            headers: Vec::new(),
            ..Reply::new(status, "", "")
        }
    }

    /// JSON that is never in memory as a whole.
    pub fn stream(stream: Stream) -> Reply {
        Reply {
            stream: Some(stream),
            chunked: true,
            ..Reply::new(200, "application/json", "")
        }
    }

    pub fn json(status: u16, value: &impl Serialize) -> Reply {
        let body = serde_json::to_vec(value).expect("replies are plain structures");
        Reply::new(status, "application/json", body)
    }

    /// How the vendor's services word an error.
    pub fn message(status: u16, message: &str) -> Reply {
        Reply::json(status, &json!({ "message": message }))
    }

    /// Writes the reply; the answer is whether the connection can serve another request.
    pub fn send(&self, output: &mut impl Write, stop: &Stop) -> io::Result<bool> {
        if stop.wait(self.delay) || self.delivery == Delivery::Nothing {
            return Ok(false);
        }
        output.write_all(self.head().as_bytes())?;
        if let Some(stream) = &self.stream {
            let mut chunks = io::BufWriter::with_capacity(CHUNK, Chunks(&mut *output));
            stream(&mut chunks)?;
            chunks.flush()?;
            drop(chunks);
            output.write_all(b"0\r\n\r\n")?;
            output.flush()?;
            return Ok(true);
        }
        let (sent, pause) = match self.delivery {
            Delivery::Half(pause) => (&self.body[..self.body.len() / 2], Some(pause)),
            _ => (&self.body[..], None),
        };
        if self.chunked {
            for chunk in sent.chunks(8192) {
                write!(output, "{:x}\r\n", chunk.len())?;
                output.write_all(chunk)?;
                output.write_all(b"\r\n")?;
            }
            if pause.is_none() {
                output.write_all(b"0\r\n\r\n")?;
            }
        } else {
            output.write_all(sent)?;
        }
        output.flush()?;
        if let Some(pause) = pause {
            stop.wait(pause);
        }
        Ok(pause.is_none())
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        // One of the simulator's services has a calendar of its own.
        if !self.headers.iter().any(|(name, _)| *name == "Date") {
            let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
            head += &format!("Date: {date}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.chunked {
            head += "Transfer-Encoding: chunked\r\n";
        } else if self.status != 204
            && !self
                .headers
                .iter()
                .any(|(name, _)| *name == "Content-Length")
        {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        head + "\r\n"
    }
}

const CHUNK: usize = 64 * 1024;

/// Each write is a chunk.
struct Chunks<W>(W);

impl<W: Write> Write for Chunks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write!(self.0, "{:x}\r\n", bytes.len())?;
        self.0.write_all(bytes)?;
        self.0.write_all(b"\r\n")?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200..=299 => "OK",
        300..=399 => "Redirect",
        400..=499 => "Client Error",
        _ => "Server Error",
    }
}
