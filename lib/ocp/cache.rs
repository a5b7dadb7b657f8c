//! Tokens on disk, so that all programs of a user share one login.
//!
//! Each IAM host (login service), realm and user has one file. The file is created with mode 0600,
//! in a directory of mode 0700. A file that other users could read or write is not used. A lock
//! file beside the cache file lets only one process log in at a time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::error;
use crate::net::retry::Retry;
use crate::net::secret::Secret;
use crate::os::digest;
use crate::os::files;
use crate::os::locks::{self, LockOutcome};
use crate::os::private;
use crate::time::Timestamp;

/// The number of attempts to get the lock, and the pause between two attempts: 60 s in all. In this
/// time, another process can log in, even if its login needs retries.
const LOCK_TRIES: u32 = 1200;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// The tokens that the IAM granted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The token for `Authorization: Bearer`.
    #[serde(with = "exposed")]
    pub access_token: Secret,
    /// The type of the token as the IAM names it, usually `bearer`.
    pub token_type: String,
    /// When the access token was granted.
    pub granted_at: Timestamp,
    /// When the access token expires.
    pub expires_at: Timestamp,
    /// The token that gets the next access token without a password.
    pub refresh: Option<Refresh>,
}

/// A refresh token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refresh {
    /// The token.
    #[serde(with = "exposed")]
    pub token: Secret,
    /// When the refresh token expires; `None` if the IAM does not state it.
    pub expires_at: Option<Timestamp>,
}

/// Writes and reads a secret as plain text. Only a cache file may contain secrets.
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

/// A cache that this process has locked, to read and renew its tokens.
#[derive(Debug)]
pub struct Locked<'a> {
    cache: &'a Cache,
    _lock: File,
}

impl Cache {
    /// The cache under `home` for an `identity`: IAM host, realm and user. Logs a warning and
    /// returns `None` if the directory cannot be created, trusted or locked. The program then works
    /// without a cache, for example in a container with a read-only home.
    pub fn open(home: &Path, identity: &[&str]) -> Option<Cache> {
        let directory = match private::cache_directory(home) {
            Ok(directory) => directory,
            Err(why) => {
                log::warn!("{why}: the token cache is not used");
                return None;
            }
        };
        files::tidy(&directory);
        // The lengths distinguish the identity `ab`, `c` from the identity `a`, `bc`.
        let parts = identity.iter().map(|part| format!("{}:{part}", part.len()));
        let name = digest::sha256(parts.collect::<String>().as_bytes());
        let cache = Cache {
            file: directory.join(format!("ocp-{}.json", &name[..32])),
        };
        let wrong = match cache.open_lock().and_then(|lock| locks::try_lock(&lock)) {
            Err(e) => e.to_string(),
            Ok(LockOutcome::Unsupported) => "the file system has no locks".to_owned(),
            Ok(_) => return Some(cache),
        };
        log::warn!(
            "{}: {wrong}: the token cache is not used",
            directory.display()
        );
        None
    }

    fn lock_path(&self) -> PathBuf {
        self.file.with_extension("lock")
    }

    fn open_lock(&self) -> io::Result<File> {
        private::open(&self.lock_path())
    }

    /// Locks the cache. Waits while another process logs in; fails with status 75 if the wait is
    /// longer than 60 s.
    pub fn lock(&self, retry: &Retry) -> anyhow::Result<Locked<'_>> {
        let place = || self.lock_path().display().to_string();
        let lock = self.open_lock().with_context(place)?;
        for _ in 0..LOCK_TRIES {
            if locks::try_lock(&lock).with_context(place)? == LockOutcome::Locked {
                return Ok(Locked {
                    cache: self,
                    _lock: lock,
                });
            }
            retry.sleep(LOCK_PAUSE)?;
        }
        Err(error::try_later("another login holds it")).with_context(place)
    }
}

impl Locked<'_> {
    /// The tokens of an earlier login; they have possibly expired. `None` if there is no file, if
    /// other users could read or write it, or if it is damaged.
    pub fn read(&self) -> Option<Grant> {
        let path = &self.cache.file;
        if !path.exists() {
            return None;
        }
        if let Some(why) = private::distrust(path).unwrap_or_else(|e| Some(e.to_string())) {
            log::warn!("{}: {why}; the file is not used", path.display());
            return None;
        }
        let text = fs::read_to_string(path).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Replaces the tokens in the cache. A failure is only logged, because the caller can still use
    /// the tokens.
    pub fn write(&self, grant: &Grant) {
        let written = serde_json::to_vec(grant)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| files::write_private(&self.cache.file, &bytes));
        if let Err(e) = written {
            log::warn!("the token cache: {e:#}");
        }
    }

    /// Deletes the tokens.
    pub fn clear(&self) -> anyhow::Result<()> {
        files::remove(&self.cache.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use crate::net::retry::RetryArgs;
    use crate::os::clock::Clock;
    use crate::os::signals::Stop;
    use std::os::unix::fs::PermissionsExt;

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    fn retry() -> Retry {
        let args = RetryArgs {
            tries: 1,
            backoff: Duration::ZERO,
            patience: Duration::ZERO,
        };
        Retry::new(&args, 7, Clock::manual(NOW), Stop::default())
    }

    fn grant() -> Grant {
        Grant {
            access_token: Secret::new("a-token".to_owned()),
            token_type: "bearer".to_owned(),
            granted_at: NOW,
            expires_at: NOW,
            refresh: None,
        }
    }

    #[test]
    fn a_grant_is_read_back_until_it_is_cleared_and_under_its_identity_only() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(home.path(), &["ab", "c"]).unwrap();
        let other = Cache::open(home.path(), &["a", "bc"]).unwrap();
        let (locked, other) = (cache.lock(&retry()).unwrap(), other.lock(&retry()).unwrap());
        assert!(locked.read().is_none());
        locked.write(&grant());
        let read = locked.read().unwrap();
        assert_eq!(read.access_token.expose(), "a-token");
        assert!(other.read().is_none());
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&cache.file, open).unwrap();
        assert!(locked.read().is_none(), "others may read it");
        locked.write(&grant());
        locked.clear().unwrap();
        assert!(locked.read().is_none());
    }

    #[test]
    fn one_process_logs_in_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(home.path(), &["a"]).unwrap();
        let held = cache.lock(&retry()).unwrap();
        let waiting = retry();
        let error = cache.lock(&waiting).unwrap_err();
        assert_eq!(Status::of(&error), Status::TryLater);
        assert!(format!("{error:#}").contains(".lock"), "{error:#}");
        assert_eq!(waiting.now().since(NOW), LOCK_PAUSE * LOCK_TRIES);
        drop(held);
        cache.lock(&retry()).unwrap();
    }
}
