//! What the service says when it refuses, as an error with its status: 401 and 403
//! are about the token, everything else is for good. The documented body is
//! `{"error":{"reason","detail"}}`; what comes instead is shown as it is, but for
//! anything that could be a token.

use std::io::Read;

use serde::Deserialize;

use crate::error;
use crate::net::http::Reply;
use crate::net::secret::Secret;

/// What a reply that is none says, as an error.
pub(super) fn of(what: &str, reply: &mut Reply, token: &Secret) -> anyhow::Error {
    let said = said(reply, token);
    let status = reply.status;
    let text = match said.as_str() {
        "" => format!("{what}: HTTP {status}"),
        said => format!("{what}: HTTP {status}, {said}"),
    };
    match status {
        401 => error::auth(format!(
            "{text}: the token is not accepted: has it been regenerated, or is it for another environment?"
        )),
        403 => error::auth(format!("{text}: the token's user may not do this")),
        404 | 405 => error::refused(format!("{text}: check --base-url")),
        _ => error::refused(text),
    }
}

/// What the body of an error says, for one line of a log and without the token.
fn said(reply: &mut Reply, token: &Secret) -> String {
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
        detail: Option<String>,
    }
    #[derive(Deserialize)]
    struct Said {
        error: Reason,
    }
    let mut bytes = Vec::new();
    // Enough for what is shown; that it broke off is no matter.
    let _ = reply.reader().take(64 * 1024).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let text = match serde_json::from_str::<Said>(&text) {
        Ok(Said { error }) => match error.detail {
            None => error.reason,
            Some(detail) => format!("{}: {detail}", error.reason),
        },
        Err(_) if text.trim_start().starts_with('<') => "an HTML page".to_owned(),
        Err(_) => text.into_owned(),
    };
    scrubbed(&text, token)
}

/// A text for one line of a log, without the token, and without what looks like
/// any JSON Web Token.
fn scrubbed(text: &str, token: &Secret) -> String {
    let text = match token.expose() {
        "" => text.to_owned(),
        token => text.replace(token, "[redacted]"),
    };
    let words = text
        .split_whitespace()
        .map(|word| match word.contains("eyJ") {
            true => "[redacted]",
            false => word,
        });
    let text = words.collect::<Vec<_>>().join(" ");
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_is_shown_without_tokens() {
        let token = Secret::new("abc.def");
        let said = "JWT abc.def\nis no\u{7} good:\t'eyJhbGciOi.eyJzdWIi.sig'";
        assert_eq!(
            scrubbed(said, &token),
            "JWT [redacted] is no good: [redacted]"
        );
        assert_eq!(scrubbed(&"x".repeat(900), &token).len(), 300);
    }
}
