//! Issues tokens and checks them.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use ring::rand::SystemRandom;
use ring::{digest, hmac};

use crate::os::clock::Clock;
use crate::os::mutex::lock;
use crate::receive::access::clients::Clients;
use crate::receive::access::failures::AuthFailures;
use crate::receive::access::token_keys::TokenKeys;
use crate::receive::access::token_request::{TokenRefusal, TokenRequest};
use crate::time::Timestamp;

/// The keys are read again for a token with an unknown key, but at most once in this time.
const KEYS_PAUSE: Duration = Duration::from_secs(1);

type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A token for the reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IssuedToken {
    /// The id of the client.
    pub(crate) client: String,
    /// The token itself.
    pub(crate) text: String,
    /// How long the token is valid.
    pub(crate) lifetime: Duration,
}

/// The last valid token of a connection. If the connection sends the same token again, comparing
/// its hash is enough, until the token expires or the keys are read again.
#[derive(Debug)]
pub(crate) struct KnownToken {
    /// The hash of the whole header. Comparing hashes instead of headers prevents timing attacks.
    hash: digest::Digest,
    client: String,
    end: Timestamp,
    keys: Arc<TokenKeys>,
}

/// Clients, keys and failed logins of a running receiver.
pub(crate) struct Authenticator {
    clients_path: PathBuf,
    directory: PathBuf,
    lifetime: Duration,
    env: Environment,
    clock: Clock,
    comparison_key: hmac::Key,
    clients: Mutex<Arc<Clients>>,
    keys: Mutex<Arc<TokenKeys>>,
    keys_read: Mutex<Option<Instant>>,
    failures: AuthFailures,
    ignored: Mutex<HashSet<String>>,
    complaint: Mutex<String>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticator({})", self.clients_path.display())
    }
}

impl Authenticator {
    /// Reads clients and keys. An error with status 2 if the clients are invalid.
    pub(crate) fn open(
        clients: &Path,
        directory: &Path,
        lifetime: Duration,
        env: Environment,
        clock: Clock,
    ) -> anyhow::Result<Authenticator> {
        let comparison_key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| anyhow!("the system provides no random numbers"))?;
        Ok(Authenticator {
            clients: Mutex::new(Arc::new(Clients::read(clients, &*env)?)),
            keys: Mutex::new(Arc::new(TokenKeys::open(directory, clock.now())?)),
            clients_path: clients.to_owned(),
            directory: directory.to_owned(),
            lifetime,
            env,
            clock,
            comparison_key,
            keys_read: Mutex::default(),
            failures: AuthFailures::default(),
            ignored: Mutex::default(),
            complaint: Mutex::default(),
        })
    }

    /// Reads clients and keys again. Invalid clients or keys do not replace those that were read
    /// before.
    pub(crate) fn reload(&self) {
        let clients = Clients::read(&self.clients_path, &*self.env);
        let keys = TokenKeys::read(&self.directory, self.clock.now());
        let mut complaint = String::new();
        match clients {
            Err(e) => complaint = format!("{e:#}; the previous clients stay valid"),
            Ok(clients) => {
                let mut current = lock(&self.clients);
                if **current != clients {
                    log::info!(
                        "the file of clients was read again: {} clients",
                        clients.count()
                    );
                    *current = Arc::new(clients);
                }
            }
        }
        match keys {
            Err(e) => complaint = format!("{e:#}; the previous keys stay valid"),
            Ok(keys) => *lock(&self.keys) = Arc::new(keys),
        }
        let mut last = lock(&self.complaint);
        if !complaint.is_empty() && *last != complaint {
            log::warn!("{complaint}");
        }
        *last = complaint;
    }

    /// Issues a token to a client with the right secret. `address` is the client's address.
    pub(crate) fn token(
        &self,
        authorization: Option<&str>,
        body: &[u8],
        address: IpAddr,
    ) -> Result<IssuedToken, TokenRefusal> {
        let now = self.clock.instant();
        if self.failures.are_too_many(address, now) {
            return Err(TokenRefusal::TooManyFailures);
        }
        let refuse = |refusal| {
            if refusal == TokenRefusal::InvalidClient {
                self.failures.count(address, now);
            }
            Err(refusal)
        };
        let request = match TokenRequest::read(authorization, body) {
            Ok(request) => request,
            Err(refusal) => return refuse(refusal),
        };
        let clients = Arc::clone(&lock(&self.clients));
        if !clients.takes(request.grant) {
            return Err(TokenRefusal::UnsupportedGrantType);
        }
        let (wall, key) = (self.clock.now(), &self.comparison_key);
        let mut candidates = request.candidates.iter();
        let known = candidates.find(|one| clients.knows(&one.id, &one.secret, wall, key));
        let Some(known) = known else {
            return refuse(TokenRefusal::InvalidClient);
        };
        self.log_ignored(&request.ignored);
        let keys = Arc::clone(&lock(&self.keys));
        match keys.issue(&known.id, wall, self.lifetime) {
            Ok(text) => Ok(IssuedToken {
                client: known.id.clone(),
                text,
                lifetime: self.lifetime,
            }),
            Err(e) => {
                log::error!("cannot make a token: {e:#}");
                Err(TokenRefusal::InvalidRequest)
            }
        }
    }

    fn log_ignored(&self, names: &[String]) {
        let mut known = lock(&self.ignored);
        for name in names {
            if known.len() < 32 && known.insert(name.clone()) {
                log::info!("a token request has '{name}', which is ignored");
            }
        }
    }

    /// Returns the client of the token in an `Authorization` header; `None` if the token is not
    /// ours or not valid, or if its client does not exist any more. `known` is the last valid token
    /// of the connection.
    pub(crate) fn client_of(
        &self,
        authorization: &str,
        known: &Mutex<Option<KnownToken>>,
    ) -> Option<String> {
        let now = self.clock.now();
        let hash = digest::digest(&digest::SHA256, authorization.as_bytes());
        let mut known = lock(known);
        let is_known = |known: &KnownToken| {
            known.hash.as_ref() == hash.as_ref()
                && now < known.end
                && Arc::ptr_eq(&known.keys, &lock(&self.keys))
        };
        if !known.as_ref().is_some_and(is_known) {
            let token = bearer_token(authorization)?;
            let keys = self.keys_for(token);
            let (client, end) = keys.client_of(token, now)?;
            *known = Some(KnownToken {
                hash,
                client,
                end,
                keys,
            });
        }
        let client = known.as_ref().map(|known| &known.client)?;
        lock(&self.clients).has(client, now).then(|| client.clone())
    }

    /// Returns the keys. If the token names an unknown key, the keys are first read again, because
    /// perhaps another process has created this key.
    fn keys_for(&self, token: &str) -> Arc<TokenKeys> {
        let keys = Arc::clone(&lock(&self.keys));
        if keys.have_signer_of(token) {
            return keys;
        }
        let now = self.clock.instant();
        let mut read = lock(&self.keys_read);
        if read.is_some_and(|last| now.saturating_duration_since(last) < KEYS_PAUSE) {
            return keys;
        }
        *read = Some(now);
        match TokenKeys::read(&self.directory, self.clock.now()) {
            Err(_) => keys,
            Ok(new) => {
                let new = Arc::new(new);
                *lock(&self.keys) = Arc::clone(&new);
                new
            }
        }
    }

    /// Whether a client may use a path.
    pub(crate) fn may_use(&self, client: &str, path: &str) -> bool {
        lock(&self.clients).may_use(client, path, self.clock.now())
    }
}

fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests;
