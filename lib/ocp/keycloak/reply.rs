//! The replies of the token endpoint.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::net::secret::Secret;
use crate::ocp::cache::{Grant, Refresh};
use crate::time::Timestamp;

/// The assumed lifetime of a token in seconds, if the IAM does not state it.
const UNKNOWN_LIFE: u64 = 60;

/// The reply of the token endpoint after a success.
#[derive(Deserialize)]
pub(super) struct TokenReply {
    pub(super) access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    refresh_expires_in: Option<u64>,
}

/// A number of seconds: a whole number, a fraction or a text. `None` for null, for a negative
/// number and for anything else.
fn seconds<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    let number = match Value::deserialize(value)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // The cast turns a number that is too large into the largest `u64`.
    Ok(number
        .filter(|number| *number >= 0.0)
        .map(|number| number as u64))
}

/// The reply of Keycloak after a failure.
#[derive(Default, Deserialize)]
pub(super) struct ErrorReply {
    #[serde(default)]
    pub(super) error: String,
    #[serde(default)]
    pub(super) error_description: String,
}

impl TokenReply {
    pub(super) fn into_grant(self, now: Timestamp) -> Grant {
        let in_seconds = |seconds| now.plus(Duration::from_secs(seconds));
        Grant {
            access_token: Secret::new(self.access_token),
            token_type: self.token_type.unwrap_or_else(|| "bearer".to_owned()),
            granted_at: now,
            expires_at: in_seconds(self.expires_in.unwrap_or(UNKNOWN_LIFE)),
            refresh: self.refresh_token.map(|token| Refresh {
                token: Secret::new(token),
                // Keycloak sends 0 for a token that does not expire.
                expires_at: self
                    .refresh_expires_in
                    .filter(|seconds| *seconds > 0)
                    .map(in_seconds),
            }),
        }
    }
}

impl ErrorReply {
    pub(super) fn text(&self) -> String {
        if self.error_description.is_empty() {
            self.error.clone()
        } else {
            self.error_description.clone()
        }
    }
}
