//! A state in a bucket: who may write it, its object, and the side logs beside it.
//!
//! A run works on copies of the side logs in a directory of its own. When a state is
//! saved, each log goes into a new object first, named by its content, and the state
//! says which: so a state and its logs are always in step, whoever is killed.

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

/// What a state is called in the directory of a run.
const NAME: &str = "state";

/// Side logs by their names, each with the part of its object's name that its content
/// decides.
pub(super) type SideObjects = BTreeMap<String, String>;

/// The right to a state in a bucket, held for as long as this lives.
#[derive(Debug)]
pub(super) struct LeasedState {
    service: Arc<BucketService>,
    url: BucketUrl,
    lease: BucketLease,
    directory: PrivateDirectory,
    /// Those of the state that was read.
    read: SideObjects,
    /// Those of the state that was saved last, or read.
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

    /// Beside which path side logs lie.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }

    /// Puts copies of the side logs of the state into the directory of this run, and
    /// deletes what killed runs left of others.
    pub(super) fn fetch(&mut self, logs: SideObjects) -> anyhow::Result<()> {
        for (name, content) in &logs {
            let url = self.object_of(name, content);
            if !is_log(&format!(".{name}")) {
                return Err(error::bad_input(format!("{url}: no name of a side log")));
            }
            let object = self.service.get(&url)?;
            let object = object.filter(|object| content_name(&object.bytes) == *content);
            let object = object.ok_or_else(|| {
                error::bad_input(format!(
                    "{url}: it belongs to the state and is missing or damaged: put it back, or begin with another state"
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

    /// Brings the side logs of this run into the bucket, and says what the state has to
    /// say of them.
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

    /// Deletes the side logs that no state needs any more, now that one with `logs` is
    /// saved; with `is_direct` it has replaced the one that was read.
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

    /// The error of a write whose condition did not hold.
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

/// Digits of a name that the content decides.
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
