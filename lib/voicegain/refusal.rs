//! What the service says when it refuses, as an error. The documented body is
//! `{"error":{"reason","detail"}}`.

use serde::Deserialize;

use crate::net::client;
use crate::net::http::Reply;

/// A reply with an error status, as an error.
pub(super) fn of(what: &str, reply: &mut Reply) -> anyhow::Error {
    let hint = match reply.status {
        401 => {
            "the token is not accepted: has it been regenerated, or is it for another environment?"
        }
        403 => "the token's user may not do this",
        404 | 405 => "check --base-url",
        _ => "",
    };
    client::refusal(what, reply.status, &reply.said(reason), hint).into()
}

fn reason(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
        detail: Option<String>,
    }
    #[derive(Deserialize)]
    struct Said {
        error: Reason,
    }
    let Said { error } = serde_json::from_str(body).ok()?;
    Some(match error.detail {
        None => error.reason,
        Some(detail) => format!("{}: {detail}", error.reason),
    })
}
