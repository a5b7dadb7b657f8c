//! The reason why there is no complete reply, and whether another try can help.

use std::fmt;
use std::io;

use ureq::{Error as E, Timeout as T};

use crate::net::retry::is_passing;
use crate::net::url::{Url, show};

/// The reason why there is no complete reply.
#[derive(Debug)]
pub struct NetError {
    /// The request did not reach the service, so every kind of request can be repeated.
    pub unsent: bool,
    /// Whether another try can help.
    pub passing: bool,
    /// A timeout ended the request. If the request reached the service, a smaller request can help.
    pub timed_out: bool,
    /// The name of the host does not exist.
    pub no_such_host: bool,
    /// This machine has no certificate authorities to trust.
    pub no_authorities: bool,
    text: String,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for NetError {}

impl NetError {
    pub(super) fn final_one(text: String) -> NetError {
        NetError {
            unsent: false,
            passing: false,
            timed_out: false,
            no_such_host: false,
            no_authorities: false,
            text,
        }
    }

    pub(super) fn from_ureq(e: ureq::Error, url: &Url, is_first: bool) -> NetError {
        let certificate = bad_certificate(&e);
        let is_refused_certificate = certificate.is_some();
        let no_such_host = is_no_such_host(&e);
        let no_authorities = is_without_authorities(&e);
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
            _ if is_refused_certificate => false,
            E::ConnectProxyFailed(text) => proxy_status(text).is_none_or(is_passing),
            E::HostNotFound | E::ConnectionFailed => true,
            E::Io(_) | E::Timeout(_) | E::Protocol(_) => true,
            _ => false,
        };
        let mut text = match (certificate, &e) {
            (Some(why), _) => format!(
                "the certificate is not trusted ({why}): if your network has its own certificate \
                 authority, give its PEM file with --ca-cert"
            ),
            (None, E::ConnectProxyFailed(text)) => proxy_failed(text),
            _ if no_authorities => "this machine has no CA certificates: install the package \
                ca-certificates, or give a PEM file with --ca-cert"
                .to_owned(),
            (None, E::HostNotFound) => "the host does not exist".to_owned(),
            _ => e.to_string(),
        };
        // The caller adds the name of the request, but the caller does not know the target of a
        // redirect.
        if !is_first {
            text = format!("redirected to {}: {text}", show(url));
        }
        NetError {
            unsent: unsent || no_such_host || is_refused_certificate,
            passing,
            timed_out: matches!(e, E::Timeout(_)),
            no_such_host,
            no_authorities,
            text,
        }
    }

    /// The error for a body that was cut off.
    pub fn of_body(e: &io::Error) -> NetError {
        let inner = e.get_ref().and_then(|e| e.downcast_ref::<ureq::Error>());
        NetError {
            unsent: false,
            passing: true,
            no_such_host: false,
            no_authorities: false,
            timed_out: e.kind() == io::ErrorKind::TimedOut
                || matches!(inner, Some(ureq::Error::Timeout(_))),
            text: format!("the reply was cut off: {e}"),
        }
    }
}

/// The reason why the certificate of a server is refused; `None` for other errors. A failed
/// handshake is an I/O error that contains the error of the TLS library.
fn bad_certificate(e: &E) -> Option<String> {
    let tls = match e {
        E::Rustls(e) => e,
        E::Io(e) => e.get_ref()?.downcast_ref::<rustls::Error>()?,
        _ => return None,
    };
    match tls {
        rustls::Error::InvalidCertificate(why) => Some(why.to_string()),
        _ => None,
    }
}

/// Whether the platform has no CA certificates. The verifier of the platform reports this only as
/// text.
fn is_without_authorities(e: &E) -> bool {
    matches!(e, E::Rustls(rustls::Error::General(text)) if text.starts_with("No CA certificates"))
}

/// Whether the resolver says that the name does not exist; false if the resolver has no answer at
/// the moment. The standard library gives only the resolver's message, so this function searches
/// the text of the message.
fn is_no_such_host(e: &E) -> bool {
    match e {
        E::HostNotFound => true,
        E::Io(e) => {
            let text = e.to_string();
            text.contains("failed to lookup address") && !text.contains("Temporary failure")
        }
        _ => false,
    }
}

/// The HTTP status that a proxy answered CONNECT with; `None` if the proxy gave no such answer.
/// ureq gives the answer only as text, and the last word of the text is the status.
fn proxy_status(text: &str) -> Option<u16> {
    text.rsplit(['/', ' ']).next()?.parse().ok()
}

fn proxy_failed(text: &str) -> String {
    let Some(status) = proxy_status(text) else {
        return format!("the proxy: {text}");
    };
    let hint = match status {
        407 => ": it requires a login: put user and password into the proxy's URL",
        403 => ": it does not allow this host",
        _ => "",
    };
    format!("the proxy answers CONNECT with HTTP {status}{hint}")
}
