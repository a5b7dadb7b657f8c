//! A journal in a bucket: one object with the lines of a [journal]. Each write replaces the object
//! as a whole. A lease prevents two runs from writing the object at the same time.
//!
//! When [`LeasedJournal::append`] returns, the appended line and all earlier lines are in the
//! bucket. So a line whose loss does no harm needs no request of its own: a later append writes
//! this line, too.

use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use crate::bucket::address::BucketUrl;
use crate::bucket::lease::BucketLease;
use crate::bucket::service::BucketService;
use crate::error::{Failure, Status};
use crate::export::versioned_object::VersionedObject;
use crate::os::{host, journal};

/// The journal, with its lease. When this value is dropped, the last lines are written and the
/// lease ends.
#[derive(Debug)]
pub struct LeasedJournal {
    object: VersionedObject,
    /// All lines.
    text: Vec<u8>,
    /// The number of bytes of `text` that are in the bucket.
    saved: usize,
    service: Arc<BucketService>,
    // The last field, so that the lease ends after the last write.
    lease: BucketLease,
}

impl LeasedJournal {
    /// Takes the lease and reads the object, if there is one. Returns an error with status 75 if
    /// another run has the lease, and with status 65 if `is_ours` returns false for the content of
    /// the object.
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

    /// Whether the lease was taken from an earlier run that may still be alive. After the next
    /// [`LeasedJournal::append`], that run can no longer write.
    pub fn is_taken_over(&self) -> bool {
        self.lease.is_taken_over()
    }

    /// All lines.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Appends one record and waits until it is in the bucket. The record must be a JSON object.
    /// Returns an error with status 75 if another run has taken the lease.
    pub fn append<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        self.append_unsynced(record)?;
        self.save()
    }

    /// Appends one record whose loss does no harm. The next [`LeasedJournal::append`] or the end of
    /// the run writes the record to the bucket. Returns an error with status 75 if another run has
    /// taken the lease.
    pub fn append_unsynced<T: Serialize>(&mut self, record: &T) -> anyhow::Result<()> {
        self.check()?;
        self.text.extend(journal::line_of(record)?);
        Ok(())
    }

    /// Returns an error with status 75 if another run has taken the lease.
    pub fn check(&self) -> anyhow::Result<()> {
        let place = || self.object.url().to_string();
        self.lease.check().with_context(place)
    }

    fn save(&mut self) -> anyhow::Result<()> {
        // This failure stops the whole run, not only the piece of work that the line is about.
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

/// Writes the lines that are not in the bucket yet, for example after a signal or after an outage
/// of the service.
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
