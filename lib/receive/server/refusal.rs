//! Replies: the acknowledgement and the refusals.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

/// A complete reply.
pub(crate) type WholeResponse = Response<Full<Bytes>>;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushRefusal {
    /// Malformed HTTP: 400.
    Malformed(&'static str),
    /// No valid token: 401.
    Unauthorized,
    /// The client may not use the path, or the address is not allowed: 403.
    Forbidden,
    /// No such path: 404.
    NotFound,
    /// The path accepts only these methods: 405.
    MethodNotAllowed(&'static str),
    /// The body arrived too slowly: 408.
    TooSlow,
    /// The body ended early: 408.
    Cut,
    /// The body has no length: 411.
    LengthRequired,
    /// The body is too large: 413.
    TooLarge,
    /// The body has a content encoding other than gzip: 415.
    UnsupportedEncoding,
    /// No room within 2 s: 429, or the status of `--overload-status`.
    Overload(u16),
    /// The receiver is stopping, the disk is short or failing, the commit is slow, or the push
    /// could not be stored: 503.
    Unavailable(&'static str),
}

impl PushRefusal {
    /// The status of the reply.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            PushRefusal::Malformed(_) => StatusCode::BAD_REQUEST,
            PushRefusal::Unauthorized => StatusCode::UNAUTHORIZED,
            PushRefusal::Forbidden => StatusCode::FORBIDDEN,
            PushRefusal::NotFound => StatusCode::NOT_FOUND,
            PushRefusal::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            PushRefusal::TooSlow | PushRefusal::Cut => StatusCode::REQUEST_TIMEOUT,
            PushRefusal::LengthRequired => StatusCode::LENGTH_REQUIRED,
            PushRefusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            PushRefusal::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            PushRefusal::Overload(status) => {
                StatusCode::from_u16(status).unwrap_or(StatusCode::TOO_MANY_REQUESTS)
            }
            PushRefusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The name of the refusal in the metrics.
    pub(crate) fn word(self) -> &'static str {
        match self {
            PushRefusal::Malformed(_) | PushRefusal::LengthRequired => "malformed",
            PushRefusal::Unauthorized => "unauthorized",
            PushRefusal::Forbidden => "forbidden",
            PushRefusal::NotFound => "not_found",
            PushRefusal::MethodNotAllowed(_) => "method",
            PushRefusal::TooSlow => "slow",
            PushRefusal::Cut => "cut",
            PushRefusal::TooLarge => "too_large",
            PushRefusal::UnsupportedEncoding => "encoding",
            PushRefusal::Overload(_) => "overload",
            PushRefusal::Unavailable(_) => "unavailable",
        }
    }

    /// The reason, for the body of the reply.
    fn text(self) -> &'static str {
        match self {
            PushRefusal::Malformed(text) | PushRefusal::Unavailable(text) => text,
            PushRefusal::Unauthorized => "invalid_token",
            PushRefusal::Forbidden => "this client may not use this path",
            PushRefusal::NotFound => "no such path",
            PushRefusal::MethodNotAllowed(_) => "method not allowed",
            PushRefusal::TooSlow => "the body was too slow",
            PushRefusal::Cut => "the body is not complete",
            PushRefusal::LengthRequired => "the length of the body is needed",
            PushRefusal::TooLarge => "the body is too large",
            PushRefusal::UnsupportedEncoding => {
                "Content-Encoding: only gzip and identity are supported"
            }
            PushRefusal::Overload(_) => "too much at once",
        }
    }

    /// Whether coverage counts the refusal: the push is lost unless the client repeats it.
    pub(crate) fn loses_a_push(self) -> bool {
        matches!(
            self,
            PushRefusal::TooSlow
                | PushRefusal::Cut
                | PushRefusal::TooLarge
                | PushRefusal::Overload(_)
                | PushRefusal::Unavailable(_)
        )
    }

    /// The reply. The reply closes the connection if the body of the request was not read to its
    /// end, and always after some refusals, for example of malformed HTTP.
    pub(crate) fn response(self, has_unread_body: bool) -> WholeResponse {
        let body = serde_json::json!({"status": "error", "error": self.text()});
        let mut response = json(self.status(), body.to_string());
        let headers = response.headers_mut();
        let mut add = |name, value| headers.insert(name, HeaderValue::from_static(value));
        match self {
            PushRefusal::Unauthorized => {
                let value = "Bearer error=\"invalid_token\"";
                add(header::WWW_AUTHENTICATE, value);
            }
            PushRefusal::MethodNotAllowed(allowed) => drop(add(header::ALLOW, allowed)),
            PushRefusal::Overload(_) => drop(add(header::RETRY_AFTER, "5")),
            PushRefusal::Unavailable(_) => drop(add(header::RETRY_AFTER, "60")),
            _ => {}
        }
        let always_closes = matches!(
            self,
            PushRefusal::Malformed(_)
                | PushRefusal::LengthRequired
                | PushRefusal::TooSlow
                | PushRefusal::Cut
                | PushRefusal::TooLarge
        );
        if always_closes || has_unread_body {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A JSON reply.
pub(crate) fn json(status: StatusCode, body: String) -> WholeResponse {
    typed(status, "application/json", body)
}

/// A reply with this status and content type.
pub(crate) fn typed(status: StatusCode, content_type: &'static str, body: String) -> WholeResponse {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// The acknowledgement; its body is always the same.
pub(crate) fn acknowledged() -> WholeResponse {
    json(StatusCode::OK, "{\"status\":\"ok\"}".to_owned())
}
