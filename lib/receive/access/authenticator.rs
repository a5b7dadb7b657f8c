//! Gives tokens out and checks them.

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

/// How often the keys are read again because a token names one that is not known.
const KEYS_PAUSE: Duration = Duration::from_secs(1);

type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A token, as the reply has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IssuedToken {
    /// Who it is for.
    pub(crate) client: String,
    /// The token itself.
    pub(crate) text: String,
    /// How long it is valid.
    pub(crate) lifetime: Duration,
}

/// The last valid token of a connection: the same one again is checked by its hash, until
/// it ends or the keys are read again.
#[derive(Debug)]
pub(crate) struct KnownToken {
    /// Of the whole header; compared instead of it, so that the time that it takes says
    /// nothing about the token.
    hash: digest::Digest,
    client: String,
    end: Timestamp,
    keys: Arc<TokenKeys>,
}

/// Clients, keys and failures of a running receiver.
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
    /// Reads clients and keys. Status 2 for clients that cannot be used.
    pub(crate) fn open(
        clients: &Path,
        directory: &Path,
        lifetime: Duration,
        env: Environment,
        clock: Clock,
    ) -> anyhow::Result<Authenticator> {
        let comparison_key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| anyhow!("the system gives no random numbers"))?;
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

    /// Reads clients and keys again. Those that were stay where the new ones cannot be
    /// used.
    pub(crate) fn reload(&self) {
        let clients = Clients::read(&self.clients_path, &*self.env);
        let keys = TokenKeys::read(&self.directory, self.clock.now());
        let mut complaint = String::new();
        match clients {
            Err(e) => complaint = format!("{e:#}; the clients that were stay"),
            Ok(clients) => {
                let mut current = lock(&self.clients);
                if **current != clients {
                    log::info!("clients read again: {} now", clients.count());
                    *current = Arc::new(clients);
                }
            }
        }
        match keys {
            Err(e) => complaint = format!("{e:#}; the keys that were stay"),
            Ok(keys) => *lock(&self.keys) = Arc::new(keys),
        }
        let mut last = lock(&self.complaint);
        if !complaint.is_empty() && *last != complaint {
            log::warn!("{complaint}");
        }
        *last = complaint;
    }

    /// A token for a client that knows its secret. `address` is where it asks from.
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
                log::error!("no token can be made: {e:#}");
                Err(TokenRefusal::InvalidRequest)
            }
        }
    }

    fn log_ignored(&self, names: &[String]) {
        let mut known = lock(&self.ignored);
        for name in names {
            if known.len() < 32 && known.insert(name.clone()) {
                log::info!("a token request has '{name}', which means nothing here");
            }
        }
    }

    /// The client that an `Authorization` header names, with a token that we gave out,
    /// that has not ended, and whose client is still listed. `known` is what the connection
    /// remembers.
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

    /// The keys; read again first if the token names one that another process made.
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
