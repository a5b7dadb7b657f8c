//! Reads objects in parts. After the [first part](super::first_part), the rest of a small object is
//! read. If the object is large, its end is read, and then the blocks that a reader asks for. If a
//! reader reads block after block, the next blocks are requested ahead.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::bucket::address::BucketUrl;
use crate::bucket::service::{Answered, BucketRequest, BucketService};
use crate::error::{self, Failure, Status};
use crate::net::http::{Method, Reply};
use crate::net::retry::{Attempt, Failed};
use crate::os::mutex::lock;

/// The size of a block in bytes. An object's first part has at most this many bytes, and when a
/// large object is opened, this many bytes are read from its end.
pub const BLOCK: u64 = 2 << 20;

/// An object of at most this many bytes is kept in memory as a whole.
pub const SMALL: u64 = 4 * BLOCK;

/// The number of blocks that are requested ahead of a reader.
const AHEAD: u64 = 2;

/// The number of blocks in memory for each reader: each thread that unpacks, and the thread that
/// reads the headers. The thread that reads the headers is ahead, and its blocks should stay until
/// the other threads need them.
const EACH: usize = 4;

/// An object that is read in parts. All parts are of the same version.
#[derive(Debug)]
pub struct RangedObject(Arc<ObjectReader>);

#[derive(Debug)]
struct ObjectReader {
    service: Arc<BucketService>,
    url: BucketUrl,
    etag: String,
    size: u64,
    /// The bytes that stay in memory as long as the object is open: the last [`BLOCK`] bytes of a
    /// large object, the bytes after the first block of a small object, or all bytes of an object
    /// with one block.
    end: Vec<u8>,
    /// The most blocks in memory, besides `end`.
    capacity: usize,
    blocks: Mutex<BlockCache>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct BlockCache {
    /// The blocks by number, each with the time of its last use.
    slots: BTreeMap<u64, (u64, BlockSlot)>,
    uses: u64,
}

#[derive(Debug)]
enum BlockSlot {
    Requested,
    Here(Arc<Vec<u8>>),
    Failed(Failure),
}

/// Reads a body of `length` bytes.
pub(super) fn part(reply: &mut Reply, length: u64) -> anyhow::Result<Attempt<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(SMALL))?);
    Ok(match reply.copy_to(&mut bytes, length)? {
        Ok(count) if count == length => Attempt::Done(bytes),
        Ok(_) => Attempt::Again(Failed::content(
            "the reply is shorter than its headers say".to_owned(),
            Status::TryLater,
        )),
        Err(e) => Attempt::Again(e.into_failed()?),
    })
}

/// Parses the value of a `Content-Range` header such as `bytes 0-9/10`. Returns the offsets of the
/// first and the last byte, and the size of the object.
pub(super) fn parse_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?, size.parse().ok()?))
}

pub(super) fn wrong(what: &str) -> Failed {
    Failed::content(what.to_owned(), Status::Refused)
}

/// The number of bytes that are read when an object of `size` bytes is opened, in addition to its
/// `first` bytes.
pub(super) fn read_on_opening(size: u64, first: u64) -> u64 {
    match size <= SMALL {
        true => size - first,
        false => BLOCK,
    }
}

impl RangedObject {
    /// Opens the object whose `first` bytes were read. Reads the rest of a small object, or the end
    /// of a large object. `readers` is the number of threads that will read the object.
    pub(super) fn open(
        service: Arc<BucketService>,
        url: BucketUrl,
        etag: String,
        size: u64,
        first: Vec<u8>,
        readers: usize,
    ) -> anyhow::Result<RangedObject> {
        let rest = read_on_opening(size, first.len() as u64);
        let mut reader = ObjectReader {
            service,
            url,
            etag,
            size,
            end: Vec::new(),
            capacity: (readers + 1) * EACH,
            blocks: Mutex::default(),
            arrived: Condvar::new(),
        };
        if rest == 0 {
            reader.end = first;
        } else {
            reader.end = reader.fetch(size - rest, size)?;
            let block = BlockSlot::Here(first.into());
            lock(&reader.blocks).slots.insert(0, (0, block));
        }
        Ok(RangedObject(Arc::new(reader)))
    }

    /// The size of the object.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The most bytes of the object that are in memory at the same time.
    pub fn in_memory(&self) -> u64 {
        let end = self.0.end.len() as u64;
        self.0.size.min(end + self.0.capacity as u64 * BLOCK)
    }

    /// Reads bytes from `offset` on, and returns their number; 0 only at the end. The error
    /// contains a [`Failure`]. Its status is 75 if the object was replaced or deleted after it was
    /// opened.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let shared = &self.0;
        let Some(into_end) = offset.checked_sub(shared.end_start()) else {
            let number = offset / BLOCK;
            let block = ObjectReader::block(shared, number).map_err(io::Error::other)?;
            return Ok(copy_from(&block, offset - number * BLOCK, buffer));
        };
        Ok(copy_from(&shared.end, into_end, buffer))
    }
}

fn copy_from(bytes: &[u8], offset: u64, buffer: &mut [u8]) -> usize {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let bytes = bytes.get(offset..).unwrap_or_default();
    let count = bytes.len().min(buffer.len());
    buffer[..count].copy_from_slice(&bytes[..count]);
    count
}

impl ObjectReader {
    fn end_start(&self) -> u64 {
        self.size - self.end.len() as u64
    }

    /// Waits for a block. If no thread has requested the block, requests it. If the previous block
    /// is in memory or requested, the reader probably reads in order, so the next blocks are also
    /// requested.
    fn block(self: &Arc<ObjectReader>, number: u64) -> Result<Arc<Vec<u8>>, Failure> {
        let mut blocks = lock(&self.blocks);
        loop {
            blocks.uses += 1;
            let now = blocks.uses;
            let here = match blocks.slots.get_mut(&number) {
                None => {
                    blocks = self.request(blocks, number);
                    continue;
                }
                Some((used, slot)) => {
                    *used = now;
                    match slot {
                        BlockSlot::Here(bytes) => Some(Arc::clone(bytes)),
                        BlockSlot::Requested => None,
                        BlockSlot::Failed(failure) => {
                            let failure = mem::replace(failure, Failure::new(Status::Failed, ""));
                            blocks.slots.remove(&number);
                            return Err(failure);
                        }
                    }
                }
            };
            let is_in_turn = |one: u64| blocks.slots.contains_key(&one);
            if number.checked_sub(1).is_some_and(is_in_turn) {
                for next in number + 1..=number + AHEAD {
                    if next * BLOCK < self.end_start() && !blocks.slots.contains_key(&next) {
                        blocks = self.request(blocks, next);
                    }
                }
            }
            match here {
                Some(bytes) => return Ok(bytes),
                None => {
                    let waited = self.arrived.wait(blocks);
                    blocks = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Requests a block in a new thread. If there are `capacity` blocks already, first removes the
    /// block that was not used for the longest time.
    fn request<'b>(
        self: &'b Arc<ObjectReader>,
        mut blocks: MutexGuard<'b, BlockCache>,
        number: u64,
    ) -> MutexGuard<'b, BlockCache> {
        while blocks.slots.len() >= self.capacity {
            let here = |slot: &BlockSlot| !matches!(slot, BlockSlot::Requested);
            let slots = blocks.slots.iter().filter(|(_, (_, slot))| here(slot));
            let Some(oldest) = slots.min_by_key(|(_, (used, _))| *used).map(|(at, _)| *at) else {
                break;
            };
            blocks.slots.remove(&oldest);
        }
        blocks.uses += 1;
        let now = blocks.uses;
        blocks.slots.insert(number, (now, BlockSlot::Requested));
        let shared = Arc::clone(self);
        let spawned = thread::Builder::new().spawn(move || shared.fill(number));
        if spawned.is_ok() {
            return blocks;
        }
        // The system allows no more threads, so this thread reads the block.
        drop(blocks);
        self.fill(number);
        lock(&self.blocks)
    }

    fn fill(&self, number: u64) {
        let from = number * BLOCK;
        let slot = match self.fetch(from, self.end_start().min(from + BLOCK)) {
            Ok(bytes) => BlockSlot::Here(bytes.into()),
            Err(e) => BlockSlot::Failed(Failure::new(Status::of(&e), format!("{e:#}"))),
        };
        if let Some((_, place)) = lock(&self.blocks).slots.get_mut(&number) {
            *place = slot;
        }
        self.arrived.notify_all();
    }

    /// Requests the bytes at the offsets from `from` to `end - 1`, and returns them.
    fn fetch(&self, from: u64, end: u64) -> anyhow::Result<Vec<u8>> {
        let request = BucketRequest::new(Method::Get, &self.url)
            .line(self.service.dialect().has_version(&self.etag))
            .header("range", format!("bytes={from}-{}", end - 1));
        let answered = self.service.ask(&request, |reply| {
            let range = reply.header("content-range").and_then(parse_range);
            match reply.status == 206 && range == Some((from, end - 1, self.size)) {
                true => part(reply, end - from),
                false => Ok(Attempt::Again(wrong(
                    "the reply is another part of the object",
                ))),
            }
        })?;
        match answered {
            Answered::Done(bytes) => Ok(bytes),
            Answered::Missing | Answered::Changed { .. } => Err(error::try_later(format!(
                "{}: the object was replaced or deleted while it was read: run the same command again",
                self.url
            ))),
        }
    }
}
