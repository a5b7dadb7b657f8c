//! A state in a bucket: its lease, its object, and its side logs.
//!
//! A run works on copies of the side logs in its own directory. When it saves the state, it first
//! writes each changed log to a new object, whose name contains a checksum of the content. The
//! state contains these names. So a state and its logs always match, even if a run is killed.

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

/// The name of the state in the directory of a run.
const NAME: &str = "state";

/// Side logs by their names, each with the checksum in the name of its object.
pub(super) type SideObjects = BTreeMap<String, String>;

/// The right to write a state in a bucket, until it is dropped.
#[derive(Debug)]
pub(super) struct LeasedState {
    service: Arc<BucketService>,
    url: BucketUrl,
    lease: BucketLease,
    directory: PrivateDirectory,
    /// The side logs of the state that was read.
    read: SideObjects,
    /// The side logs of the state that was saved last, or read.
    saved: Mutex<SideObjects>,
}

impl LeasedState {
    /// Takes the lease. Status 75 if another run has it.
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
            saved: Mutex::default(),
        })
    }

    /// The path in the run's directory to which the names of side logs are appended.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }

    /// Copies the side logs of the state into the directory of this run, and deletes objects that
    /// killed runs left.
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
            let object = object.ok_or_else(|| {
                error::bad_input(format!(
                    "{url}: this side log of the state is missing or damaged: restore it, or start with another state"
                ))
            })?;
            let path = self.directory.path().join(format!("{NAME}.{name}"));
            files::write_private(&path, &object.bytes)?;
        }
        if !logs.is_empty() {
            self.remove_others(&logs)?;
        }
        *lock(&self.saved) = logs.clone();
        self.read = logs;
        Ok(())
    }

    /// Writes the changed side logs of this run to the bucket. Returns their names for the state.
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

    /// Deletes the side logs that no state needs any more. Call it when the state with `logs` is
    /// saved. With `is_direct`, that state has replaced the one that was read.
    pub(super) fn tidy(&self, logs: SideObjects, is_direct: bool) {
        let former = std::mem::replace(&mut *lock(&self.saved), logs.clone());
        for (name, content) in former {
            let is_needed = |logs: &SideObjects| logs.get(&name) == Some(&content);
            if !is_needed(&logs) && (is_direct || !is_needed(&self.read)) {
                let url = self.object_of(&name, &content);
                if let Err(e) = self.service.delete(&url) {
                    log::debug!("{url}: stays: {e:#}");
                }
            }
        }
    }

    /// The error of a write whose condition was not met.
    pub(super) fn lost(&self) -> anyhow::Error {
        self.lease.lost()
    }

    fn object_of(&self, name: &str, content: &str) -> BucketUrl {
        self.url.with_ending(&format!(".{name}.{content}"))
    }

    fn remove_others(&self, logs: &SideObjects) -> anyhow::Result<()> {
        for object in self.service.list(&self.url.with_ending("."))? {
            let Some((name, content)) = object.key[self.url.key().len()..].rsplit_once('.') else {
                continue;
            };
            let is_ours = is_log(name)
                && content.len() == CONTENT
                && content.bytes().all(|b| b.is_ascii_hexdigit());
            if is_ours && logs.get(&name[1..]).map(String::as_str) != Some(content) {
                self.service.delete(&self.object_of(&name[1..], content))?;
            }
        }
        Ok(())
    }
}

/// The number of digits of the checksum in a name.
const CONTENT: usize = 32;

fn content_name(bytes: &[u8]) -> String {
    digest::hex(&digest::sha256_half(bytes))
}

/// Whether the end of a name is that of a side log: `.NAME.GENERATION`.
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
