//! Objects that are read in parts: the first one, which tells the size, then the end, then the
//! blocks that a reader asks for. Blocks that are read one after the other are requested ahead.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::bucket::address::BucketUrl;
use crate::bucket::objects::etag_of;
use crate::bucket::service::{Answered, BucketRequest, BucketService};
use crate::error::{self, Failure, Status};
use crate::net::http::{Method, Reply};
use crate::net::retry::{Attempt, Failed};
use crate::os::mutex::lock;

/// Bytes of a block. The end of an object that is read at first is at most as long.
const BLOCK: u64 = 2 << 20;

/// Bytes of the first part. A small object needs one request.
pub const FIRST_PART: u64 = 4 * BLOCK;

/// The number of blocks that are requested ahead of a reader.
const AHEAD: u64 = 2;

/// Blocks in memory for each thread that unpacks, and for the one that reads the headers. That one
/// leads, and a block should not be gone before the others need it.
const EACH: usize = 4;

/// An object that is open for reading.
#[derive(Debug)]
pub enum OpenedObject {
    /// The service sends parts of it.
    Ranges(RangedObject),
    /// The service sends all or nothing; this is a copy, read from its start.
    Whole(File),
}

/// An object that is read in parts. All are of the same version.
#[derive(Debug)]
pub struct RangedObject(Arc<ObjectReader>);

#[derive(Debug)]
struct ObjectReader {
    service: Arc<BucketService>,
    url: BucketUrl,
    etag: String,
    size: u64,
    /// The last bytes, which stay in memory.
    end: Vec<u8>,
    /// The most blocks in memory.
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

/// The reply to the first request.
enum FirstPart {
    Part {
        etag: String,
        size: u64,
        bytes: Vec<u8>,
    },
    Whole(File),
}

impl BucketService {
    /// Opens an object, and reads its first part and its end; `None` if it does not exist. `readers`
    /// is the number of threads that will read it. If the service ignores ranges, all of it is copied
    /// to a file that `create` makes.
    pub fn open_object(
        self: &Arc<BucketService>,
        url: &BucketUrl,
        readers: usize,
        create: impl Fn() -> anyhow::Result<File>,
    ) -> anyhow::Result<Option<OpenedObject>> {
        // Not the end, whose place is not known: there are services that fail if the object is
        // shorter than that.
        let request = BucketRequest::new(Method::Get, url)
            .header("range", format!("bytes=0-{}", FIRST_PART - 1));
        let answered = self.ask(&request, |reply| match reply.status {
            206 => first_part(reply),
            _ => copy(reply, &create),
        })?;
        let (etag, size, first) = match answered {
            Answered::Done(FirstPart::Part { etag, size, bytes }) => (etag, size, bytes),
            Answered::Done(FirstPart::Whole(file)) => return Ok(Some(OpenedObject::Whole(file))),
            Answered::Missing => return Ok(None),
            // An empty object has no range.
            Answered::Changed { .. } => {
                let file = self.get_file(url, create)?;
                return Ok(file.map(OpenedObject::Whole));
            }
        };
        let mut reader = ObjectReader {
            service: Arc::clone(self),
            url: url.clone(),
            etag,
            size,
            end: Vec::new(),
            capacity: (readers + 1) * EACH,
            blocks: Mutex::default(),
            arrived: Condvar::new(),
        };
        if size <= FIRST_PART {
            reader.end = first;
        } else {
            reader.end = reader.fetch((size - BLOCK).max(FIRST_PART), size)?;
            let mut blocks = lock(&reader.blocks);
            for (number, block) in (0..).zip(first.chunks(usize::try_from(BLOCK)?)) {
                let slot = BlockSlot::Here(block.to_vec().into());
                blocks.slots.insert(number, (0, slot));
            }
        }
        Ok(Some(OpenedObject::Ranges(RangedObject(Arc::new(reader)))))
    }
}

/// Reads the first part of an object, or all of it.
fn first_part(reply: &mut Reply) -> anyhow::Result<Attempt<FirstPart>> {
    let range = reply.header("content-range").and_then(parse_range);
    let (Some((from, to, size)), Some(etag)) = (range, etag_of(reply)) else {
        return Ok(Attempt::Again(wrong(
            "the reply has no Content-Range or ETag",
        )));
    };
    if from != 0 || to.checked_add(1) != Some(size.min(FIRST_PART)) {
        return Ok(Attempt::Again(wrong(
            "the reply is another part of the object",
        )));
    }
    Ok(match part(reply, to + 1)? {
        Attempt::Done(bytes) => Attempt::Done(FirstPart::Part { etag, size, bytes }),
        Attempt::Again(failed) => Attempt::Again(failed),
    })
}

fn copy(
    reply: &mut Reply,
    create: &impl Fn() -> anyhow::Result<File>,
) -> anyhow::Result<Attempt<FirstPart>> {
    if !reply.is_delimited() {
        return Ok(Attempt::Again(wrong("the reply has no length")));
    }
    let mut file = create()?;
    match reply.copy_to(&mut file, u64::MAX)? {
        Ok(_) => {
            file.rewind()?;
            Ok(Attempt::Done(FirstPart::Whole(file)))
        }
        Err(e) => Ok(Attempt::Again(e.into_failed()?)),
    }
}

/// Reads a body of `length` bytes.
fn part(reply: &mut Reply, length: u64) -> anyhow::Result<Attempt<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(FIRST_PART))?);
    Ok(match reply.copy_to(&mut bytes, length)? {
        Ok(count) if count == length => Attempt::Done(bytes),
        Ok(_) => Attempt::Again(Failed::content(
            "the reply is shorter than it says".to_owned(),
            Status::TryLater,
        )),
        Err(e) => Attempt::Again(e.into_failed()?),
    })
}

/// The first and last offset and the size in `bytes 0-9/10`.
fn parse_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?, size.parse().ok()?))
}

fn wrong(what: &str) -> Failed {
    Failed::content(what.to_owned(), Status::Refused)
}

impl RangedObject {
    /// The size of the object.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The most bytes of it in memory.
    pub fn in_memory(&self) -> u64 {
        let end = self.0.end.len() as u64;
        self.0.size.min(end + self.0.capacity as u64 * BLOCK)
    }

    /// Reads bytes from `offset` on, and returns how many; 0 only at the end. The error contains a
    /// [`Failure`]: of the service, or status 75 if the object was replaced or deleted meanwhile.
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

    /// Waits for a block. Requests it, if nobody has done that, and those after it, if the one before
    /// it was used, too.
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

    /// Requests a block in a thread of its own. Forgets those that were not used for longest.
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
        // No more threads are allowed: this one does the work.
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

    /// Requests the bytes from `from` to before `end`.
    fn fetch(&self, from: u64, end: u64) -> anyhow::Result<Vec<u8>> {
        let request = BucketRequest::new(Method::Get, &self.url)
            .header("if-match", self.etag.as_str())
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
