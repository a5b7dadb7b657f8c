//! Tests a receiver in the way in which the vendor will use it: gets a token and pushes an empty
//! envelope. Certificates are checked as for any other request.

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};

use super::subscription::{Subscription, show_url};
use crate::error::{self, Failure, Status};
use crate::net::client::{self, ApiCall, Credential};
use crate::net::connection::Connection;
use crate::net::http::{self, Reply, RequestBody, Url, form};
use crate::net::retry::Attempt;
use crate::net::secret::Secret;
use crate::os::digest::sha256;

/// The vendor's client probably renews a token this many seconds before the token expires.
const EARLY: u64 = 60;

/// The receiver to probe.
#[derive(Clone, Copy, Debug)]
pub struct ProbeTarget<'a> {
    /// The URL for pushes.
    pub callback_url: &'a Url,
    /// The URL for tokens.
    pub token_url: &'a Url,
    /// The client id.
    pub client_id: &'a str,
    /// The name of the subscription, which the envelope contains as `schemaName`.
    pub name: &'a str,
}

/// The output line for a receiver that works.
#[derive(Debug, Serialize)]
pub struct ProbeLine {
    callback_url: String,
    token_url: String,
    client_id: String,
    /// The lifetime of the token in seconds; `null` if the token endpoint does not state it.
    expires_in: Option<u64>,
    status: &'static str,
}

impl<'a> ProbeTarget<'a> {
    /// The receiver of a subscription.
    pub(crate) fn of(wanted: &'a Subscription) -> ProbeTarget<'a> {
        ProbeTarget {
            callback_url: &wanted.callback_url,
            token_url: &wanted.token_url,
            client_id: &wanted.client_id,
            name: &wanted.name,
        }
    }

    /// Gets a token and pushes an envelope without messages. Fails with status 77 if the receiver
    /// refuses the credentials, and with status 75 if there is no answer or the answer is 5xx.
    /// Fails with status 69 for a bad certificate, for another HTTP status than 200, and for a body
    /// that is not a JSON object.
    pub fn probe(&self, secret: &Secret, connection: &Connection) -> anyhow::Result<ProbeLine> {
        let (token, expires_in) = self
            .token(secret, connection)
            .context("the token endpoint")?;
        if expires_in.is_some_and(|seconds| seconds <= EARLY) {
            log::warn!(
                "{}: the token is valid for {} s: the vendor's client may request a new one for \
                 each push",
                show_url(self.token_url),
                expires_in.unwrap_or_default()
            );
        }
        self.push(&token, connection).context("the callback")?;
        Ok(ProbeLine {
            callback_url: self.callback_url.to_string(),
            token_url: self.token_url.to_string(),
            client_id: self.client_id.to_owned(),
            expires_in,
            status: "ok",
        })
    }

    fn token(
        &self,
        secret: &Secret,
        connection: &Connection,
    ) -> anyhow::Result<(Secret, Option<u64>)> {
        let body = form(&[("grant_type", "client_credentials")]);
        let credential = http::client_basic(self.client_id, secret);
        let call = ApiCall {
            headers: &[],
            ..post(
                self.token_url,
                "application/x-www-form-urlencoded",
                body.as_bytes(),
            )
        };
        let reply = ask(&call, credential, connection, |status| {
            matches!(status, 400 | 401 | 403)
        })?;
        let token = reply.get("access_token").and_then(Value::as_str);
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(error::refused(format!(
                "{}: the reply has no access_token",
                call.what
            )));
        };
        let expires_in = reply.get("expires_in").and_then(Value::as_u64);
        Ok((Secret::new(token), expires_in))
    }

    fn push(&self, token: &Secret, connection: &Connection) -> anyhow::Result<()> {
        let now = connection.retry().now().rfc3339_millis();
        let id = uuid(&format!(
            "{now} {} {}",
            self.callback_url,
            connection.retry().jitter()
        ));
        let envelope = json!({
            "schemaName": self.name, "sessionId": id, "sessionStartingSequenceNumber": "0", "messages": [],
        });
        let body = envelope.to_string();
        let headers = [("Client-Corelation-Id".to_owned(), id)];
        let call = ApiCall {
            accept: "application/json;v=1",
            headers: &headers,
            ..post(self.callback_url, "application/json", body.as_bytes())
        };
        let credential = http::bearer(token);
        ask(&call, credential, connection, |status| {
            matches!(status, 401 | 403)
        })?;
        Ok(())
    }
}

fn post<'a>(url: &Url, content_type: &'a str, bytes: &'a [u8]) -> ApiCall<'a> {
    let body = RequestBody {
        content_type,
        bytes,
    };
    ApiCall::post(url.clone(), "application/json", body)
}

/// Sends a POST. The reply must be a JSON object with status 200.
fn ask(
    call: &ApiCall<'_>,
    credential: Credential,
    connection: &Connection,
    is_about_credentials: impl Fn(u16) -> bool,
) -> anyhow::Result<Value> {
    let client = connection.client(&[], Box::new(Some(credential)));
    client.fetch(call, |reply| {
        if reply.status != 200 {
            return Err(not_200(call, reply, &is_about_credentials));
        }
        let text = match reply.text() {
            Ok(text) => text,
            Err(e) => return e.into_failed().map(Attempt::Again),
        };
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if value.is_object() => Ok(Attempt::Done(value)),
            _ => Err(error::refused(format!(
                "{}: HTTP 200, but the body is not a JSON object",
                call.what
            ))),
        }
    })
}

fn not_200(
    call: &ApiCall<'_>,
    reply: &mut Reply,
    is_about_credentials: impl Fn(u16) -> bool,
) -> anyhow::Error {
    let said = reply.said(|_| None);
    let text = format!("{}: HTTP {}, {said}", call.what, reply.status);
    match reply.status {
        status if is_about_credentials(status) => Failure::new(Status::Auth, text).into(),
        500..600 => error::try_later(text),
        200..400 => error::refused(format!("{}: HTTP {}, not 200", call.what, reply.status)),
        status => client::refusal(&call.what, status, &said, "").into(),
    }
}

/// A random text in the format of a UUID, for logs of the receiver.
fn uuid(seed: &str) -> String {
    let hex = sha256(seed.as_bytes());
    format!(
        "{}-{}-4{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}
