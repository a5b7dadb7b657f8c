//! The fault of being refused: an HTTP status with or without `Retry-After`, and a body in one of
//! the shapes that come from the service itself, from a proxy before it, or from nobody.

use std::time::Duration;

use chrono::{DurationRound, TimeDelta, Utc};
use serde_json::json;

use super::fault::Options;
use super::reply::Reply;
use super::role::Role;
use super::spelling::Misspelt;

const STATUSES: [u16; 10] = [400, 401, 403, 404, 413, 429, 500, 502, 503, 504];

#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    status: u16,
    retry_after: RetryAfter,
    body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum RetryAfter {
    Absent,
    Seconds(u64),
    /// An HTTP date at least so far ahead, by the real clock: it is the client's clock that it will
    /// be compared with.
    Date(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Body {
    Json,
    Html,
    Empty,
}

impl Refusal {
    pub fn parse(status: &str, options: &mut Options<'_>) -> Result<Refusal, Misspelt> {
        let known = status.parse().ok().filter(|code| STATUSES.contains(code));
        let expected =
            "a kind of fault, or one of 400, 401, 403, 404, 413, 429, 500, 502, 503, 504";
        Ok(Refusal {
            status: known.ok_or_else(|| Misspelt::new(status, expected))?,
            retry_after: RetryAfter::parse(options.take("retry-after"))?,
            body: Body::parse(options.take("body"))?,
        })
    }

    pub fn reply(&self, role: Role) -> Reply {
        let mut reply = match self.body {
            Body::Json if role.is_login() => {
                Reply::json(self.status, &json!({ "error": self.word() }))
            }
            Body::Json if role.is_voicegain() => {
                Reply::json(self.status, &json!({ "error": { "reason": self.word() } }))
            }
            Body::Json => Reply::json(self.status, &json!({ "message": self.word() })),
            Body::Html => html(self.status, self.word()),
            Body::Empty => Reply::empty(self.status),
        };
        match self.retry_after {
            RetryAfter::Absent => {}
            RetryAfter::Seconds(seconds) => {
                reply.headers.push(("Retry-After", seconds.to_string()));
            }
            RetryAfter::Date(ahead) => reply.headers.push(("Retry-After", http_date(ahead))),
        }
        reply
    }

    fn word(&self) -> &'static str {
        match self.status {
            400 => "bad request",
            413 => "too much",
            401 => "no valid API key",
            403 => "forbidden",
            404 => "not found",
            429 => "too many requests",
            500 => "internal error",
            _ => "service unavailable",
        }
    }
}

impl RetryAfter {
    fn parse(text: Option<&str>) -> Result<RetryAfter, Misspelt> {
        let Some(text) = text.filter(|text| *text != "none") else {
            return Ok(RetryAfter::Absent);
        };
        let (digits, dated) = match text.strip_prefix("date:") {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let expected = "seconds, date:SECONDS or none";
        let seconds = digits.parse().map_err(|_| Misspelt::new(text, expected))?;
        Ok(if dated {
            RetryAfter::Date(Duration::from_secs(seconds))
        } else {
            RetryAfter::Seconds(seconds)
        })
    }
}

impl Body {
    fn parse(text: Option<&str>) -> Result<Body, Misspelt> {
        match text {
            None | Some("json") => Ok(Body::Json),
            Some("html") => Ok(Body::Html),
            Some("empty") => Ok(Body::Empty),
            Some(other) => Err(Misspelt::new(other, "json, html or empty")),
        }
    }
}

/// Such a page as a proxy or a login wall puts in the way.
pub fn html(status: u16, title: &str) -> Reply {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>{title}</body></html>\n"
    );
    Reply::new(status, "text/html; charset=utf-8", page)
}

/// Dates of HTTP have whole seconds; rounding up keeps the promise of "at least".
fn http_date(ahead: Duration) -> String {
    let at = Utc::now() + ahead;
    let whole = at
        .duration_trunc(TimeDelta::seconds(1))
        .expect("a time of this century")
        + TimeDelta::seconds(1);
    whole.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
