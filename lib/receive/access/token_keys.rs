//! `token.keys`: the keys that sign tokens. All receivers that use the directory share the keys.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::error;
use crate::os::{digest, files, locks, private};
use crate::time::Timestamp;

/// The issuer and the audience of the tokens.
const ISSUER: &str = "ocp-receive";

/// How long a token is accepted after it expires, because the client's clock can be slow.
const LEEWAY: Duration = Duration::from_secs(120);

const KEY_BYTES: usize = 32;

/// The claims of a token.
#[derive(Debug, Deserialize, Serialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
}

/// A key in the file. The first key in the file is the current key, which signs new tokens.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kid: String,
    /// The key in hexadecimal digits.
    key: String,
    created_at: String,
    /// When the key becomes invalid; null for the current key.
    until: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    keys: Vec<StoredKey>,
}

struct TokenKey {
    kid: String,
    bytes: Vec<u8>,
    until: Option<Timestamp>,
}

/// The valid keys.
pub(crate) struct TokenKeys(Vec<TokenKey>);

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kids = self.0.iter().map(|key| &key.kid);
        f.debug_list().entries(kids).finish()
    }
}

impl TokenKeys {
    /// Reads the keys of a directory, or creates them if there are none. Two instances that start
    /// at the same time get the same keys.
    pub(crate) fn open(directory: &Path, now: Timestamp) -> anyhow::Result<TokenKeys> {
        if !file_of(directory).exists() {
            change(directory, |stored| match stored.is_empty() {
                true => Ok(vec![new_key(now)?]),
                false => Ok(stored),
            })?;
        }
        TokenKeys::read(directory, now)
    }

    /// Reads the keys of a directory. An error with status 65 if the keys are damaged, or with
    /// status 2 if other users can read them.
    pub(crate) fn read(directory: &Path, now: Timestamp) -> anyhow::Result<TokenKeys> {
        let path = file_of(directory);
        let place = || path.display().to_string();
        if let Some(why) = private::distrust(&path).with_context(place)? {
            return Err(error::usage(why)).with_context(place);
        }
        let keys = stored(&path)?.into_iter().map(|stored| {
            let until = stored.until.as_deref();
            Ok(TokenKey {
                bytes: unhex(&stored.key).ok_or_else(damaged)?,
                until: until
                    .map(|text| Timestamp::parse_instant(text).ok_or_else(damaged))
                    .transpose()?,
                kid: stored.kid,
            })
        });
        let mut keys: Vec<TokenKey> = keys.collect::<anyhow::Result<_>>().with_context(place)?;
        keys.retain(|key| key.until.is_none_or(|until| now < until));
        match keys.is_empty() {
            true => Err(damaged()).with_context(place),
            false => Ok(TokenKeys(keys)),
        }
    }

    /// Adds a new key at the front. The key that it replaces stays valid for two more lifetimes of
    /// a token. Returns the id of the new key.
    pub(crate) fn rotate(
        directory: &Path,
        now: Timestamp,
        lifetime: Duration,
    ) -> anyhow::Result<String> {
        let key = new_key(now)?;
        let kid = key.kid.clone();
        let end = now.plus(lifetime * 2).rfc3339_millis();
        change(directory, |stored| {
            let mut keys = vec![key];
            keys.extend(stored.into_iter().filter_map(|mut old| {
                let until = old.until.get_or_insert_with(|| end.clone());
                let is_valid = Timestamp::parse_instant(until).is_some_and(|until| now < until);
                is_valid.then_some(old)
            }));
            Ok(keys)
        })?;
        Ok(kid)
    }

    /// Creates a token for a client.
    pub(crate) fn issue(
        &self,
        client: &str,
        now: Timestamp,
        lifetime: Duration,
    ) -> anyhow::Result<String> {
        let Some(key) = self.0.first() else {
            return Err(damaged());
        };
        let seconds = now.millis().div_euclid(1000);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: client.to_owned(),
            aud: ISSUER.to_owned(),
            iat: seconds,
            exp: seconds.saturating_add_unsigned(lifetime.as_secs()),
            jti: random_hex(16)?,
        };
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(key.kid.clone());
        let key = EncodingKey::from_secret(&key.bytes);
        Ok(jsonwebtoken::encode(&header, &claims, &key)?)
    }

    /// Whether the token names one of these keys. The signature of the token is not checked.
    pub(crate) fn have_signer_of(&self, token: &str) -> bool {
        self.signer_of(token).is_some()
    }

    fn signer_of(&self, token: &str) -> Option<&TokenKey> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        self.0.iter().find(|key| key.kid == kid)
    }

    /// The client of a token, and the time from which the token is no longer accepted. `None` if
    /// the signature is not ours, or if the token has expired.
    pub(crate) fn client_of(&self, token: &str, now: Timestamp) -> Option<(String, Timestamp)> {
        let signer = self.signer_of(token)?;
        let mut validation = Validation::new(Algorithm::HS256);
        // The expiry is checked below, by our own clock.
        validation.validate_exp = false;
        validation.set_audience(&[ISSUER]);
        validation.set_issuer(&[ISSUER]);
        let key = DecodingKey::from_secret(&signer.bytes);
        let claims: Claims = jsonwebtoken::decode(token, &key, &validation).ok()?.claims;
        let end = Timestamp::from_millis(claims.exp.saturating_mul(1000)).plus(LEEWAY);
        let end = signer.until.map_or(end, |until| until.min(end));
        (now < end).then_some((claims.sub, end))
    }
}

fn file_of(directory: &Path) -> PathBuf {
    directory.join("token.keys")
}

fn damaged() -> anyhow::Error {
    error::bad_input(
        "the file is damaged: remove it, and serve makes new keys; clients then request new tokens",
    )
}

fn stored(path: &Path) -> anyhow::Result<Vec<StoredKey>> {
    let place = || path.display().to_string();
    let text = fs::read(path).with_context(place)?;
    let file: Result<KeysFile, _> = serde_json::from_slice(&text);
    file.map(|file| file.keys)
        .map_err(|_| damaged())
        .with_context(place)
}

/// Replaces the keys of a directory by the result of `change`. A lock keeps other processes out.
fn change(
    directory: &Path,
    change: impl FnOnce(Vec<StoredKey>) -> anyhow::Result<Vec<StoredKey>>,
) -> anyhow::Result<()> {
    let path = file_of(directory);
    let lock_path = directory.join("token.keys.lock");
    let place = || lock_path.display().to_string();
    let lock = private::open(&lock_path).with_context(place)?;
    locks::require(&lock).with_context(place)?;
    let keys = match path.exists() {
        true => stored(&path)?,
        false => Vec::new(),
    };
    let file = KeysFile {
        keys: change(keys)?,
    };
    files::write_private(&path, &serde_json::to_vec(&file)?)
}

fn new_key(now: Timestamp) -> anyhow::Result<StoredKey> {
    Ok(StoredKey {
        kid: random_hex(8)?,
        key: random_hex(KEY_BYTES)?,
        created_at: now.rfc3339_millis(),
        until: None,
    })
}

fn random_hex(bytes: usize) -> anyhow::Result<String> {
    let mut random = vec![0; bytes];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| anyhow!("the system provides no random numbers"))?;
    Ok(digest::hex(&random))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if text.len() != 2 * KEY_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes = text
        .chunks(2)
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok());
    bytes.collect()
}

#[cfg(test)]
mod tests;
