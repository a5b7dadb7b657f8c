//! Reads one ZIP in a bucket: its first part, which can be requested ahead, and then the blocks
//! that are needed for unpacking.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::bucket::address::BucketUrl;
use crate::bucket::first_part::BegunObject;
use crate::bucket::ranges::RangedObject;
use crate::bucket::service::BucketService;
use crate::format::zip::ZipBytes;
use crate::os::unnamed;

impl ZipBytes for RangedObject {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        RangedObject::read_at(self, buffer, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(RangedObject::size(self))
    }
}

/// An open ZIP in a bucket.
pub(super) struct OpenZip {
    pub(super) bytes: Arc<dyn ZipBytes>,
    /// The most bytes of the ZIP that are in memory at the same time.
    pub(super) memory: u64,
}

/// Reads the first part of an object in a bucket. If the service does not send parts, the object is
/// copied to a file without a name. If the object does not exist, the inner error is an I/O error.
pub(super) fn begin(
    service: &Arc<BucketService>,
    url: &BucketUrl,
    spool_dir: &Path,
) -> anyhow::Result<io::Result<BegunObject>> {
    let place = || format!("copying {url} to {} (see --spool-dir)", spool_dir.display());
    let create = || unnamed::create_in(spool_dir).with_context(place);
    let begun = service.begin_object(url, create)?;
    Ok(begun.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such object")))
}

/// Opens a ZIP that `readers` threads will read.
pub(super) fn open(begun: BegunObject, readers: usize) -> anyhow::Result<OpenZip> {
    Ok(match begun {
        BegunObject::Part(first) => {
            let object = first.open(readers)?;
            OpenZip {
                memory: object.in_memory(),
                bytes: Arc::new(object),
            }
        }
        BegunObject::Whole(file) => OpenZip {
            memory: 0,
            bytes: Arc::new(file),
        },
    })
}
