//! Parses a request for a token in all its forms. The credentials are in HTTP Basic or in the body.
//! The body is a form or JSON. The grant type is client credentials or password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::form_urlencoded;

use crate::receive::access::clients::GrantType;

/// Why no token is issued. The error codes are those of RFC 6749 §5.2, and `slow_down` of RFC 8628.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// A parameter is missing, repeated or invalid: 400.
    InvalidRequest,
    /// The grant type is not supported: 400.
    UnsupportedGrantType,
    /// Unknown client or wrong secret: 401.
    InvalidClient,
    /// The address has sent too many wrong secrets: 429.
    TooManyFailures,
}

impl TokenRefusal {
    /// The error code of the reply.
    pub(crate) fn word(self) -> &'static str {
        match self {
            TokenRefusal::InvalidRequest => "invalid_request",
            TokenRefusal::UnsupportedGrantType => "unsupported_grant_type",
            TokenRefusal::InvalidClient => "invalid_client",
            TokenRefusal::TooManyFailures => "slow_down",
        }
    }
}

/// An id and a secret as they were sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The content of a request.
#[derive(Debug)]
pub(crate) struct TokenRequest {
    pub(crate) grant: GrantType,
    /// The credentials to try, in order. A Basic header gives two pairs if decoding the header as
    /// form text changes the id or the secret.
    pub(crate) candidates: Vec<Credentials>,
    /// The names of parameters that are ignored.
    pub(crate) ignored: Vec<String>,
}

/// The parameters of the body that are used.
const KNOWN: [&str; 5] = [
    "grant_type",
    "client_id",
    "client_secret",
    "username",
    "password",
];

impl TokenRequest {
    /// Reads the `Authorization` header and the body of a request.
    pub(crate) fn read(
        authorization: Option<&str>,
        body: &[u8],
    ) -> Result<TokenRequest, TokenRefusal> {
        let fields = fields(body)?;
        let get = |name: &str| {
            let mut values = fields.iter().filter(|(key, _)| key == name);
            match (values.next(), values.next()) {
                (found, None) => Ok(found.map(|(_, value)| value.clone())),
                _ => Err(TokenRefusal::InvalidRequest),
            }
        };
        let [grant, id, secret, user, password] = KNOWN.map(get);
        let (grant, id, secret, user, password) = (grant?, id?, secret?, user?, password?);
        let in_body = |id: Option<String>, secret: Option<String>| match (id, secret) {
            (Some(id), Some(secret)) => Ok(vec![Credentials { id, secret }]),
            _ => Err(TokenRefusal::InvalidRequest),
        };
        let (grant, candidates) = match (grant.as_deref(), authorization) {
            (Some("client_credentials"), Some(header)) => {
                (GrantType::ClientCredentials, basic(header)?)
            }
            (Some("client_credentials"), None) => {
                (GrantType::ClientCredentials, in_body(id, secret)?)
            }
            (Some("password"), _) => (GrantType::Password, in_body(user, password)?),
            (Some(_), _) => return Err(TokenRefusal::UnsupportedGrantType),
            (None, _) => return Err(TokenRefusal::InvalidRequest),
        };
        let ignored = fields.into_iter().map(|(name, _)| name);
        let ignored = ignored.filter(|name| !KNOWN.contains(&name.as_str()));
        Ok(TokenRequest {
            grant,
            candidates,
            ignored: ignored.collect(),
        })
    }
}

/// The parameters in a form or a JSON object.
fn fields(body: &[u8]) -> Result<Vec<(String, String)>, TokenRefusal> {
    let body = str::from_utf8(body).map_err(|_| TokenRefusal::InvalidRequest)?;
    if !body.trim_start().starts_with('{') {
        let pairs = form_urlencoded::parse(body.trim_end().as_bytes());
        return Ok(pairs.into_owned().collect());
    }
    let Ok(Value::Object(object)) = serde_json::from_str(body) else {
        return Err(TokenRefusal::InvalidRequest);
    };
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let fields = object.into_iter().map(|(name, value)| (name, text(value)));
    Ok(fields.collect())
}

/// The possible ids and secrets in HTTP Basic. RFC 6749 §2.3.1 requires form encoding, but many
/// clients do not encode.
fn basic(header: &str) -> Result<Vec<Credentials>, TokenRefusal> {
    let credentials = || {
        let (scheme, encoded) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let decoded = Credentials {
            id: form_decoded(id),
            secret: form_decoded(secret),
        };
        let plain = Credentials {
            id: id.to_owned(),
            secret: secret.to_owned(),
        };
        Some(match decoded == plain {
            true => vec![plain],
            false => vec![decoded, plain],
        })
    };
    credentials().ok_or(TokenRefusal::InvalidClient)
}

/// Decodes form text: `+` is a space, `%XX` a byte.
fn form_decoded(text: &str) -> String {
    let text = text.replace('&', "%26").replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(header: Option<&str>, body: &str) -> Result<Vec<(String, String)>, TokenRefusal> {
        let request = TokenRequest::read(header, body.as_bytes())?;
        let pairs = request.candidates.into_iter();
        Ok(pairs.map(|one| (one.id, one.secret)).collect())
    }

    fn one(id: &str, secret: &str) -> Result<Vec<(String, String)>, TokenRefusal> {
        Ok(vec![(id.to_owned(), secret.to_owned())])
    }

    #[test]
    fn all_forms_are_read() {
        let grant = "grant_type=client_credentials";
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(candidates(Some(&header("a:b")), grant), one("a", "b"));
        assert_eq!(
            candidates(None, &format!("{grant}&client_id=a&client_secret=b%26+c")),
            one("a", "b& c")
        );
        assert_eq!(
            candidates(
                None,
                r#"{"grant_type":"client_credentials","client_id":"a","client_secret":"b"}"#
            ),
            one("a", "b")
        );
        assert_eq!(
            candidates(None, "grant_type=password&username=a&password=b"),
            one("a", "b")
        );
        let both = candidates(Some(&header("a:b+%3D=&")), grant).unwrap();
        assert_eq!(both[0].1, "b ==&");
        assert_eq!(both[1].1, "b+%3D=&");
    }

    #[test]
    fn refusals_have_the_words_of_the_standard() {
        let word = |header, body| candidates(header, body).unwrap_err().word();
        assert_eq!(word(None, ""), "invalid_request");
        assert_eq!(word(None, "{"), "invalid_request");
        assert_eq!(word(None, "grant_type=implicit"), "unsupported_grant_type");
        assert_eq!(
            word(None, "grant_type=client_credentials&client_id=a"),
            "invalid_request"
        );
        let twice = "grant_type=client_credentials&grant_type=password&client_id=a&client_secret=b";
        assert_eq!(word(None, twice), "invalid_request");
        let grant = "grant_type=client_credentials";
        assert_eq!(word(Some("Bearer x"), grant), "invalid_client");
        assert_eq!(word(Some("Basic !"), grant), "invalid_client");
    }

    #[test]
    fn what_means_nothing_here_is_named() {
        let body = "grant_type=password&username=a&password=b&scope=x";
        let request = TokenRequest::read(None, body.as_bytes()).unwrap();
        assert_eq!(request.ignored, ["scope"]);
    }
}
