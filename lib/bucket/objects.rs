//! Objects: read, written on condition, listed, deleted.

use std::fs::File;
use std::io::Seek;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rusty_s3::actions::ListObjectsV2;

use crate::bucket::address::BucketUrl;
use crate::bucket::service::{Answered, BucketRequest, BucketService};
use crate::error::{self, Status};
use crate::net::http::{Method, Reply};
use crate::net::retry::{Attempt, Failed};
use crate::os::digest;

/// The mark of one write, by which it is known again when its reply is lost.
const WRITE: &str = "x-amz-meta-callpipe-write";

/// The checksum that the service verifies.
pub(super) const CHECKSUM: &str = "x-amz-checksum-sha256";

/// The SHA-256 of the file that an object was made of, in hexadecimal.
pub(super) const FILE_SUM: &str = "x-amz-meta-callpipe-sha256";

/// What a small object may hold.
const MAX_BYTES: u64 = 256 << 20;

/// An object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Which version of it; for [`PutCondition::Version`].
    pub etag: String,
}

/// What is known of an object without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Bytes.
    pub size: u64,
    /// Which version of it.
    pub etag: String,
    write: Option<String>,
    sha256: Option<String>,
}

impl ObjectFacts {
    /// Whether it was made of a file with this SHA-256, in hexadecimal.
    pub fn has_sum(&self, sha256: &str) -> bool {
        self.sha256.as_deref() == Some(sha256)
    }
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its whole key.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// When a write may take place.
#[derive(Clone, Copy, Debug)]
pub enum PutCondition<'a> {
    /// Whatever is there.
    Always,
    /// If there is no such object.
    Absent,
    /// If the object is still of this version.
    Version(&'a str),
}

impl PutCondition<'_> {
    fn header(self) -> Option<(&'static str, String)> {
        match self {
            PutCondition::Always => None,
            PutCondition::Absent => Some(("if-none-match", "*".to_owned())),
            PutCondition::Version(etag) => Some(("if-match", etag.to_owned())),
        }
    }
}

impl BucketService {
    /// Reads an object as a whole; `None` if there is none. Status 69 if it is longer
    /// than 256 MiB.
    pub fn get(&self, url: &BucketUrl) -> anyhow::Result<Option<StoredObject>> {
        let mut bytes = Vec::new();
        let answered = self.ask(&BucketRequest::new(Method::Get, url), |reply| {
            bytes.clear();
            read_body(reply, &mut bytes)
        })?;
        found(url, answered).map(|etag| etag.map(|etag| StoredObject { bytes, etag }))
    }

    /// Reads an object of any size into a file that `create` makes, a new one for each try;
    /// `None` if there is no object.
    pub fn get_file(
        &self,
        url: &BucketUrl,
        create: impl Fn() -> anyhow::Result<File>,
    ) -> anyhow::Result<Option<File>> {
        let answered = self.ask(&BucketRequest::new(Method::Get, url), |reply| {
            if !reply.is_delimited() {
                return Ok(Attempt::Again(lacking("length")));
            }
            let mut file = create()?;
            match reply.copy_to(&mut file, u64::MAX)? {
                Ok(_) => {
                    file.rewind()?;
                    Ok(Attempt::Done(file))
                }
                Err(e) => Ok(Attempt::Again(e.into_failed()?)),
            }
        })?;
        found(url, answered)
    }

    /// Size and version of an object; `None` if there is none.
    pub fn head(&self, url: &BucketUrl) -> anyhow::Result<Option<ObjectFacts>> {
        let answered = self.ask(&BucketRequest::new(Method::Head, url), |reply| {
            let size = reply
                .header("content-length")
                .and_then(|text| text.parse().ok());
            let Some((size, etag)) = size.zip(etag_of(reply)) else {
                return Ok(Attempt::Again(lacking("size or ETag")));
            };
            Ok(Attempt::Done(ObjectFacts {
                size,
                etag,
                write: reply.header(WRITE).map(str::to_owned),
                sha256: reply.header(FILE_SUM).map(str::to_owned),
            }))
        })?;
        found(url, answered)
    }

    /// Writes an object as a whole and returns its version; `None` if the condition does
    /// not hold. A write whose reply is lost is found again, and is not taken for
    /// somebody else's.
    pub fn put(
        &self,
        url: &BucketUrl,
        bytes: &[u8],
        condition: PutCondition<'_>,
    ) -> anyhow::Result<Option<String>> {
        self.put_with(url, bytes, condition, None)
    }

    /// Writes the content of a file as a whole.
    pub(super) fn put_whole(
        &self,
        url: &BucketUrl,
        bytes: &[u8],
        sha256: &str,
    ) -> anyhow::Result<()> {
        self.put_with(url, bytes, PutCondition::Always, Some(sha256))
            .map(drop)
    }

    fn put_with(
        &self,
        url: &BucketUrl,
        bytes: &[u8],
        condition: PutCondition<'_>,
        sha256: Option<&str>,
    ) -> anyhow::Result<Option<String>> {
        let name = self.unique_name();
        let mut request = BucketRequest::new(Method::Put, url)
            .header(CHECKSUM, checksum(bytes))
            .header(WRITE, name.as_str());
        request.headers.extend(
            condition
                .header()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let sum = sha256.map(|sum| (FILE_SUM.to_owned(), sum.to_owned()));
        request.headers.extend(sum);
        request.body = Some(bytes);
        let answered = self.ask(&request, |reply| {
            Ok(match etag_of(reply) {
                Some(etag) => Attempt::Done(etag),
                None => Attempt::Again(lacking("ETag")),
            })
        })?;
        match answered {
            Answered::Done(etag) => Ok(Some(etag)),
            Answered::Changed { is_doubtful: true } => Ok(self
                .head(url)?
                .filter(|facts| facts.write.as_deref() == Some(&name))
                .map(|facts| facts.etag)),
            Answered::Changed { .. } | Answered::Missing => Ok(None),
        }
    }

    /// Deletes an object, if there is one.
    pub fn delete(&self, url: &BucketUrl) -> anyhow::Result<()> {
        let request = BucketRequest::new(Method::Delete, url);
        self.ask(&request, |_| Ok(Attempt::Done(()))).map(drop)
    }

    /// All objects whose keys begin with the key of `prefix`, in the order of their keys.
    pub fn list(&self, prefix: &BucketUrl) -> anyhow::Result<Vec<ListedObject>> {
        let mut listed = Vec::new();
        let mut token = None;
        loop {
            let mut request = BucketRequest::new(Method::Get, prefix);
            request.asks_bucket = true;
            request
                .query
                .extend(token.map(|token| ("continuation-token", token)));
            request.query.push(("encoding-type", "url".to_owned()));
            request.query.push(("list-type", "2".to_owned()));
            request.query.push(("prefix", prefix.key().to_owned()));
            let answered = self.ask(&request, |reply| {
                let text = match reply.text() {
                    Ok(text) => text,
                    Err(e) => return Ok(Attempt::Again(e.into_failed()?)),
                };
                Ok(match ListObjectsV2::parse_response(&text) {
                    Ok(page) => Attempt::Done(page),
                    Err(e) => Attempt::Again(Failed::content(
                        format!("no list of objects: {e}"),
                        Status::Refused,
                    )),
                })
            })?;
            let Answered::Done(page) = answered else {
                return Err(error::refused(format!(
                    "GET {prefix}: the bucket cannot be listed"
                )));
            };
            listed.extend(page.contents.into_iter().map(|object| ListedObject {
                key: object.key,
                size: object.size.unwrap_or(0),
            }));
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(listed);
            }
        }
    }
}

/// `None` for what is missing.
fn found<T>(url: &BucketUrl, answered: Answered<T>) -> anyhow::Result<Option<T>> {
    match answered {
        Answered::Done(value) => Ok(Some(value)),
        Answered::Missing => Ok(None),
        Answered::Changed { .. } => Err(error::refused(format!(
            "{url}: HTTP 412 without a condition"
        ))),
    }
}

/// Reads a body that says where it ends, and returns the version.
fn read_body(reply: &mut Reply, bytes: &mut Vec<u8>) -> anyhow::Result<Attempt<String>> {
    let Some(etag) = etag_of(reply).filter(|_| reply.is_delimited()) else {
        return Ok(Attempt::Again(lacking("length or ETag")));
    };
    match reply.copy_to(bytes, MAX_BYTES)? {
        Ok(_) => Ok(Attempt::Done(etag)),
        Err(e) => Ok(Attempt::Again(e.into_failed()?)),
    }
}

fn lacking(what: &str) -> Failed {
    Failed::content(format!("the reply has no {what}"), Status::Refused)
}

pub(super) fn etag_of(reply: &Reply) -> Option<String> {
    reply
        .header("etag")
        .map(str::to_owned)
        .filter(|etag| !etag.is_empty())
}

/// The SHA-256 as S3 writes it.
pub(super) fn checksum(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(digest::sha256_raw(bytes))
}
