//! `clients.toml`: the clients that may request a token, and their paths.

use std::path::{Path, PathBuf};
use std::{fs, str};

use anyhow::Context;
use ring::hmac;
use serde::Deserialize;

use crate::error;
use crate::os::digest;
use crate::receive::access::path_pattern::PathPattern;
use crate::time::Timestamp;

/// How a client may request a token.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GrantType {
    /// The client credentials grant of RFC 6749 §4.4.
    ClientCredentials,
    /// The password grant of RFC 6749 §4.3. The user name is the id of a client.
    Password,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientsFile {
    grants: Option<Vec<GrantType>>,
    #[serde(default)]
    client: Vec<ClientEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    id: String,
    secret_file: Option<PathBuf>,
    secret_env: Option<String>,
    secret_sha256: Option<String>,
    paths: Vec<String>,
    not_after: Option<toml::Value>,
}

/// One client. Only the hash of its secret is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PushClient {
    id: String,
    secret_sha256: String,
    paths: Vec<PathPattern>,
    not_after: Option<Timestamp>,
}

impl PushClient {
    fn is_valid(&self, now: Timestamp) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }
}

/// All clients of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clients {
    clients: Vec<PushClient>,
    grants: Vec<GrantType>,
}

impl Clients {
    /// Reads the file and the secret files that it names. Relative paths of secret files start at
    /// the directory of `path`. An error with status 2 if something is invalid.
    pub(crate) fn read(
        path: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Clients> {
        let place = || path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|e| error::usage(e.to_string()))
            .with_context(place)?;
        let file: ClientsFile = toml::from_str(&text)
            .map_err(|e| error::usage(e.to_string().trim_end().to_owned()))
            .with_context(place)?;
        let beside = path.parent().unwrap_or(Path::new(""));
        let clients = file.client.into_iter().map(|entry| {
            let id = entry.id.clone();
            client(entry, beside, env).with_context(|| format!("{}: client '{id}'", place()))
        });
        let clients: Vec<PushClient> = clients.collect::<anyhow::Result<_>>()?;
        if clients.is_empty() {
            return Err(error::usage("it has no [[client]]")).with_context(place);
        }
        let all = vec![GrantType::ClientCredentials, GrantType::Password];
        Ok(Clients {
            clients,
            grants: file.grants.unwrap_or(all),
        })
    }

    /// The number of clients.
    pub(crate) fn count(&self) -> usize {
        self.clients.len()
    }

    /// Whether clients may use this grant type.
    pub(crate) fn takes(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether a valid client has this id and this secret. The id and the secret are compared with
    /// those of all clients, in constant time.
    pub(crate) fn knows(&self, id: &str, secret: &str, now: Timestamp, key: &hmac::Key) -> bool {
        let given = proof(id, &digest::sha256(secret.as_bytes()));
        let mut known = false;
        for client in &self.clients {
            let expected = hmac::sign(key, &proof(&client.id, &client.secret_sha256));
            let is_same = hmac::verify(key, &given, expected.as_ref()).is_ok();
            known |= is_same & client.is_valid(now);
        }
        known
    }

    /// Whether a valid client has this id.
    pub(crate) fn has(&self, id: &str, now: Timestamp) -> bool {
        let mut clients = self.clients.iter();
        clients.any(|client| client.id == id && client.is_valid(now))
    }

    /// Whether a client may use a path.
    pub(crate) fn may_use(&self, id: &str, path: &str, now: Timestamp) -> bool {
        let mut clients = self.clients.iter();
        clients.any(|client| {
            client.id == id
                && client.is_valid(now)
                && client.paths.iter().any(|pattern| pattern.matches(path))
        })
    }
}

/// Joins id and secret so that different pairs give different texts.
fn proof(id: &str, secret_sha256: &str) -> Vec<u8> {
    [secret_sha256.as_bytes(), id.as_bytes()].concat()
}

fn client(
    entry: ClientEntry,
    beside: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<PushClient> {
    if entry.id.is_empty() || entry.id.chars().any(char::is_control) {
        return Err(error::usage("the id is empty or has a line break"));
    }
    let of_secret = |secret: &[u8]| match without_line_end(secret) {
        [] => Err(error::usage("the secret is empty")),
        secret => Ok(digest::sha256(secret)),
    };
    let secret_sha256 = match (entry.secret_file, entry.secret_env, entry.secret_sha256) {
        (Some(file), None, None) => {
            let file = beside.join(file);
            let place = || format!("secret_file {}", file.display());
            let secret = fs::read(&file).map_err(|e| error::usage(e.to_string()));
            secret
                .and_then(|secret| of_secret(&secret))
                .with_context(place)?
        }
        (None, Some(name), None) => {
            let secret = env(&name).unwrap_or_default();
            of_secret(secret.as_bytes()).with_context(|| format!("secret_env {name}"))?
        }
        (None, None, Some(hash)) => {
            let hash = hash.to_ascii_lowercase();
            let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_hash {
                return Err(error::usage("secret_sha256 is not 64 hexadecimal digits"));
            }
            hash
        }
        _ => {
            return Err(error::usage(
                "it needs one of secret_file, secret_env and secret_sha256",
            ));
        }
    };
    let paths = entry.paths.iter().map(|path| PathPattern::parse(path));
    let paths = paths
        .collect::<Result<_, _>>()
        .map_err(|e| error::usage(format!("paths: {e}")))?;
    Ok(PushClient {
        id: entry.id,
        secret_sha256,
        paths,
        not_after: entry.not_after.as_ref().map(instant).transpose()?,
    })
}

/// Removes one line end, which editors add to a secret.
fn without_line_end(secret: &[u8]) -> &[u8] {
    let secret = secret.strip_suffix(b"\n").unwrap_or(secret);
    secret.strip_suffix(b"\r").unwrap_or(secret)
}

fn instant(value: &toml::Value) -> anyhow::Result<Timestamp> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Timestamp::parse_instant(&text)
        .ok_or_else(|| error::usage(format!("not_after: '{text}' is not a time in RFC 3339")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::files::write_atomic;

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    fn read(text: &str) -> anyhow::Result<Clients> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clients.toml");
        write_atomic(&path, text.as_bytes()).unwrap();
        write_atomic(&dir.path().join("s"), b"hunter2\n").unwrap();
        Clients::read(&path, &|name| (name == "S").then(|| "hunter3".to_owned()))
    }

    fn key() -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])
    }

    #[test]
    fn a_secret_comes_from_a_file_a_variable_or_as_a_hash() {
        let hash = digest::sha256(b"hunter4");
        let clients = read(&format!(
            "[[client]]\nid='a'\nsecret_file='s'\npaths=['/push/g/*']\n\
             [[client]]\nid='b'\nsecret_env='S'\npaths=[]\n\
             [[client]]\nid='c'\nsecret_sha256='{hash}'\npaths=[]\nnot_after=2026-11-20T00:00:00Z\n"
        ))
        .unwrap();
        let knows = |id, secret| clients.knows(id, secret, NOW, &key());
        assert!(knows("a", "hunter2"));
        assert!(!knows("a", "hunter2\n"));
        assert!(!knows("a", "hunter3"), "another's");
        assert!(knows("b", "hunter3"));
        assert!(!knows("c", "hunter4"), "it has expired");
        let before = NOW.minus(std::time::Duration::from_secs(30 * 86400));
        assert!(clients.knows("c", "hunter4", before, &key()));
        assert!(clients.has("a", NOW) && !clients.has("c", NOW) && !clients.has("d", NOW));
        assert!(clients.may_use("a", "/push/g/t", NOW));
        assert!(!clients.may_use("b", "/push/g/t", NOW));
        assert!(clients.takes(GrantType::Password));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let refused = |text: &str| format!("{:#}", read(text).unwrap_err());
        assert!(refused("").contains("no [[client]]"));
        assert!(refused("x=1").contains("unknown field"));
        let two = "[[client]]\nid='a'\nsecret_env='S'\nsecret_file='s'\npaths=[]";
        assert!(refused(two).contains("client 'a': it needs one of"));
        let unset = "[[client]]\nid='a'\nsecret_env='T'\npaths=[]";
        assert!(refused(unset).contains("secret_env T: the secret is empty"));
        let path = "[[client]]\nid='a'\nsecret_env='S'\npaths=['push']";
        assert!(refused(path).contains("begin it with /"));
        let time = "[[client]]\nid='a'\nsecret_env='S'\npaths=[]\nnot_after='soon'";
        assert!(refused(time).contains("not_after: 'soon'"));
    }
}
