//! An object in a bucket that is replaced only if no other process has changed it.

use std::sync::{Arc, Mutex};

use crate::bucket::address::BucketUrl;
use crate::bucket::objects::PutCondition;
use crate::bucket::service::BucketService;
use crate::os::mutex::lock;

/// The address of an object, and the last version of the object that this run knows.
#[derive(Debug)]
pub(super) struct VersionedObject {
    service: Arc<BucketService>,
    url: BucketUrl,
    /// The version of the object; `None` if the object does not exist.
    etag: Mutex<Option<String>>,
}

impl VersionedObject {
    /// The object `url`, which had the version `etag` when it was read.
    pub(super) fn new(
        service: &Arc<BucketService>,
        url: &BucketUrl,
        etag: Option<String>,
    ) -> VersionedObject {
        VersionedObject {
            service: service.clone(),
            url: url.clone(),
            etag: Mutex::new(etag),
        }
    }

    /// Writes the object if it still has the last known version. Otherwise returns false.
    pub(super) fn replace(&self, bytes: &[u8]) -> anyhow::Result<bool> {
        let mut etag = lock(&self.etag);
        let condition = match etag.as_deref() {
            None => PutCondition::Absent,
            Some(etag) => PutCondition::Version(etag),
        };
        let replaced = self.service.put(&self.url, bytes, condition)?;
        let is_replaced = replaced.is_some();
        if is_replaced {
            *etag = replaced;
        }
        Ok(is_replaced)
    }

    /// The address of the object.
    pub(super) fn url(&self) -> &BucketUrl {
        &self.url
    }
}
