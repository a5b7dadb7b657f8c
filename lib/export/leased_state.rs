//! A state in a bucket: its lease, its object, and its side logs.
//!
//! A run works on copies of the side logs in its own directory. When it saves the state, it first
//! writes each changed log to a new object, whose name contains a checksum of the content. The
//! state contains these names. So a state and its logs always match, even if a run is killed.
//!
//! A run deletes a side log only after it has saved a state that does not need the log. Another run
//! that was suspended meanwhile would replace the same object, so its write fails. This is true if
//! all runs of a state use `--state-out`, or none of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;

use crate::bucket::address::BucketUrl;
use crate::bucket::lease::BucketLease;
use crate::bucket::objects::PutCondition;
use crate::bucket::service::BucketService;
use crate::error;
use crate::os::mutex::lock;
use crate::os::private::PrivateDirectory;
use crate::os::{digest, files, host};

/// The start of the names of side logs in a run's directory.
const NAME: &str = "state";

/// Maps each side log, as `NAME.GENERATION`, to the checksum in the name of its object.
pub(super) type SideObjects = BTreeMap<String, String>;

/// The lease of a state in a bucket, and the side logs of the state. The lease ends when this value
/// is dropped.
#[derive(Debug)]
pub(super) struct LeasedState {
    service: Arc<BucketService>,
    url: BucketUrl,
    lease: BucketLease,
    directory: PrivateDirectory,
    /// The side logs of the state that was read.
    read: SideObjects,
    /// The side logs, as `NAME.GENERATION` and checksum, that were in the bucket before this run
    /// began, and that the state that was read does not name. Killed runs left them.
    leftover: Mutex<Vec<(String, String)>>,
    /// The side logs of the state that was saved last. Before the first save: of the state that was
    /// read.
    saved: Mutex<SideObjects>,
}

impl LeasedState {
    /// Takes the lease. Returns an error with status 75 if another run has the lease.
    pub(super) fn take(
        service: &Arc<BucketService>,
        url: &BucketUrl,
        temp_dir: &Path,
    ) -> anyhow::Result<LeasedState> {
        Ok(LeasedState {
            lease: BucketLease::take(service, url, host::this_process())?,
            directory: PrivateDirectory::create(temp_dir)?,
            service: service.clone(),
            url: url.clone(),
            read: SideObjects::new(),
            leftover: Mutex::default(),
            saved: Mutex::default(),
        })
    }

    /// The start of the paths of the side logs in the run's directory. Each of these paths
    /// continues with `.NAME.GENERATION`.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }

    /// Copies the side logs `logs` of the state into this run's directory. If `logs` is not empty,
    /// also lists the side logs that killed runs left in the bucket. Returns an error with status 75
    /// if another run has taken the lease and deleted a log meanwhile, and with status 65 if a log
    /// is missing or damaged for another reason.
    pub(super) fn fetch(&mut self, logs: SideObjects) -> anyhow::Result<()> {
        for (name, content) in &logs {
            let url = self.object_of(name, content);
            if !is_log(&format!(".{name}")) {
                return Err(error::bad_input(format!(
                    "{url}: this is not the name of a side log"
                )));
            }
            let object = self.service.get(&url)?;
            let object = object.filter(|object| content_name(&object.bytes) == *content);
            let Some(object) = object else {
                self.confirm()?;
                return Err(error::bad_input(format!(
                    "{url}: this side log of the state is missing or damaged: restore it, or start with another state"
                )));
            };
            let path = self.directory.path().join(format!("{NAME}.{name}"));
            files::write_private(&path, &object.bytes)?;
        }
        if !logs.is_empty() {
            self.leftover = Mutex::new(self.list_leftover(&logs)?);
        }
        *lock(&self.saved) = logs.clone();
        self.read = logs;
        Ok(())
    }

    /// Writes the changed side logs of this run to the bucket. Returns all side logs, for the new
    /// state.
    pub(super) fn publish(&self) -> anyhow::Result<SideObjects> {
        self.lease.check().with_context(|| self.url.to_string())?;
        let mut logs = SideObjects::new();
        for entry in fs::read_dir(self.directory.path())? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name
                .to_str()
                .and_then(|name| name.strip_prefix(NAME))
                .filter(|name| is_log(name))
            else {
                continue;
            };
            let bytes = fs::read(entry.path())?;
            let (name, content) = (name[1..].to_owned(), content_name(&bytes));
            if lock(&self.saved).get(&name) != Some(&content) {
                self.service.put(
                    &self.object_of(&name, &content),
                    &bytes,
                    PutCondition::Always,
                )?;
            }
            logs.insert(name, content);
        }
        Ok(logs)
    }

    /// Deletes the side logs of the previous state and of killed runs, except those that a state
    /// still needs. The caller saves the new state first; `logs` are its side logs. `is_direct` says
    /// whether the new state replaced the state that was read.
    pub(super) fn tidy(&self, logs: SideObjects, is_direct: bool) {
        let saved = std::mem::replace(&mut *lock(&self.saved), logs.clone());
        let leftover = std::mem::take(&mut *lock(&self.leftover));
        // A run after this one may have written a log with the name of one that a killed run left.
        let is_certain = leftover.is_empty() || self.lease.confirm().is_ok();
        let leftover = leftover.into_iter().filter(|_| is_certain);
        let former = saved.into_iter().chain(leftover).collect();
        let read = match is_direct {
            true => None,
            false => Some(&self.read),
        };
        for (name, content) in unneeded(former, &logs, read) {
            let url = self.object_of(&name, &content);
            if let Err(e) = self.service.delete(&url) {
                log::debug!(
                    "{url}: this side log is not needed any more, but cannot be deleted: {e:#}"
                );
            }
        }
    }

    /// Renews the lease. Returns an error with status 75 if another run has taken the lease.
    pub(super) fn confirm(&self) -> anyhow::Result<()> {
        self.lease.confirm().with_context(|| self.url.to_string())
    }

    /// The error for a write that the bucket refused, because another run has replaced the object.
    pub(super) fn lost(&self) -> anyhow::Error {
        self.lease.lost()
    }

    fn object_of(&self, name: &str, content: &str) -> BucketUrl {
        self.url.with_ending(&format!(".{name}.{content}"))
    }

    fn list_leftover(&self, logs: &SideObjects) -> anyhow::Result<Vec<(String, String)>> {
        let objects = self.service.list(&self.url.with_ending("."))?;
        let leftover = objects.iter().filter_map(|object| {
            let (name, content) = leftover(&object.key[self.url.key().len()..], logs)?;
            Some((name.to_owned(), content.to_owned()))
        });
        Ok(leftover.collect())
    }
}

/// The side logs in `former` that are neither in `logs` (of the new state) nor in `read` (of the
/// state that was read, if it may still be the current one).
fn unneeded(
    mut former: Vec<(String, String)>,
    logs: &SideObjects,
    read: Option<&SideObjects>,
) -> Vec<(String, String)> {
    let states: Vec<&SideObjects> = [Some(logs), read].into_iter().flatten().collect();
    let is_needed =
        |name: &String, content: &String| states.iter().any(|logs| logs.get(name) == Some(content));
    former.retain(|(name, content)| !is_needed(name, content));
    former
}

/// Splits the end of an object's key, `.NAME.GENERATION.CHECKSUM`, into `NAME.GENERATION` and the
/// checksum. `None` if this side log is in `logs`, or if the object is not a side log.
fn leftover<'k>(ending: &'k str, logs: &SideObjects) -> Option<(&'k str, &'k str)> {
    let (name, content) = ending.rsplit_once('.')?;
    let is_ours =
        is_log(name) && content.len() == CONTENT && content.bytes().all(|b| b.is_ascii_hexdigit());
    let name = name.strip_prefix('.').filter(|_| is_ours)?;
    (logs.get(name).map(String::as_str) != Some(content)).then_some((name, content))
}

/// The number of hexadecimal digits of the checksum in the name of an object.
const CONTENT: usize = 32;

fn content_name(bytes: &[u8]) -> String {
    digest::hex(&digest::sha256_half(bytes))
}

/// Whether `ending` has the form `.NAME.GENERATION`, with the name and the generation of a side
/// log.
fn is_log(ending: &str) -> bool {
    let parts = ending
        .strip_prefix('.')
        .and_then(|ending| ending.split_once('.'));
    parts.is_some_and(|(name, generation)| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !generation.is_empty()
            && generation.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    fn logs(logs: &[(&str, &str)]) -> SideObjects {
        let owned = |(name, content): &(&str, &str)| ((*name).to_owned(), (*content).to_owned());
        logs.iter().map(owned).collect()
    }

    #[test]
    fn only_objects_that_are_named_as_a_side_log_is_are_left_over() {
        let current = logs(&[("calls.1", NEW)]);
        let old = format!(".calls.1.{OLD}");
        assert_eq!(leftover(&old, &current), Some(("calls.1", OLD)));
        assert!(leftover(&format!(".new-calls.12.{NEW}"), &current).is_some());
        let others = [
            format!(".calls.1.{NEW}"),
            format!("calls.1.{OLD}"),
            format!(".calls.{OLD}"),
            format!("..1.{OLD}"),
            format!(".ca_lls.1.{OLD}"),
            format!(".calls.1a.{OLD}"),
            format!(".calls..{OLD}"),
            format!(".calls.1.{}", &OLD[1..]),
            format!(".calls.1.{}g", &OLD[1..]),
            format!(".calls.1.{OLD}0"),
            ".lease".to_owned(),
        ];
        for other in others {
            assert_eq!(leftover(&other, &current), None);
        }
    }

    #[test]
    fn a_log_stays_while_a_state_that_may_be_current_needs_it() {
        let former = || {
            let former = logs(&[("a.1", OLD), ("b.1", OLD), ("c.1", OLD)]);
            former.into_iter().collect()
        };
        let (new, read) = (logs(&[("a.1", OLD), ("b.1", NEW)]), logs(&[("b.1", OLD)]));
        let names = |read| -> Vec<String> {
            let unneeded = unneeded(former(), &new, read).into_iter();
            unneeded.map(|(name, _)| name).collect()
        };
        assert_eq!(names(None), ["b.1", "c.1"]);
        assert_eq!(names(Some(&read)), ["c.1"]);
    }
}
