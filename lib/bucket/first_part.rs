//! Reads the first part of an object. The reply also tells the size and the version, so a small
//! object needs no other request.

use std::fs::File;
use std::io::Seek;
use std::sync::Arc;

use crate::bucket::address::BucketUrl;
use crate::bucket::dialect::Dialect;
use crate::bucket::ranges::{self, BLOCK, RangedObject, parse_range, part, wrong};
use crate::bucket::service::{Answered, BucketRequest, BucketService};
use crate::net::http::{Method, Reply};
use crate::net::retry::Attempt;

/// The first part has at most this number of bytes.
pub const FIRST_PART: u64 = BLOCK;

/// An object that a program has begun to read.
#[derive(Debug)]
pub enum BegunObject {
    /// The first part of the object. The service can send the other parts.
    Part(FirstPart),
    /// A file with a copy of the complete object, because the service cannot send parts or the
    /// object is empty. A read begins at the start of the file.
    Whole(File),
}

/// The first part of an object.
#[derive(Debug)]
pub struct FirstPart {
    service: Arc<BucketService>,
    url: BucketUrl,
    etag: String,
    size: u64,
    bytes: Vec<u8>,
}

/// The reply to the first request.
enum FirstReply {
    Part {
        etag: String,
        size: u64,
        bytes: Vec<u8>,
    },
    Whole(File),
}

impl BucketService {
    /// Reads the first part of an object; `None` if the object does not exist. If the service
    /// ignores ranges, the complete object is copied to a file that `create` makes.
    pub fn begin_object(
        self: &Arc<BucketService>,
        url: &BucketUrl,
        create: impl Fn() -> anyhow::Result<File>,
    ) -> anyhow::Result<Option<BegunObject>> {
        // The request is for the first bytes. Some services refuse a request for the last N bytes
        // of an object that has fewer than N bytes.
        let request = BucketRequest::new(Method::Get, url)
            .header("range", format!("bytes=0-{}", FIRST_PART - 1));
        let answered = self.ask(&request, |reply| match reply.status {
            206 => first_part(self.dialect(), reply),
            _ => copy(reply, &create),
        })?;
        Ok(match answered {
            Answered::Done(FirstReply::Part { etag, size, bytes }) => {
                Some(BegunObject::Part(FirstPart {
                    service: Arc::clone(self),
                    url: url.clone(),
                    etag,
                    size,
                    bytes,
                }))
            }
            Answered::Done(FirstReply::Whole(file)) => Some(BegunObject::Whole(file)),
            Answered::Missing => None,
            // An empty object has no range, so the service answers with status 416, which `ask`
            // returns as `Changed`.
            Answered::Changed { .. } => self.get_file(url, create)?.map(BegunObject::Whole),
        })
    }
}

impl FirstPart {
    /// The number of the object's bytes in memory.
    pub fn in_memory(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The number of bytes that [`FirstPart::open`] reads.
    pub fn read_on_opening(&self) -> u64 {
        ranges::read_on_opening(self.size, self.in_memory())
    }

    /// Opens the object for `readers` threads. Returns an error with status 75 if the object was
    /// replaced or deleted after its first part was read.
    pub fn open(self, readers: usize) -> anyhow::Result<RangedObject> {
        RangedObject::open(
            self.service,
            self.url,
            self.etag,
            self.size,
            self.bytes,
            readers,
        )
    }
}

/// Reads the first part of an object from a reply.
fn first_part(dialect: Dialect, reply: &mut Reply) -> anyhow::Result<Attempt<FirstReply>> {
    let range = reply.header("content-range").and_then(parse_range);
    let (Some((from, to, size)), Some(etag)) = (range, dialect.version(reply)) else {
        return Ok(Attempt::Again(wrong(
            "the reply has no Content-Range or version",
        )));
    };
    if from != 0 || to.checked_add(1) != Some(size.min(FIRST_PART)) {
        return Ok(Attempt::Again(wrong(
            "the reply is another part of the object",
        )));
    }
    Ok(match part(reply, to + 1)? {
        Attempt::Done(bytes) => Attempt::Done(FirstReply::Part { etag, size, bytes }),
        Attempt::Again(failed) => Attempt::Again(failed),
    })
}

/// Copies the complete object from a reply to a new file.
fn copy(
    reply: &mut Reply,
    create: &impl Fn() -> anyhow::Result<File>,
) -> anyhow::Result<Attempt<FirstReply>> {
    if !reply.is_delimited() {
        return Ok(Attempt::Again(wrong("the reply has no length")));
    }
    let mut file = create()?;
    match reply.copy_to(&mut file, u64::MAX)? {
        Ok(_) => {
            file.rewind()?;
            Ok(Attempt::Done(FirstReply::Whole(file)))
        }
        Err(e) => Ok(Attempt::Again(e.into_failed()?)),
    }
}
