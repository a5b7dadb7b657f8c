//! ZIPs in a bucket. The next one is opened while the one before it is unpacked, if both are small:
//! so all of them together take no more memory than a long one.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use super::input::{self, FetchedZip};
use crate::bucket::address::BucketUrl;
use crate::bucket::ranges::FIRST_PART;
use crate::bucket::service::BucketService;
use crate::format::zip::ZipBytes;

/// An error of the service, or else of the object.
type OpenedZip = anyhow::Result<io::Result<FetchedZip>>;

/// The ZIPs in a bucket that are open.
pub(super) struct BucketZips {
    readers: usize,
    spool_dir: PathBuf,
    ahead: Option<(BucketUrl, JoinHandle<OpenedZip>)>,
    /// Each with the most bytes of it in memory.
    open: Vec<(Weak<dyn ZipBytes>, u64)>,
}

impl BucketZips {
    /// `readers` threads will read each ZIP; copies are in `spool_dir`.
    pub(super) fn new(readers: usize, spool_dir: PathBuf) -> BucketZips {
        BucketZips {
            readers,
            spool_dir,
            ahead: None,
            open: Vec::new(),
        }
    }

    /// Opens a ZIP, unless that was done [ahead](BucketZips::open_ahead).
    pub(super) fn open(&mut self, service: &Arc<BucketService>, url: &BucketUrl) -> OpenedZip {
        match self.ahead.take() {
            Some((ahead, thread)) if ahead == *url => match thread.join() {
                Ok(opened) => opened,
                Err(_) => Err(anyhow::anyhow!("{url}: a thread died")),
            },
            _ => input::fetch(service, url, self.readers, &self.spool_dir),
        }
    }

    /// Whether the earlier ZIPs leave room for one that was opened.
    pub(super) fn has_room(&mut self, zip: &FetchedZip) -> bool {
        self.open.retain(|(bytes, _)| bytes.strong_count() > 0);
        let others: u64 = self.open.iter().map(|(_, memory)| memory).sum();
        others == 0 || others + zip.memory <= FIRST_PART
    }

    /// Counts a ZIP while it is read, and opens the next one meanwhile, if that leaves room.
    pub(super) fn open_ahead(
        &mut self,
        service: &Arc<BucketService>,
        zip: &FetchedZip,
        next: Option<&BucketUrl>,
    ) {
        self.open.push((Arc::downgrade(&zip.bytes), zip.memory));
        let Some(next) = next.filter(|_| zip.memory <= FIRST_PART) else {
            return;
        };
        let (service, url) = (Arc::clone(service), next.clone());
        let (readers, spool_dir) = (self.readers, self.spool_dir.clone());
        let open = move || input::fetch(&service, &url, readers, &spool_dir);
        // If no thread can start, it is opened in its turn.
        let thread = thread::Builder::new().spawn(open).ok();
        self.ahead = thread.map(|thread| (next.clone(), thread));
    }
}

impl fmt::Debug for BucketZips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ZIPs in a bucket", self.open.len())
    }
}
