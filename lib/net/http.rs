//! HTTP: a timeout for each step of a request, redirects that never carry a credential to another
//! origin, proxies, and errors that say whether to try again.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use ureq::Proxy;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::error;
pub use crate::net::failure::NetError;
use crate::net::proxy;
use crate::net::secret::Secret;
pub use crate::net::url::{Url, check_url, form, join_path, parse_any_url, parse_url, show};
use crate::net::url::{form_text, is_loopback};
use crate::os::clock::Clock;
use crate::os::redaction;
use crate::os::signals::Stop;
use crate::time::parse_positive_duration;

/// The longest reply that is read as text, in bytes. A reply that is parsed into JSON values takes
/// up to 16 times as much memory as its text.
const MAX_TEXT: u64 = 2 * 1024 * 1024;
/// The largest part of an error body that is read, in bytes.
const MAX_ERROR: u64 = 64 * 1024;
/// A message shows at most this number of characters of a service's text.
const MAX_SAID: usize = 300;
const MAX_REDIRECTS: usize = 5;
/// Bodies are copied in blocks of this many bytes. Larger blocks are not faster.
const COPY: usize = 256 * 1024;

/// The flags of a program that speaks HTTP.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct HttpArgs {
    /// Give up if connecting takes longer than DUR.
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = parse_positive_duration)]
    pub connect_timeout: Duration,

    /// Give up on a reply if no data arrives for DUR. A download may take longer than DUR if data
    /// keeps arriving.
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_positive_duration)]
    pub read_timeout: Duration,

    /// Trust the certificates in the PEM file FILE instead of the platform's certificates.
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
}

/// The client. Clones share connections.
#[derive(Clone, Debug)]
pub struct Http {
    agents: Arc<Agents>,
    clock: Clock,
}

/// One HTTP client for each way to the network.
#[derive(Debug)]
struct Agents {
    /// The client without a proxy. Only requests to this machine use it: a proxy must not see them.
    direct: ureq::Agent,
    https: ureq::Agent,
    http: ureq::Agent,
}

/// The HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads something.
    Get,
    /// Reads only the headers that a GET would return.
    Head,
    /// Creates something, or sends a query in the body.
    Post,
    /// Replaces something.
    Put,
    /// Changes something.
    Patch,
    /// Removes something.
    Delete,
}

impl Method {
    /// The name of the method in HTTP.
    pub fn word(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Reads the name of a method, in upper or lower case. `None` for HEAD and for any other text.
    pub fn parse(text: &str) -> Option<Method> {
        let mut methods = [
            Method::Get,
            Method::Post,
            Method::Put,
            Method::Patch,
            Method::Delete,
        ]
        .into_iter();
        methods.find(|method| method.word().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A request to send.
#[derive(Debug)]
pub struct Request<'a> {
    /// The HTTP method.
    pub method: Method,
    /// The URL, with its query.
    pub url: Url,
    /// The value of `Accept`: the media type of the reply.
    pub accept: &'a str,
    /// Header lines that authenticate. They are sent only to the origin of `url`.
    pub credentials: &'a [(String, Secret)],
    /// More header lines.
    pub headers: &'a [(String, String)],
    /// The body, if the request has one.
    pub body: Option<RequestBody<'a>>,
}

/// The body of a request; its content can be secret.
#[derive(Clone, Copy)]
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

/// A reply of any status. Its body is not read yet.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The text of the header `Retry-After`.
    pub retry_after: Option<String>,
    /// The text of the header `Date`.
    pub date: Option<String>,
    /// The text of the header `Content-Type`.
    pub content_type: Option<String>,
    /// When all headers of the reply had arrived.
    pub began: Instant,
    headers: ureq::http::HeaderMap,
    body: ureq::Body,
}

impl Http {
    /// A client with these settings. Proxies come from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
    /// `NO_PROXY` in `env`, also in lower case. Returns an error with status 2 if a proxy or a
    /// certificate cannot be used.
    pub fn new(
        args: &HttpArgs,
        env: &dyn Fn(&str) -> Option<String>,
        clock: Clock,
    ) -> anyhow::Result<Http> {
        let roots = roots(args)?;
        let agent = |proxy: Option<Proxy>| {
            let config = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("callpipe/", env!("CARGO_PKG_VERSION")))
                .timeout_resolve(Some(args.connect_timeout))
                .timeout_connect(Some(args.connect_timeout))
                .timeout_per_read(Some(args.read_timeout))
                .timeout_per_write(Some(args.read_timeout))
                .tls_config(TlsConfig::builder().root_certs(roots.clone()).build())
                .proxy(proxy)
                .build();
            config.new_agent()
        };
        let agents = Agents {
            direct: agent(None),
            https: agent(proxy::from_env("HTTPS_PROXY", env)?),
            http: agent(proxy::from_env("HTTP_PROXY", env)?),
        };
        Ok(Http {
            agents: Arc::new(agents),
            clock,
        })
    }

    /// A client with the same settings and its own connections.
    pub(crate) fn anew(&self) -> Http {
        let anew = |agent: &ureq::Agent| ureq::Agent::new_with_config(agent.config().clone());
        let agents = Agents {
            direct: anew(&self.agents.direct),
            https: anew(&self.agents.https),
            http: anew(&self.agents.http),
        };
        Http {
            agents: Arc::new(agents),
            clock: self.clock.clone(),
        }
    }

    /// After this call, a request to stop (a signal or the deadline) ends the HTTP requests that
    /// are running.
    pub(crate) fn end_on(&self, stop: &Stop) {
        let agents = self.agents.clone();
        stop.on_stop(move || {
            for agent in [&agents.direct, &agents.https, &agents.http] {
                agent.clone().shutdown();
            }
        });
    }

    fn agent(&self, url: &Url) -> &ureq::Agent {
        match url.scheme() {
            _ if is_loopback(url) => &self.agents.direct,
            "http" => &self.agents.http,
            _ => &self.agents.https,
        }
    }

    /// Sends a request and returns the reply, whatever its status. Follows redirects of a GET;
    /// another origin does not get the credentials. For other methods, returns the redirect itself.
    pub fn send(&self, request: &Request<'_>) -> Result<Reply, NetError> {
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let reply = self.reply(request, &url)?;
            let is_redirect = matches!(reply.status, 301 | 302 | 303 | 307 | 308);
            let is_get = request.method == Method::Get;
            if let (true, true, Some(location)) = (is_redirect, is_get, reply.location()) {
                let next = url
                    .join(&location)
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

    /// Sends a request and returns the reply, even if it is a redirect. For URLs that contain a
    /// secret, and for requests whose redirects must not be followed.
    pub(crate) fn send_directly(&self, request: &Request<'_>) -> Result<Reply, NetError> {
        self.reply(request, &request.url)
    }

    fn reply(&self, request: &Request<'_>, url: &Url) -> Result<Reply, NetError> {
        let response = self.send_once(request, url)?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        log::debug!("{} {}: HTTP {status}", request.method, show(url));
        Ok(Reply {
            status,
            retry_after: header("retry-after"),
            date: header("date"),
            content_type: header("content-type"),
            began: self.clock.instant(),
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
            // Ask for an uncompressed body: the declared length of a compressed body is not the
            // length of its data.
            .header("accept-encoding", "identity");
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if url.origin() == request.url.origin() {
            for (name, value) in request.credentials {
                builder = builder.header(name, value.expose());
            }
        }
        let agent = self.agent(url);
        let result = match &request.body {
            None if matches!(request.method, Method::Get | Method::Head | Method::Delete) => {
                builder
                    .method(request.method.word())
                    .body(())
                    .map(|request| agent.run(request))
            }
            None => builder
                .method(request.method.word())
                .body(&[][..])
                .map(|request| agent.run(request)),
            Some(body) => builder
                .method(request.method.word())
                .header("content-type", body.content_type)
                .body(body.bytes)
                .map(|request| agent.run(request)),
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
    /// The value of a header; `None` if it is absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The target of a redirect. Some servers write the target as raw UTF-8.
    pub fn location(&self) -> Option<String> {
        let value = self.headers.get("location")?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Whether the reply declares the end of its body. If not, a body that was cut off looks
    /// complete.
    pub fn is_delimited(&self) -> bool {
        let is_chunked = |value: &str| value.to_ascii_lowercase().contains("chunked");
        self.header("content-length").is_some()
            || self.header("transfer-encoding").is_some_and(is_chunked)
    }

    /// Whether the media type is HTML, as for an error page of a proxy or a maintenance page.
    pub fn is_html(&self) -> bool {
        let kind = self
            .content_type
            .as_deref()
            .unwrap_or_default()
            .trim_start();
        kind.get(..9)
            .is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
    }

    /// Reads the body as it arrives. [`NetError::of_body`] turns an error of the reader into an
    /// error of the network.
    pub fn reader(&mut self) -> impl Read + '_ {
        self.body.as_reader()
    }

    /// The body as text, for JSON. Returns an error if the body is longer than 2 MiB.
    pub fn text(&mut self) -> Result<String, NetError> {
        let mut bytes = Vec::new();
        self.body
            .as_reader()
            .take(MAX_TEXT + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| NetError::of_body(&e))?;
        if bytes.len() as u64 > MAX_TEXT {
            return Err(NetError::final_one(format!(
                "the reply is longer than {} MiB",
                MAX_TEXT >> 20
            )));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The message in an error body, as one line without secrets: the text that `words` finds in
    /// the body. If `words` finds none: `an HTML page` for HTML, otherwise the start of the body.
    pub fn said(&mut self, words: impl Fn(&str) -> Option<String>) -> String {
        let mut bytes = Vec::new();
        // A read error does not matter: the bytes before the error are enough for a message.
        let _ = self.reader().take(MAX_ERROR).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        if let Some(words) = words(&text) {
            return shown(&words);
        }
        match text.trim_start().starts_with('<') {
            true => "an HTML page".to_owned(),
            false => shown(&text),
        }
    }

    /// Copies the body to `sink`, and returns its length in bytes. The outer error is an error of
    /// `sink`. The inner error is an error of the network, or says that the body is longer than
    /// `most` bytes.
    pub fn copy_to(
        &mut self,
        sink: &mut impl Write,
        most: u64,
    ) -> io::Result<Result<u64, NetError>> {
        let mut reader = self.body.as_reader();
        let mut buffer = vec![0; COPY];
        let mut total = 0;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(Ok(total)),
                Ok(count) => {
                    total += count as u64;
                    if total > most {
                        return Ok(Err(NetError::final_one(format!(
                            "the body is longer than {most} bytes"
                        ))));
                    }
                    sink.write_all(&buffer[..count])?;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Ok(Err(NetError::of_body(&e))),
            }
        }
    }
}

/// Turns a service's text into one line for a log: without secrets, at most 300 characters.
pub fn shown(text: &str) -> String {
    let text = redaction::clean(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_SAID).collect()
}

/// The certificates to trust.
fn roots(args: &HttpArgs) -> anyhow::Result<RootCerts> {
    let Some(path) = &args.ca_cert else {
        return Ok(RootCerts::PlatformVerifier);
    };
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
    match certificates.is_empty() {
        true => Err(error::usage("it contains no certificate")).with_context(place),
        false => Ok(RootCerts::from(certificates)),
    }
}

/// The header that carries the id and the secret of an OAuth2 client (RFC 6749 §2.3.1).
pub fn client_basic(client_id: &str, secret: &Secret) -> (String, Secret) {
    let pair = format!("{}:{}", form_text(client_id), form_text(secret.expose()));
    // `Secret::new` keeps the encoded pair out of messages, too, with and without the word `Basic`.
    let pair = Secret::new(BASE64_STANDARD.encode(pair));
    let value = Secret::new(format!("Basic {}", pair.expose()));
    ("Authorization".to_owned(), value)
}

/// The header that carries a bearer token.
pub fn bearer(token: &Secret) -> (String, Secret) {
    let value = Secret::new(format!("Bearer {}", token.expose()));
    ("Authorization".to_owned(), value)
}
