//! An object that is replaced only if nobody else has changed it.

use std::sync::{Arc, Mutex};

use crate::bucket::address::BucketUrl;
use crate::bucket::objects::PutCondition;
use crate::bucket::service::BucketService;
use crate::os::mutex::lock;

/// An object, and the version of it that is known.
#[derive(Debug)]
pub(super) struct VersionedObject {
    service: Arc<BucketService>,
    url: BucketUrl,
    /// Its version; `None` while there is none.
    etag: Mutex<Option<String>>,
}

impl VersionedObject {
    /// The object `url`, after this version of it was read.
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

    /// Writes it, if it is still what was read or written last; says whether it was.
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

    /// Its address.
    pub(super) fn url(&self) -> &BucketUrl {
        &self.url
    }
}
