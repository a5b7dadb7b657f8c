//! Reads the head of a request, and refuses heads that the parser accepts but that are not safe.

use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, Version};

use crate::receive::server::refusal::PushRefusal;

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The token endpoint.
    Token,
    /// A callback: `<prefix>/<group>/<type>`.
    Callback {
        /// `<group>/<type>`.
        stream: String,
    },
}

impl Route {
    /// Parses the path as it was sent, without decoding. `None` if the path is neither the token
    /// endpoint nor a callback.
    pub(crate) fn of(path: &str, token_path: &str, prefix: &str) -> Option<Route> {
        if path == token_path {
            return Some(Route::Token);
        }
        let stream = path.strip_prefix(prefix)?.strip_prefix('/')?;
        let segments: Vec<&str> = stream.split('/').collect();
        let is_plain = |one: &&str| !one.is_empty() && *one != "." && *one != "..";
        let is_stream =
            segments.len() == 2 && segments.iter().all(is_plain) && !stream.contains('%');
        is_stream.then(|| Route::Callback {
            stream: stream.to_owned(),
        })
    }
}

/// The body that the head announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// The length of the body in bytes; `None` if the body is chunked or the head has no length.
    pub(crate) length: Option<u64>,
    /// Whether the body is chunked.
    pub(crate) is_chunked: bool,
}

/// Refuses heads that a proxy and the receiver behind the proxy could understand differently.
/// Returns the length and the form of the body.
pub(crate) fn check(parts: &Parts) -> Result<Announced, PushRefusal> {
    if parts.version != Version::HTTP_11 {
        return Err(PushRefusal::Malformed("only HTTP/1.1 is supported"));
    }
    let headers = &parts.headers;
    if headers.get_all(header::HOST).iter().count() != 1 {
        return Err(PushRefusal::Malformed("exactly one Host is needed"));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => true,
        _ => return Err(PushRefusal::Malformed("Transfer-Encoding: only chunked")),
    };
    let length = text(headers, header::CONTENT_LENGTH);
    let length = match (is_chunked, length) {
        (true, _) | (false, None) => None,
        (false, Some(text)) => {
            let length = text.parse();
            Some(length.map_err(|_| PushRefusal::Malformed("Content-Length is not a number"))?)
        }
    };
    Ok(Announced { length, is_chunked })
}

/// Whether the body of a push is a recording.
pub(crate) fn is_recording(headers: &HeaderMap) -> bool {
    let content_type = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/octet-stream"
        || essence.starts_with("audio/")
        || headers.contains_key("x-oml-orn")
}

/// Whether the body is compressed with gzip.
pub(crate) fn is_gzip(headers: &HeaderMap) -> Result<bool, PushRefusal> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (None, _) => return Ok(false),
        (Some(coding), None) => coding.as_bytes().to_ascii_lowercase(),
        _ => return Err(PushRefusal::UnsupportedEncoding),
    };
    match coding.as_slice() {
        b"" | b"identity" => Ok(false),
        b"gzip" | b"x-gzip" => Ok(true),
        _ => Err(PushRefusal::UnsupportedEncoding),
    }
}

/// The value of the header with this name, as text; `None` if the header is missing or repeated, or
/// if its value is not ASCII text.
pub(crate) fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Whether a callback accepts the method. GET is accepted, because the vendor can use it to test
/// the receiver.
pub(crate) fn is_callback_method(method: &Method) -> bool {
    [Method::POST, Method::GET].contains(method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    #[test]
    fn a_path_counts_as_it_was_sent() {
        let route = |path| Route::of(path, "/oauth2/token", "/push");
        assert_eq!(route("/oauth2/token"), Some(Route::Token));
        let stream = "acme/dialog_end".to_owned();
        assert_eq!(
            route("/push/acme/dialog_end"),
            Some(Route::Callback { stream })
        );
        for none in [
            "/",
            "/push",
            "/push/acme",
            "/push/acme/",
            "/push//dialog_end",
            "/push/acme/a/b",
            "/push/acme/dialog_end/",
            "/push/../dialog_end",
            "/push/acme/.",
            "/push/acme/dialog%5fend",
            "/Push/acme/dialog_end",
            "/pushx/acme/dialog_end",
            "//push/acme/dialog_end",
            "/oauth2/token/",
        ] {
            assert_eq!(route(none), None, "{none}");
        }
    }

    fn checked(headers: &[(&str, &str)]) -> Result<Announced, PushRefusal> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn one_host_and_no_coding_but_chunked() {
        let host = ("host", "x");
        assert!(checked(&[host]).is_ok());
        assert!(checked(&[]).is_err());
        assert!(checked(&[host, host]).is_err());
        let chunked = checked(&[host, ("transfer-encoding", "Chunked")]).unwrap();
        assert!(chunked.is_chunked);
        for coding in ["gzip, chunked", "chunked, chunked", "identity", ""] {
            assert!(checked(&[host, ("transfer-encoding", coding)]).is_err());
        }
        let two = ("transfer-encoding", "chunked");
        assert!(checked(&[host, two, two]).is_err());
        let sized = checked(&[host, ("content-length", "7")]).unwrap();
        assert_eq!(sized.length, Some(7));
    }

    #[test]
    fn a_recording_is_known_by_its_type_or_its_orn() {
        let headers = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        assert!(is_recording(&headers("content-type", "Audio/wav")));
        assert!(is_recording(&headers(
            "content-type",
            "application/octet-stream; x=y"
        )));
        assert!(is_recording(&headers("x-oml-orn", "storage:a")));
        assert!(!is_recording(&headers("content-type", "text/plain")));
        assert!(!is_recording(&HeaderMap::new()));
        assert_eq!(is_gzip(&headers("content-encoding", "GZIP")), Ok(true));
        assert!(is_gzip(&headers("content-encoding", "br")).is_err());
    }
}
