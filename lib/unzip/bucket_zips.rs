//! Opens ZIPs in a bucket. A small ZIP is often unpacked in less time than the service takes to
//! reply. So while one ZIP is unpacked, several of the next ZIPs are requested.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use super::memory_budget::{MemoryBudget, TakenBytes};
use super::ranged_zip::{self, OpenZip};
use crate::bucket::address::BucketUrl;
use crate::bucket::first_part::{BegunObject, FIRST_PART};
use crate::bucket::ranges::SMALL;
use crate::bucket::service::BucketService;
use crate::format::zip::ZipBytes;

/// The most bytes that all open ZIPs together may have in memory. A ZIP with more bytes is unpacked
/// alone.
const OPEN_BYTES: u64 = 6 << 20;

/// The most bytes in memory for all ZIPs that are requested ahead.
const AHEAD_BYTES: u64 = 3 * FIRST_PART;

/// The most ZIPs that are requested ahead. Without this limit, many tiny ZIPs would be requested at
/// the same time.
const AHEAD_ZIPS: usize = 8;

/// The open ZIPs in buckets, and the ZIPs that are requested ahead.
pub(super) struct BucketZips {
    readers: usize,
    spool_dir: PathBuf,
    /// The ZIPs that are requested ahead, in the order in which they will be opened.
    ahead: VecDeque<(BucketUrl, JoinHandle<ReadAhead>)>,
    budget: Arc<MemoryBudget>,
    /// The open ZIPs, each with the most bytes that it takes in memory.
    open: Vec<(Weak<dyn ZipBytes>, u64)>,
}

/// The result of reading a ZIP ahead (the ZIP or an error), and the memory reserved for the ZIP.
struct ReadAhead {
    zip: anyhow::Result<io::Result<BegunZip>>,
    _taken: TakenBytes,
}

enum BegunZip {
    Begun(BegunObject),
    Open(OpenZip),
}

impl BucketZips {
    /// `readers` is the number of threads that will read each ZIP. If a ZIP must be copied to a
    /// file, the file is in `spool_dir`.
    pub(super) fn new(readers: usize, spool_dir: PathBuf) -> BucketZips {
        BucketZips {
            readers,
            spool_dir,
            ahead: VecDeque::new(),
            budget: MemoryBudget::new(AHEAD_BYTES),
            open: Vec::new(),
        }
    }

    /// Opens a ZIP. The outer error is an error of the service, the inner error an error of the
    /// object.
    pub(super) fn open(
        &mut self,
        service: &Arc<BucketService>,
        url: &BucketUrl,
    ) -> anyhow::Result<io::Result<OpenZip>> {
        let zip = match self.ahead.pop_front() {
            Some((ahead, thread)) if ahead == *url => match thread.join() {
                Ok(read) => read.zip?,
                Err(_) => anyhow::bail!("{url}: a thread died"),
            },
            _ => {
                self.ahead.clear();
                ranged_zip::begin(service, url, &self.spool_dir)?.map(BegunZip::Begun)
            }
        };
        Ok(match zip {
            Ok(BegunZip::Begun(begun)) => Ok(ranged_zip::open(begun, self.readers)?),
            Ok(BegunZip::Open(zip)) => Ok(zip),
            Err(e) => Err(e),
        })
    }

    /// Whether `zip`, which was opened, fits into memory together with the ZIPs that were opened
    /// before it and are still in use.
    pub(super) fn has_room(&mut self, zip: &OpenZip) -> bool {
        self.open.retain(|(bytes, _)| bytes.strong_count() > 0);
        let others: u64 = self.open.iter().map(|(_, memory)| memory).sum();
        others == 0 || others + zip.memory <= OPEN_BYTES
    }

    /// Counts the memory of a ZIP while the ZIP is read. If the ZIP is small, requests the next
    /// ZIPs, as many as fit into memory. `following` are all ZIPs after this one, in order.
    pub(super) fn read<'u>(
        &mut self,
        service: &Arc<BucketService>,
        zip: &OpenZip,
        following: impl Iterator<Item = &'u BucketUrl>,
    ) {
        self.open.push((Arc::downgrade(&zip.bytes), zip.memory));
        if zip.memory > SMALL {
            return;
        }
        for url in following.take(AHEAD_ZIPS).skip(self.ahead.len()) {
            let Some(taken) = self.budget.take(FIRST_PART) else {
                break;
            };
            let (service, object) = (Arc::clone(service), url.clone());
            let (readers, spool_dir) = (self.readers, self.spool_dir.clone());
            let read = move || {
                let begun = ranged_zip::begin(&service, &object, &spool_dir);
                ReadAhead::new(begun, readers, taken)
            };
            // If no thread can start, the ZIP is opened when its turn comes.
            let Ok(thread) = thread::Builder::new().spawn(read) else {
                break;
            };
            self.ahead.push_back((url.clone(), thread));
        }
    }
}

impl ReadAhead {
    /// Opens a ZIP whose first part was read, if there is enough memory for an open ZIP.
    fn new(
        begun: anyhow::Result<io::Result<BegunObject>>,
        readers: usize,
        mut taken: TakenBytes,
    ) -> ReadAhead {
        let opens = match &begun {
            Ok(Ok(BegunObject::Part(first))) => {
                taken.keep(first.in_memory());
                taken.grow(first.read_on_opening())
            }
            _ => false,
        };
        let zip = match begun {
            Ok(Ok(begun)) if opens => {
                ranged_zip::open(begun, readers).map(|zip| Ok(BegunZip::Open(zip)))
            }
            begun => begun.map(|object| object.map(BegunZip::Begun)),
        };
        ReadAhead { zip, _taken: taken }
    }
}

impl fmt::Debug for BucketZips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ZIPs in a bucket, {} ahead",
            self.open.len(),
            self.ahead.len()
        )
    }
}
