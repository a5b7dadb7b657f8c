//! A journal in a bucket: one object with the lines of a [journal], held by
//! a lease and replaced as a whole.
//!
//! A line that must not be lost is in the bucket when [`LeasedJournal::append`] returns, with all
//! lines before it. So lines that may be lost cost no request of their own.

use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use crate::bucket::address::BucketUrl;
use crate::bucket::lease::BucketLease;
use crate::bucket::service::BucketService;
use crate::error::{Failure, Status};
use crate::export::versioned_object::VersionedObject;
use crate::os::{host, journal};

/// The journal, and the right to write it for as long as this lives.
#[derive(Debug)]
pub struct LeasedJournal {
    object: VersionedObject,
    /// All lines.
    text: Vec<u8>,
    /// Bytes of them that the bucket has.
    saved: usize,
    service: Arc<BucketService>,
    // Given back after the rest, and after the last write.
    lease: BucketLease,
}

impl LeasedJournal {
    /// Takes the lease and reads the object, if there is one. Status 75 if another run has the
    /// lease, 65 if `is_ours` refuses what the object holds.
    pub fn open(
        service: Arc<BucketService>,
        url: &BucketUrl,
        is_ours: impl FnOnce(&[u8]) -> bool,
    ) -> anyhow::Result<LeasedJournal> {
        let lease = BucketLease::take(&service, url, host::this_process())?;
        let found = service.get(url)?;
        let (mut text, etag) = match found {
            Some(found) => (found.bytes, Some(found.etag)),
            None => (Vec::new(), None),
        };
        journal::cut_incomplete(&mut text, url, is_ours)?;
        Ok(LeasedJournal {
            object: VersionedObject::new(&service, url, etag),
            saved: text.len(),
            text,
            service,
            lease,
        })
    }

    /// Whether an earlier holder may still be there. The next line that is appended keeps it
    /// from writing.
    pub fn is_taken_over(&self) -> bool {
        self.lease.is_taken_over()
    }

    /// All lines.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Appends one record, an object, and waits until the bucket has it. Status 75 if another
    /// run has taken the lease.
    pub fn append<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        self.append_unsynced(record)?;
        self.save()
    }

    /// Appends one record that may be lost: it reaches the bucket with the next one, or at the
    /// end of the run. Status 75 if another run has taken the lease.
    pub fn append_unsynced<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        self.check()?;
        self.text.extend(journal::line_of(record)?);
        Ok(())
    }

    /// Status 75 if another run has taken the lease.
    pub fn check(&self) -> anyhow::Result<()> {
        let place = || self.object.url().to_string();
        self.lease.check().with_context(place)
    }

    fn save(&mut self) -> anyhow::Result<()> {
        // It is not the fault of what the line is about.
        let wide = |e| anyhow::Error::from(Failure::new(Status::of(&e), format!("{e:#}")).wide());
        if !self.object.replace(&self.text).map_err(wide)? {
            self.text.truncate(self.saved);
            let place = self.object.url().to_string();
            return Err(self.lease.lost()).context(place);
        }
        self.saved = self.text.len();
        Ok(())
    }
}

/// A stop, or a service that was down, may have kept lines out of the bucket.
impl Drop for LeasedJournal {
    fn drop(&mut self) {
        if self.saved < self.text.len() {
            self.service.end();
            if let Err(e) = self.save() {
                log::debug!("{e:#}");
            }
        }
    }
}
