//! Reads, writes, lists and deletes objects. A write can have a condition.

use std::fs::File;
use std::io::Seek;

use rusty_s3::actions::ListObjectsV2;

use crate::bucket::address::BucketUrl;
use crate::bucket::dialect::{Dialect, HeaderLine};
use crate::bucket::reply;
use crate::bucket::service::{Answered, BucketRequest, BucketService};
use crate::error::{self, Status};
use crate::net::http::{Method, Reply};
use crate::net::retry::{Attempt, Failed};

/// The largest object that is read into memory, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// An object with its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// The content of the object.
    pub bytes: Vec<u8>,
    /// The version of the object, for [`PutCondition::Version`]. At Google, this is the generation.
    pub etag: String,
}

/// Facts about an object, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// The size of the object in bytes.
    pub size: u64,
    /// The version of the object.
    pub etag: String,
    write: Option<String>,
    sha256: Option<String>,
}

impl ObjectFacts {
    /// Whether the object was made of a file with this SHA-256, in hexadecimal.
    pub fn has_sum(&self, sha256: &str) -> bool {
        self.sha256.as_deref() == Some(sha256)
    }
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// The complete key of the object.
    pub key: String,
    /// The size of the object in bytes.
    pub size: u64,
}

/// The condition of a write.
#[derive(Clone, Copy, Debug)]
pub enum PutCondition<'a> {
    /// Always write.
    Always,
    /// Write if the object does not exist.
    Absent,
    /// Write if the object still has this version.
    Version(&'a str),
}

impl PutCondition<'_> {
    pub(super) fn line(self, dialect: Dialect) -> Option<HeaderLine> {
        match self {
            PutCondition::Always => None,
            PutCondition::Absent => Some(dialect.is_absent()),
            PutCondition::Version(etag) => Some(dialect.has_version(etag)),
        }
    }

    /// Whether an object with this version meets the condition. `None` means that there is no
    /// object.
    pub(super) fn is_met(self, etag: Option<&str>) -> bool {
        match self {
            PutCondition::Always => true,
            PutCondition::Absent => etag.is_none(),
            PutCondition::Version(wanted) => etag == Some(wanted),
        }
    }
}

impl BucketService {
    /// Reads a complete object; `None` if it does not exist. Returns an error with status 69 if the
    /// object is larger than 256 MiB.
    pub fn get(&self, url: &BucketUrl) -> anyhow::Result<Option<StoredObject>> {
        let mut bytes = Vec::new();
        let answered = self.ask(&BucketRequest::new(Method::Get, url), |reply| {
            bytes.clear();
            read_body(self.dialect(), reply, &mut bytes)
        })?;
        found(url, answered).map(|etag| etag.map(|etag| StoredObject { bytes, etag }))
    }

    /// Reads an object of any size into a file; `None` if there is no object. `create` makes a new
    /// file for each attempt.
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

    /// The size and version of an object; `None` if it does not exist.
    pub fn head(&self, url: &BucketUrl) -> anyhow::Result<Option<ObjectFacts>> {
        let answered = self.ask(&BucketRequest::new(Method::Head, url), |reply| {
            let size = reply
                .header("content-length")
                .and_then(|text| text.parse().ok());
            let Some((size, etag)) = size.zip(self.dialect().version(reply)) else {
                return Ok(Attempt::Again(lacking("size or version")));
            };
            Ok(Attempt::Done(ObjectFacts {
                size,
                etag,
                write: reply.header(self.dialect().write_id()).map(str::to_owned),
                sha256: reply.header(self.dialect().file_sum()).map(str::to_owned),
            }))
        })?;
        found(url, answered)
    }

    /// Writes a complete object and returns its version; `None` if the condition is not met. If the
    /// reply to a write is lost, the object's write id shows whether the write was done.
    pub fn put(
        &self,
        url: &BucketUrl,
        bytes: &[u8],
        condition: PutCondition<'_>,
    ) -> anyhow::Result<Option<String>> {
        self.put_with(url, bytes, condition, None)
    }

    /// Like [`BucketService::put`]. If the content comes from a file, `sha256` is the SHA-256 of
    /// the file, and is stored as metadata.
    pub(super) fn put_with(
        &self,
        url: &BucketUrl,
        bytes: &[u8],
        condition: PutCondition<'_>,
        sha256: Option<&str>,
    ) -> anyhow::Result<Option<String>> {
        let name = self.unique_name();
        let dialect = self.dialect();
        let mut request = BucketRequest::new(Method::Put, url)
            .line(dialect.checksum(bytes))
            .header(dialect.write_id(), name.as_str())
            .lines(condition.line(dialect))
            .lines(sha256.map(|sum| (dialect.file_sum(), sum.to_owned())));
        request.body = Some(bytes);
        let answered = self.ask(&request, |reply| {
            Ok(match dialect.version(reply) {
                Some(etag) => Attempt::Done(etag),
                None => Attempt::Again(lacking("version")),
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

    /// Deletes an object. It is no error if the object does not exist.
    pub fn delete(&self, url: &BucketUrl) -> anyhow::Result<()> {
        let request = BucketRequest::new(Method::Delete, url);
        self.ask(&request, |_| Ok(Attempt::Done(()))).map(drop)
    }

    /// All objects whose keys start with the key of `prefix`, sorted by key.
    pub fn list(&self, prefix: &BucketUrl) -> anyhow::Result<Vec<ListedObject>> {
        let mut listed = Vec::new();
        let mut token = None;
        loop {
            let mut request = BucketRequest::new(Method::Get, prefix);
            request.asks_bucket = true;
            request
                .query
                .extend(token.map(|token| ("continuation-token", token)));
            request.query.extend(self.dialect().encoding_of_names());
            request.query.push(("list-type", "2".to_owned()));
            request.query.push(("prefix", prefix.key().to_owned()));
            let answered = self.ask(&request, |reply| {
                let text = match reply.text() {
                    Ok(text) => text,
                    Err(e) => return Ok(Attempt::Again(e.into_failed()?)),
                };
                Ok(
                    match ListObjectsV2::parse_response(&reply::with_namespace(&text)) {
                        Ok(page) => Attempt::Done(page),
                        Err(e) => Attempt::Again(Failed::content(
                            format!("the reply is not a list of objects: {e}"),
                            Status::Refused,
                        )),
                    },
                )
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

/// The result of a read; `None` if the object does not exist.
fn found<T>(url: &BucketUrl, answered: Answered<T>) -> anyhow::Result<Option<T>> {
    match answered {
        Answered::Done(value) => Ok(Some(value)),
        Answered::Missing => Ok(None),
        Answered::Changed { .. } => Err(error::refused(format!(
            "{url}: HTTP 412 or 416 for a request without a condition or a range"
        ))),
    }
}

/// Reads a body of known length, and returns the version of the object.
fn read_body(
    dialect: Dialect,
    reply: &mut Reply,
    bytes: &mut Vec<u8>,
) -> anyhow::Result<Attempt<String>> {
    let Some(etag) = dialect.version(reply).filter(|_| reply.is_delimited()) else {
        return Ok(Attempt::Again(lacking("length or version")));
    };
    match reply.copy_to(bytes, MAX_BYTES)? {
        Ok(_) => Ok(Attempt::Done(etag)),
        Err(e) => Ok(Attempt::Again(e.into_failed()?)),
    }
}

fn lacking(what: &str) -> Failed {
    Failed::content(format!("the reply has no {what}"), Status::Refused)
}
