//! Replies: the one that acknowledges, and those that refuse.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

/// A whole reply.
pub(crate) type WholeResponse = Response<Full<Bytes>>;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushRefusal {
    /// Malformed HTTP: 400.
    Malformed(&'static str),
    /// No token of ours, or one that ended: 401.
    Unauthorized,
    /// The client may not use the path, or the address is not allowed: 403.
    Forbidden,
    /// No such route: 404.
    NotFound,
    /// Another method than these: 405.
    MethodNotAllowed(&'static str),
    /// The body was too slow: 408.
    TooSlow,
    /// The body ended early: 408.
    Cut,
    /// No length of the body: 411.
    LengthRequired,
    /// 413.
    TooLarge,
    /// A content coding but gzip: 415.
    UnsupportedEncoding,
    /// No room within 2 s: 429, or what `--overload-status` says.
    Overload(u16),
    /// Starting, stopping, the disk is short or failing, a slow commit: 503.
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

    /// The word of the metrics.
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

    /// What was wrong, for the body of the reply.
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
                "Content-Encoding: only gzip and identity are taken"
            }
            PushRefusal::Overload(_) => "too much at once",
        }
    }

    /// Whether coverage counts it: a push that is lost unless it comes again.
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

    /// The reply. A body that was not read closes the connection.
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

/// A reply of JSON.
pub(crate) fn json(status: StatusCode, body: String) -> WholeResponse {
    typed(status, "application/json", body)
}

/// A reply of some other type.
pub(crate) fn typed(status: StatusCode, content_type: &'static str, body: String) -> WholeResponse {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// The reply that acknowledges: always with this body.
pub(crate) fn acknowledged() -> WholeResponse {
    json(StatusCode::OK, "{\"status\":\"ok\"}".to_owned())
}
