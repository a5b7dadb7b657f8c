//! Kept connections, as Reactor Netty keeps them: no idle limit, and one silent retry when a
//! connection is reset before a reply has begun.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::wire::{Wire, split};
use crate::sim::lock;

/// Certificates in PEM that are trusted.
#[derive(Clone)]
pub struct Trust(pub Vec<u8>);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

struct Kept {
    stream: Box<dyn Stream>,
    /// For a cut that nobody says goodbye before.
    socket: TcpStream,
    /// Read, and not used yet.
    read: Vec<u8>,
}

pub struct Pool {
    tls: Option<Arc<ClientConfig>>,
    idle: Mutex<HashMap<String, Vec<Kept>>>,
}

pub struct PushReply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Pool {
    pub fn new(trust: Option<&Trust>) -> Pool {
        let tls = trust.map(|trust| {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&trust.0) {
                let _ = roots.add(certificate.expect("a certificate in PEM"));
            }
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("ring knows them")
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Arc::new(config)
        });
        Pool {
            tls,
            idle: Mutex::default(),
        }
    }

    pub fn send(&self, url: &str, wire: &Wire) -> io::Result<PushReply> {
        let (scheme, host, _) = split(url);
        let key = format!("{scheme}://{host}");
        match self.send_once(&key, wire) {
            Err(e) if is_reset(&e) && wire.broken.is_none() => self.send_once(&key, wire),
            sent => sent,
        }
    }

    fn send_once(&self, key: &str, wire: &Wire) -> io::Result<PushReply> {
        let kept = lock(&self.idle).get_mut(key).and_then(Vec::pop);
        let mut kept = match kept {
            Some(kept) => kept,
            None => self.connect(key)?,
        };
        kept.stream.write_all(wire.head.as_bytes())?;
        if let Some(broken) = wire.broken {
            kept.stream.write_all(&wire.body[..broken.at])?;
            kept.stream.flush()?;
            thread::sleep(broken.stall);
            let _ = kept.socket.shutdown(Shutdown::Both);
            return Err(io::ErrorKind::Interrupted.into());
        }
        // A refusal may come while the body is still going out.
        let written = kept
            .stream
            .write_all(&wire.body)
            .and_then(|()| kept.stream.flush());
        let (reply, is_kept) = match (kept.read_reply(), written) {
            (Ok(reply), _) => reply,
            (Err(_), Err(e)) | (Err(e), Ok(())) => return Err(e),
        };
        if is_kept {
            lock(&self.idle)
                .entry(key.to_owned())
                .or_default()
                .push(kept);
        }
        Ok(reply)
    }

    fn connect(&self, key: &str) -> io::Result<Kept> {
        let (scheme, host, _) = split(key);
        let socket = TcpStream::connect(host)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let ours = socket.try_clone()?;
        let stream: Box<dyn Stream> = match (scheme, &self.tls) {
            ("https", Some(config)) => {
                let name = host
                    .rsplit_once(':')
                    .map_or(host, |(name, _)| name)
                    .to_owned();
                let name = ServerName::try_from(name).map_err(io::Error::other)?;
                let session =
                    ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(session, socket))
            }
            _ => Box::new(socket),
        };
        Ok(Kept {
            stream,
            socket: ours,
            read: Vec::new(),
        })
    }
}

/// The errors that its client repeats a request after, silently.
fn is_reset(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
    )
}

impl Kept {
    /// The reply, and whether the connection can be used again.
    fn read_reply(&mut self) -> io::Result<(PushReply, bool)> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        self.read.drain(..end);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status
            .and_then(|text| text.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        let header = |name: &str| {
            let mut headers = head.lines().filter_map(|line| line.split_once(':'));
            let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_owned())
        };
        if status == 100 {
            return self.read_reply();
        }
        let declared = header("content-length").and_then(|text| text.parse::<usize>().ok());
        let length = if status == 204 { Some(0) } else { declared };
        let is_chunked = header("transfer-encoding").is_some();
        let body = match length {
            Some(length) => {
                while self.read.len() < length {
                    self.more()?;
                }
                self.read.drain(..length).collect()
            }
            None if is_chunked => self.read_chunks()?,
            None => {
                while self.more().is_ok() {}
                std::mem::take(&mut self.read)
            }
        };
        let closes = header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let is_kept = !closes && (length.is_some() || is_chunked);
        Ok((PushReply { status, body }, is_kept))
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let at = loop {
                if let Some(at) = self.read.windows(2).position(|two| two == b"\r\n") {
                    break at;
                }
                self.more()?;
            };
            let size = String::from_utf8_lossy(&self.read[..at]).trim().to_owned();
            let size = usize::from_str_radix(&size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            while self.read.len() < at + 4 + size {
                self.more()?;
            }
            body.extend(&self.read[at + 2..at + 2 + size]);
            self.read.drain(..at + 4 + size);
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            count => {
                self.read.extend(&buffer[..count]);
                Ok(())
            }
        }
    }
}
