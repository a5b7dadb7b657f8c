//! The directory and the service that are needed to read ZIPs from a bucket and to write files
//! there.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::bucket::service::BucketService;

/// The directory and the service that are needed to read ZIPs from a bucket and to write files
/// there.
#[derive(Clone, Copy)]
pub struct ZipPlaces<'s> {
    /// The directory for files without names: copies of ZIPs while they are read, and files until
    /// they are uploaded.
    pub spool_dir: &'s Path,
    /// Returns the service for ZIPs and files in a bucket.
    pub service: &'s dyn Fn() -> anyhow::Result<Arc<BucketService>>,
}

impl fmt::Debug for ZipPlaces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZipPlaces in {}", self.spool_dir.display())
    }
}
