//! The one HTTP client: timeouts that always end, redirects that never carry a
//! credential to a stranger, and errors that say whether to try again.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
pub use url::Url;

use crate::error;
use crate::net::secret::Secret;
use crate::os::signals::Stop;
use crate::time::parse_positive_duration;

/// A reply that is read as text is JSON about exports, never this long.
const MAX_TEXT: u64 = 16 * 1024 * 1024;
const MAX_REDIRECTS: usize = 5;
/// Bodies are copied in pieces of this size: more gains nothing.
const COPY: usize = 256 * 1024;

/// The flags of a program that speaks HTTP.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct HttpArgs {
    /// Give up on a connection that takes longer than DUR to come about.
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = parse_positive_duration)]
    pub connect_timeout: Duration,

    /// Give up on a reply in which nothing arrives for DUR. A long download may
    /// take as long as it likes, so long as it moves.
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_positive_duration)]
    pub read_timeout: Duration,

    /// Trust the certificates in the PEM file FILE instead of the platform's.
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
}

/// The client. Clones share connections. Proxies come from `HTTPS_PROXY`,
/// `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
#[derive(Clone, Debug)]
pub struct Http {
    agent: ureq::Agent,
}

/// What to ask.
#[derive(Debug)]
pub struct Request<'a> {
    /// Where. A query may be part of it.
    pub url: Url,
    /// What kind of reply is wanted.
    pub accept: &'a str,
    /// Header lines that authenticate. They stay with the origin of `url`.
    pub credentials: &'a [(String, Secret)],
    /// Further header lines.
    pub headers: &'a [(String, String)],
    /// Makes it a POST.
    pub body: Option<RequestBody<'a>>,
}

/// What a POST carries; its content may be secret.
pub struct RequestBody<'a> {
    /// The media type.
    pub content_type: &'a str,
    /// The content.
    pub bytes: &'a [u8],
}

impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of {}", self.bytes.len(), self.content_type)
    }
}

/// A reply of any status, its body unread.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After` as it came.
    pub retry_after: Option<String>,
    /// The header `Date` as it came.
    pub date: Option<String>,
    /// The header `Content-Type` as it came.
    pub content_type: Option<String>,
    /// When the first byte of the reply was here.
    pub began: Instant,
    headers: ureq::http::HeaderMap,
    body: ureq::Body,
}

/// Why there is no reply, or no whole one.
#[derive(Debug)]
pub struct NetError {
    /// Nothing of the request can have reached the service: repeating is safe
    /// whatever the request was.
    pub unsent: bool,
    /// Trying again may help.
    pub passing: bool,
    /// Nothing arrived for too long: asking for less may help.
    pub timed_out: bool,
    text: String,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for NetError {}

impl Http {
    /// A client with these settings.
    pub fn new(args: &HttpArgs) -> anyhow::Result<Http> {
        let roots = match &args.ca_cert {
            None => RootCerts::PlatformVerifier,
            Some(path) => {
                let place = || format!("--ca-cert {}", path.display());
                let pem = std::fs::read(path)
                    .map_err(|e| error::usage(e.to_string()))
                    .with_context(place)?;
                let certificates: Vec<_> = parse_pem(&pem)
                    .filter_map(|item| match item {
                        Ok(PemItem::Certificate(certificate)) => Some(certificate),
                        _ => None,
                    })
                    .collect();
                if certificates.is_empty() {
                    return Err(error::usage("no certificate in it")).with_context(place);
                }
                RootCerts::from(certificates)
            }
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("callpipe/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(args.connect_timeout))
            .timeout_connect(Some(args.connect_timeout))
            .timeout_per_read(Some(args.read_timeout))
            .timeout_per_write(Some(args.read_timeout))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Http {
            agent: config.new_agent(),
        })
    }

    /// Ends requests under way when a stop is requested.
    pub fn end_on(&self, stop: &Stop) {
        let agent = self.agent.clone();
        stop.on_stop(move || agent.clone().shutdown());
    }

    /// Sends a request and returns the reply, whatever its status. Redirects of
    /// a GET are followed, to another origin without the credentials; those of a
    /// POST are returned as they are.
    pub fn send(&self, request: &Request<'_>) -> Result<Reply, NetError> {
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let reply = self.reply(request, &url)?;
            let is_redirect = matches!(reply.status, 301 | 302 | 303 | 307 | 308);
            if let (true, None, Some(location)) =
                (is_redirect, &request.body, reply.header("location"))
            {
                let next = url
                    .join(location)
                    .map_err(|e| NetError::final_one(format!("redirect: {e}")))?;
                if next.origin() != request.url.origin() {
                    check_url(&next).map_err(|e| NetError::final_one(format!("redirect: {e}")))?;
                }
                log::debug!("{} redirects to {}", show(&url), show(&next));
                url = next;
                continue;
            }
            return Ok(reply);
        }
        Err(NetError::final_one(format!(
            "more than {MAX_REDIRECTS} redirects"
        )))
    }

    /// Sends a request and returns the reply, also if that is a redirect: for
    /// addresses that hold a secret, and where nobody else is to be believed.
    pub fn send_directly(&self, request: &Request<'_>) -> Result<Reply, NetError> {
        self.reply(request, &request.url)
    }

    fn reply(&self, request: &Request<'_>, url: &Url) -> Result<Reply, NetError> {
        let response = self.send_once(request, url)?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let method = if request.body.is_some() {
            "POST"
        } else {
            "GET"
        };
        log::debug!("{method} {}: HTTP {status}", show(url));
        Ok(Reply {
            status,
            retry_after: header("retry-after"),
            date: header("date"),
            content_type: header("content-type"),
            began: Instant::now(),
            headers: response.headers().clone(),
            body: response.into_body(),
        })
    }

    fn send_once(
        &self,
        request: &Request<'_>,
        url: &Url,
    ) -> Result<ureq::http::Response<ureq::Body>, NetError> {
        let mut builder = ureq::http::Request::builder()
            .uri(url.as_str())
            .header("accept", request.accept)
            // A compressed body would make the declared length a lie.
            .header("accept-encoding", "identity");
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if url.origin() == request.url.origin() {
            for (name, value) in request.credentials {
                builder = builder.header(name, value.expose());
            }
        }
        let result = match &request.body {
            None => builder.body(()).map(|request| self.agent.run(request)),
            Some(body) => builder
                .method("POST")
                .header("content-type", body.content_type)
                .body(body.bytes)
                .map(|request| self.agent.run(request)),
        };
        match result {
            Ok(result) => result.map_err(|e| NetError::from_ureq(e, url, *url == request.url)),
            Err(_) => Err(NetError::final_one(
                "a header value has characters that HTTP does not allow".to_owned(),
            )),
        }
    }
}

impl Reply {
    /// A header as it came; `None` if it is absent or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as it arrives. Its errors are the network's: see
    /// [`NetError::of_body`].
    pub fn reader(&mut self) -> impl Read {
        self.body.as_reader()
    }

    /// The body as text, for JSON and for error messages.
    pub fn text(&mut self) -> Result<String, NetError> {
        let mut bytes = Vec::new();
        self.body
            .as_reader()
            .take(MAX_TEXT)
            .read_to_end(&mut bytes)
            .map_err(|e| NetError::of_body(&e))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Copies the body to `sink` in pieces. The outer error is the sink's, the
    /// inner one the network's.
    pub fn copy_to(&mut self, sink: &mut impl Write) -> io::Result<Result<u64, NetError>> {
        let mut reader = self.body.as_reader();
        let mut buffer = vec![0; COPY];
        let mut total = 0;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(Ok(total)),
                Ok(count) => {
                    sink.write_all(&buffer[..count])?;
                    total += count as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Ok(Err(NetError::of_body(&e))),
            }
        }
    }
}

impl NetError {
    fn final_one(text: String) -> NetError {
        NetError {
            unsent: false,
            passing: false,
            timed_out: false,
            text,
        }
    }

    fn from_ureq(e: ureq::Error, url: &Url, is_first: bool) -> NetError {
        use ureq::Error as E;
        use ureq::Timeout as T;
        let unsent = match &e {
            E::HostNotFound | E::ConnectionFailed | E::Tls(_) | E::Rustls(_) => true,
            E::Timeout(T::Resolve | T::Connect) => true,
            E::Io(e) => matches!(
                e.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotConnected
            ),
            _ => false,
        };
        let passing = matches!(
            e,
            E::HostNotFound | E::ConnectionFailed | E::Io(_) | E::Timeout(_) | E::Protocol(_)
        );
        NetError {
            unsent,
            passing,
            timed_out: matches!(e, E::Timeout(_)),
            // The caller says which request it was; of a redirect it does not know.
            text: match is_first {
                true => e.to_string(),
                false => format!("redirected to {}: {e}", show(url)),
            },
        }
    }

    /// Why a body broke off.
    pub fn of_body(e: &io::Error) -> NetError {
        let inner = e.get_ref().and_then(|e| e.downcast_ref::<ureq::Error>());
        NetError {
            unsent: false,
            passing: true,
            timed_out: e.kind() == io::ErrorKind::TimedOut
                || matches!(inner, Some(ureq::Error::Timeout(_))),
            text: format!("the reply broke off: {e}"),
        }
    }
}

/// A URL for messages: without a query, which may hold a signature, and without
/// user and password.
pub fn show(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// Reads a base URL. Plain `http` is refused but to this machine: a password
/// would cross the network readable.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let url = parse_any_url(text)?;
    check_url(&url)?;
    Ok(url)
}

/// Reads a base URL that may be plain `http`, for a caller that asks by name
/// for a host that has nothing else.
pub fn parse_any_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("'{text}' is not a URL: {e}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user and password do not belong in a URL".to_owned());
    }
    Ok(url)
}

/// Refuses plain `http` but to this machine.
pub fn check_url(url: &Url) -> Result<(), String> {
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        "http" => Err(format!(
            "{}: use https; plain http would show credentials to the network",
            show(url)
        )),
        other => Err(format!("{}: {other} is not https", show(url))),
    }
}

/// Appends a path, which is encoded already, to a base URL.
pub fn join_path(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let joined = format!("{}{path}", base.path().trim_end_matches('/'));
    url.set_path(&joined);
    url
}

/// The header that carries a bearer token.
pub fn bearer(token: &Secret) -> (String, Secret) {
    let value = Secret::new(format!("Bearer {}", token.expose()));
    ("Authorization".to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_only_to_this_machine() {
        assert!(parse_url("http://127.0.0.1:8080").is_ok());
        assert!(parse_url("http://[::1]:8080/x").is_ok());
        assert!(parse_url("http://localhost/").is_ok());
        assert!(parse_url("https://us1-a.ocp.ai").is_ok());
        assert!(
            parse_url("http://us1-a.ocp.ai")
                .unwrap_err()
                .contains("use https")
        );
        assert!(parse_url("http://localhost.evil.example").is_err());
        assert!(parse_url("ftp://127.0.0.1").is_err());
        assert!(parse_url("us1-a.ocp.ai").is_err());
        assert!(parse_url("https://u:p@us1-a.ocp.ai").is_err());
    }

    #[test]
    fn shown_urls_hold_no_secret() {
        let url = Url::parse("https://u:p@host/a/b?sig=s3cret#x").unwrap();
        assert_eq!(show(&url), "https://host/a/b");
    }

    #[test]
    fn a_base_path_is_kept() {
        let base = Url::parse("https://host/proxy/").unwrap();
        assert_eq!(join_path(&base, "/a/b").as_str(), "https://host/proxy/a/b");
    }
}
