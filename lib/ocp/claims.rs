//! The claims of an access token, to show them to a person. No program depends on the claims,
//! because a token can be any string.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::net::secret::Secret;
use crate::time::Timestamp;

/// The claims that show what a token allows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenClaims {
    /// The realm that issued the token.
    pub realm: Option<String>,
    /// The name of the user.
    pub username: Option<String>,
    /// The groups of the user.
    pub groups: Vec<String>,
    /// The user's roles in the realm, then the user's roles in each resource, as `resource:role`.
    pub roles: Vec<String>,
    /// When the token expires, in UTC.
    pub expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    iss: Option<String>,
    exp: Option<i64>,
    preferred_username: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    group: Value,
    realm_access: Option<RoleNames>,
    #[serde(default)]
    resource_access: std::collections::BTreeMap<String, RoleNames>,
}

#[derive(Deserialize)]
struct RoleNames {
    #[serde(default)]
    roles: Vec<String>,
}

/// The claims of a JSON Web Token; `None` if `token` is not a JSON Web Token.
pub fn claims(token: &Secret) -> Option<TokenClaims> {
    let token = token.expose();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let payload: Payload = serde_json::from_slice(&payload).ok()?;
    let iss = payload.iss.as_deref();
    let realm = iss.and_then(|iss| iss.rsplit_once("/realms/"));
    let mut groups = payload.groups;
    groups.extend(payload.group.as_str().map(str::to_owned));
    let resources = payload.resource_access.into_iter();
    let of_resources = resources.flat_map(|(name, access)| {
        let roles = access.roles.into_iter();
        roles
            .map(move |role| format!("{name}:{role}"))
            .collect::<Vec<_>>()
    });
    let roles = payload.realm_access.map(|access| access.roles);
    Some(TokenClaims {
        realm: realm.map(|(_, realm)| realm.to_owned()),
        username: payload.preferred_username,
        groups,
        roles: roles.into_iter().flatten().chain(of_resources).collect(),
        expires_at: payload
            .exp
            .map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)).rfc3339()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_where_it_is_from_and_what_it_may() {
        let payload = r#"{"iss":"https://iam.example/auth/realms/master","exp":1795176000,"preferred_username":"svc","groups":["/acme"],"realm_access":{"roles":["OWNER"]},"resource_access":{"ocp":{"roles":["view"]}}}"#;
        let token = format!("Bearer eyJh.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        let claims = claims(&Secret::new(token)).unwrap();
        assert_eq!(claims.realm.as_deref(), Some("master"));
        assert_eq!(claims.groups, ["/acme"]);
        assert_eq!(claims.roles, ["OWNER", "ocp:view"]);
        assert_eq!(claims.expires_at.as_deref(), Some("2026-11-20T12:00:00Z"));
        assert!(super::claims(&Secret::new("opaque")).is_none());
        assert!(super::claims(&Secret::new("a.b.c")).is_none());
    }
}
