//! HTTP: timeouts that always end, redirects that never carry a credential to another
//! origin, proxies, and errors that say whether to try again.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use ureq::Proxy;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
pub use url::Url;

use crate::error;
use crate::net::secret::Secret;
use crate::os::clock::Clock;
use crate::os::redaction;
use crate::os::signals::Stop;
use crate::time::parse_positive_duration;

/// A reply that is read as text may be this long. As JSON values it takes up to 16
/// times as much memory.
const MAX_TEXT: u64 = 2 * 1024 * 1024;
/// As much of the body of an error as is looked at.
const MAX_ERROR: u64 = 64 * 1024;
/// As much of what a service says as goes into a message.
const MAX_SAID: usize = 300;
const MAX_REDIRECTS: usize = 5;
/// Bodies are copied in pieces of this size: more gains nothing.
const COPY: usize = 256 * 1024;

/// The flags of a program that speaks HTTP.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct HttpArgs {
    /// Give up if connecting takes longer than DUR.
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = parse_positive_duration)]
    pub connect_timeout: Duration,

    /// Give up on a reply if nothing arrives for DUR. A download that keeps
    /// arriving may take any time.
    #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_positive_duration)]
    pub read_timeout: Duration,

    /// Trust the certificates in the PEM file FILE instead of the platform's.
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
}

/// The client. Clones share connections.
#[derive(Clone, Debug)]
pub struct Http {
    agents: Arc<Agents>,
    clock: Clock,
}

/// One for each way out.
#[derive(Debug)]
struct Agents {
    /// Without a proxy: for this machine, too, whose traffic a proxy must not see.
    direct: ureq::Agent,
    https: ureq::Agent,
    http: ureq::Agent,
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
    /// The name of the host does not exist.
    pub no_such_host: bool,
    text: String,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for NetError {}

impl Http {
    /// A client with these settings. Proxies come from `HTTPS_PROXY`, `HTTP_PROXY`,
    /// `ALL_PROXY` and `NO_PROXY` in `env`, also in lower case. Status 2 for a proxy
    /// or a certificate that cannot be used.
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
            https: agent(proxy("HTTPS_PROXY", env)?),
            http: agent(proxy("HTTP_PROXY", env)?),
        };
        Ok(Http {
            agents: Arc::new(agents),
            clock,
        })
    }

    /// Ends requests under way when a stop is requested.
    pub fn end_on(&self, stop: &Stop) {
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

    /// Sends a request and returns the reply, whatever its status. Redirects of
    /// a GET are followed, to another origin without the credentials; those of a
    /// POST are returned as they are.
    pub fn send(&self, request: &Request<'_>) -> Result<Reply, NetError> {
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let reply = self.reply(request, &url)?;
            let is_redirect = matches!(reply.status, 301 | 302 | 303 | 307 | 308);
            if let (true, None, Some(location)) = (is_redirect, &request.body, reply.location()) {
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
        let agent = self.agent(url);
        let result = match &request.body {
            None => builder.body(()).map(|request| agent.run(request)),
            Some(body) => builder
                .method("POST")
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
    /// A header as it came; `None` if it is absent or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Where a redirect leads. Some servers write it as raw UTF-8.
    pub fn location(&self) -> Option<String> {
        let value = self.headers.get("location")?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Whether the reply says where its body ends. If not, a body that was cut off
    /// looks like a whole one.
    pub fn is_delimited(&self) -> bool {
        let is_chunked = |value: &str| value.to_ascii_lowercase().contains("chunked");
        self.header("content-length").is_some()
            || self.header("transfer-encoding").is_some_and(is_chunked)
    }

    /// Whether the media type says that it is a page for people, as a proxy or a
    /// maintenance window sends it in place of anything.
    pub fn is_html(&self) -> bool {
        let kind = self
            .content_type
            .as_deref()
            .unwrap_or_default()
            .trim_start();
        kind.get(..9)
            .is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
    }

    /// The body as it arrives. Its errors are the network's: see
    /// [`NetError::of_body`].
    pub fn reader(&mut self) -> impl Read + '_ {
        self.body.as_reader()
    }

    /// The body as text, for JSON. An error if it is longer than 2 MiB.
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

    /// What the body of an error says, for one line of a log: in the words that
    /// `words` finds in it, else as it stands; without secrets.
    pub fn said(&mut self, words: impl Fn(&str) -> Option<String>) -> String {
        let mut bytes = Vec::new();
        // Enough for what is shown; that it broke off does not matter.
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

    /// Copies the body to `sink` in pieces, `most` bytes of it at most. The outer
    /// error is the sink's, the inner one the network's.
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

/// What a service says, for one line of a log.
pub fn shown(text: &str) -> String {
    let text = redaction::clean(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_SAID).collect()
}

impl NetError {
    fn final_one(text: String) -> NetError {
        NetError {
            unsent: false,
            passing: false,
            timed_out: false,
            no_such_host: false,
            text,
        }
    }

    fn from_ureq(e: ureq::Error, url: &Url, is_first: bool) -> NetError {
        use ureq::Error as E;
        use ureq::Timeout as T;
        let certificate = bad_certificate(&e);
        let no_such_host = is_no_such_host(&e);
        let unsent = match &e {
            E::HostNotFound | E::ConnectionFailed | E::Tls(_) | E::Rustls(_) => true,
            E::ConnectProxyFailed(_) => true,
            E::Timeout(T::Resolve | T::Connect) => true,
            E::Io(e) => matches!(
                e.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotConnected
            ),
            _ => false,
        };
        let passing = match &e {
            _ if certificate.is_some() => false,
            E::ConnectProxyFailed(text) => proxy_may_recover(text),
            E::HostNotFound | E::ConnectionFailed => true,
            E::Io(_) | E::Timeout(_) | E::Protocol(_) => true,
            _ => false,
        };
        let mut text = match (certificate, &e) {
            (Some(why), _) => format!(
                "the certificate is not accepted ({why}): if your network has a certificate authority of its own, give its PEM file as --ca-cert"
            ),
            (None, E::ConnectProxyFailed(text)) => proxy_failed(text),
            (None, E::HostNotFound) => "the host does not exist".to_owned(),
            _ => e.to_string(),
        };
        // The caller says which request it was; of a redirect it does not know.
        if !is_first {
            text = format!("redirected to {}: {text}", show(url));
        }
        NetError {
            unsent: unsent || no_such_host || !passing,
            passing,
            timed_out: matches!(e, E::Timeout(_)),
            no_such_host,
            text,
        }
    }

    /// Why a body broke off.
    pub fn of_body(e: &io::Error) -> NetError {
        let inner = e.get_ref().and_then(|e| e.downcast_ref::<ureq::Error>());
        NetError {
            unsent: false,
            passing: true,
            no_such_host: false,
            timed_out: e.kind() == io::ErrorKind::TimedOut
                || matches!(inner, Some(ureq::Error::Timeout(_))),
            text: format!("the reply broke off: {e}"),
        }
    }
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
        true => Err(error::usage("no certificate in it")).with_context(place),
        false => Ok(RootCerts::from(certificates)),
    }
}

/// The proxy in the variable `name`, else in `ALL_PROXY`. Anything but an HTTP proxy
/// is refused: to ignore it would send the traffic past it.
fn proxy(name: &str, env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Option<Proxy>> {
    let value = |name: &str| {
        let found = env(&name.to_lowercase()).or_else(|| env(name));
        found.filter(|value| !value.trim().is_empty())
    };
    let mut found = [name, "ALL_PROXY"].into_iter();
    let Some((name, text)) = found.find_map(|name| Some((name, value(name)?))) else {
        return Ok(None);
    };
    let text = match text.trim() {
        text if text.contains("://") => text.to_owned(),
        text => format!("http://{text}"),
    };
    let unusable = |why: &str| {
        error::usage(format!(
            "{name}: {why}: give http://HOST:PORT or https://HOST:PORT, or unset it"
        ))
    };
    let url = Url::parse(&text).map_err(|_| unusable("it is not a URL"))?;
    if let Some(password) = url.password() {
        redaction::keep_out(password);
    }
    let protocol = match url.scheme() {
        "http" => ureq::ProxyProtocol::Http,
        "https" => ureq::ProxyProtocol::Https,
        other => {
            return Err(unusable(&format!(
                "a proxy of the kind {other} is not supported"
            )));
        }
    };
    let host = url.host_str().ok_or_else(|| unusable("it names no host"))?;
    let port = url.port_or_known_default();
    let mut builder = Proxy::builder(protocol).host(host).port(port.unwrap_or(80));
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    if !url.username().is_empty() {
        builder = builder.username(&decoded(url.username()));
        builder = builder.password(&decoded(url.password().unwrap_or_default()));
    }
    let excluded = value("NO_PROXY").unwrap_or_default();
    for host in excluded
        .split(',')
        .map(str::trim)
        .filter(|host| !host.is_empty())
    {
        builder = builder.no_proxy(host);
    }
    builder
        .build()
        .map(Some)
        .map_err(|_| unusable("it cannot be used"))
}

/// Why the certificate of a server is refused, if it is. A handshake fails as an I/O
/// error that holds the TLS library's.
fn bad_certificate(e: &ureq::Error) -> Option<String> {
    let tls = match e {
        ureq::Error::Rustls(e) => e,
        ureq::Error::Io(e) => e.get_ref()?.downcast_ref::<rustls::Error>()?,
        _ => return None,
    };
    match tls {
        rustls::Error::InvalidCertificate(why) => Some(why.to_string()),
        _ => None,
    }
}

/// Whether the resolver says that there is no such name, other than that it cannot
/// tell now. The standard library passes on only its text.
fn is_no_such_host(e: &ureq::Error) -> bool {
    match e {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(e) => {
            let text = e.to_string();
            text.contains("failed to lookup address") && !text.contains("Temporary failure")
        }
        _ => false,
    }
}

/// Whether the answer of a proxy to CONNECT may pass.
fn proxy_may_recover(text: &str) -> bool {
    ["429", "500", "502", "503", "504"]
        .iter()
        .any(|status| text.contains(status))
}

fn proxy_failed(text: &str) -> String {
    let said = text.rsplit(['/', ' ']).next().unwrap_or(text);
    let hint = match said {
        "407" => ": it asks for a login: put it into the proxy's URL",
        "403" => ": it does not allow this host",
        _ => "",
    };
    match said.parse::<u16>() {
        Ok(status) => format!("the proxy answers CONNECT with HTTP {status}{hint}"),
        Err(_) => format!("the proxy: {text}"),
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

/// Whether a URL leads to this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Refuses plain `http` but to this machine.
pub fn check_url(url: &Url) -> Result<(), String> {
    let local = is_loopback(url);
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
