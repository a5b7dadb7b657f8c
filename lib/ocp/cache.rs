//! Tokens on disk, so that ten programs of one user log in once.
//!
//! One file for each IAM host, realm and user, mode 0600 in a directory of mode
//! 0700, both created so. What others could have read or written is not used. A
//! lock file beside it serialises those who would all log in at once.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error;
use crate::secret::Secret;
use crate::stop::Stop;
use crate::store;
use crate::time::Timestamp;

/// Whoever holds the lock is in the middle of one login, retries included.
const LOCK_TRIES: u32 = 1200;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Tokens as the IAM granted them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// For `Authorization: Bearer`.
    #[serde(with = "exposed")]
    pub access_token: Secret,
    /// As the IAM names it, `bearer`.
    pub token_type: String,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// Gets the next access token without a password.
    pub refresh: Option<Refresh>,
}

/// A refresh token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refresh {
    /// The token.
    #[serde(with = "exposed")]
    pub token: Secret,
    /// When it ends; `None` if the IAM does not say.
    pub expires_at: Option<Timestamp>,
}

/// The one place where a secret is written down: a cache file.
mod exposed {
    use super::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Secret, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Secret, D::Error> {
        String::deserialize(d).map(Secret::new)
    }
}

/// The cache file of one login.
#[derive(Clone, Debug)]
pub struct Cache {
    file: PathBuf,
}

/// Held while the cache is read and renewed.
#[derive(Debug)]
pub struct Locked<'a> {
    cache: &'a Cache,
    _lock: File,
}

impl Cache {
    /// The cache for this host, realm and user under `home`; `None`, with a
    /// warning, if the directory cannot be trusted.
    pub fn open(home: &Path, identity: &[&str]) -> anyhow::Result<Option<Cache>> {
        let directory = home.join("callpipe");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("creating {}", directory.display()))?;
        if let Some(why) = distrust(&directory)? {
            log::warn!("{}: {why}: keeping no token cache", directory.display());
            return Ok(None);
        }
        let mut hash = Sha256::new();
        for part in identity {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let name: String = hash.finalize()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Some(Cache {
            file: directory.join(format!("ocp-{name}.json")),
        }))
    }

    /// Waits for whoever is logging in just now; status 75 if they never end.
    pub fn lock(&self, stop: &Stop) -> anyhow::Result<Locked<'_>> {
        let path = self.file.with_extension("lock");
        let place = || path.display().to_string();
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(place)?;
        for _ in 0..LOCK_TRIES {
            match lock.try_lock() {
                Ok(()) => {
                    return Ok(Locked {
                        cache: self,
                        _lock: lock,
                    });
                }
                Err(TryLockError::WouldBlock) => stop.sleep(LOCK_PAUSE)?,
                Err(TryLockError::Error(e)) => return Err(e).with_context(place),
            }
        }
        Err(error::try_later("another login holds it")).with_context(place)
    }
}

impl Locked<'_> {
    /// The tokens of an earlier login, if there are any that may be trusted.
    pub fn read(&self) -> Option<Grant> {
        let path = &self.cache.file;
        if !path.exists() {
            return None;
        }
        match distrust(path) {
            Ok(None) => {}
            Ok(Some(why)) => {
                log::warn!("{}: {why}: not using it", path.display());
                return None;
            }
            Err(e) => {
                log::warn!("{e:#}: not using it");
                return None;
            }
        }
        let text = fs::read_to_string(path).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Replaces the tokens; the file is born with mode 0600.
    pub fn write(&self, grant: &Grant) -> anyhow::Result<()> {
        store::write_atomic(&self.cache.file, &serde_json::to_vec(grant)?)
    }

    /// Forgets the tokens.
    pub fn clear(&self) -> anyhow::Result<()> {
        match fs::remove_file(&self.cache.file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("removing {}", self.cache.file.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Why a path must not be trusted with, or for, a token.
fn distrust(path: &Path) -> anyhow::Result<Option<String>> {
    let place = || path.display().to_string();
    let metadata = fs::symlink_metadata(path).with_context(place)?;
    if metadata.is_symlink() {
        return Ok(Some("is a symbolic link".to_owned()));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Ok(Some("belongs to another user".to_owned()));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Ok(Some(format!(
            "others may use it (mode {mode:03o}; chmod go= mends that)"
        )));
    }
    Ok(None)
}
