//! Writes the content of files to objects; a long file is sent in parts. A reader never sees an
//! incomplete object.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::bucket::address::BucketUrl;
use crate::bucket::objects::PutCondition;
use crate::bucket::reply;
use crate::bucket::service::{Answered, BucketRequest, BucketService};
use crate::error::{self, Status};
use crate::net::http::Method;
use crate::net::retry::{Attempt, Failed};
use crate::time::Timestamp;

/// The size of a part in bytes. A file of at most this size is sent in one request. S3 requires at
/// least 5 MiB for each part but the last, and allows ten thousand parts for an object.
const PART: u64 = 16 << 20;

/// An upload in parts that is not complete: it is in progress, or its run was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// The complete key of the object.
    pub key: String,
    id: String,
    begun: Option<Timestamp>,
}

/// How an upload ended.
enum UploadEnd {
    /// The object is complete.
    Complete,
    /// The service does not know the upload any more: the upload was completed or aborted.
    Elsewhere,
    /// The condition is not met.
    Unmet,
}

/// A part that the service has received.
struct SentPart {
    etag: String,
    sum: String,
}

impl BucketService {
    /// Writes all of `file` as an object and stores its `sha256`, in hexadecimal, as metadata. The
    /// service verifies each part. Until all parts have arrived, the object does not change.
    /// Returns false if `condition` is not met; then the object does not change, either.
    pub fn put_file(
        &self,
        url: &BucketUrl,
        file: &File,
        sha256: &str,
        condition: PutCondition<'_>,
    ) -> anyhow::Result<bool> {
        let size = file.metadata()?.len();
        if size <= PART {
            let bytes = part(file, 0, size)?;
            let written = self.put_with(url, &bytes, condition, Some(sha256))?;
            return Ok(written.is_some());
        }
        let id = self.begin(url, sha256)?;
        let ended = (self.send_parts(url, &id, file, size)).and_then(|parts| match parts {
            Some(parts) => self.complete(url, &id, &parts, condition),
            None => Ok(UploadEnd::Elsewhere),
        });
        match ended {
            Ok(UploadEnd::Complete) => Ok(true),
            // The object may have this content already: from an earlier attempt whose reply was
            // lost, or from another run.
            Ok(UploadEnd::Elsewhere | UploadEnd::Unmet) if self.has_file(url, size, sha256)? => {
                Ok(true)
            }
            Ok(UploadEnd::Elsewhere) => Err(ended_elsewhere(url)),
            Ok(UploadEnd::Unmet) => {
                self.give_up(url, id);
                Ok(false)
            }
            Err(e) => {
                self.give_up(url, id);
                Err(e)
            }
        }
    }

    /// Aborts an upload of this run. If aborting fails, a later run aborts the upload.
    fn give_up(&self, url: &BucketUrl, id: String) {
        let upload = UnfinishedUpload {
            key: url.key().to_owned(),
            id,
            begun: None,
        };
        if let Err(e) = self.abort(url, &upload) {
            log::debug!("{e:#}");
        }
    }

    fn has_file(&self, url: &BucketUrl, size: u64, sha256: &str) -> anyhow::Result<bool> {
        let found = self.head(url)?;
        Ok(found.is_some_and(|found| found.size == size && found.has_sum(sha256)))
    }

    fn begin(&self, url: &BucketUrl, sha256: &str) -> anyhow::Result<String> {
        let mut request = BucketRequest::new(Method::Post, url)
            .lines(self.dialect().checksum_of_parts())
            .header(self.dialect().file_sum(), sha256);
        request.query.push(("uploads", String::new()));
        let answered = self.ask(&request, |reply| {
            let text = match reply.text() {
                Ok(text) => text,
                Err(e) => return Ok(Attempt::Again(e.into_failed()?)),
            };
            Ok(match reply::element(&text, "UploadId") {
                Some(id) => Attempt::Done(id),
                None => Attempt::Again(Failed::content(
                    "the reply has no UploadId".to_owned(),
                    Status::Refused,
                )),
            })
        })?;
        done(url, answered)
    }

    fn send_parts(
        &self,
        url: &BucketUrl,
        id: &str,
        file: &File,
        size: u64,
    ) -> anyhow::Result<Option<Vec<SentPart>>> {
        let mut parts = Vec::new();
        let mut from = 0;
        while from < size {
            let bytes = part(file, from, PART.min(size - from))?;
            let (name, sum) = self.dialect().checksum(&bytes);
            let mut request = BucketRequest::new(Method::Put, url).header(name, sum.as_str());
            request.query = vec![
                ("partNumber", (parts.len() + 1).to_string()),
                ("uploadId", id.to_owned()),
            ];
            request.body = Some(&bytes);
            let answered = self.ask(&request, |reply| {
                let etag = reply.header("etag").filter(|etag| !etag.is_empty());
                Ok(match etag {
                    Some(etag) => Attempt::Done(etag.to_owned()),
                    None => Attempt::Again(Failed::content(
                        "the reply has no ETag".to_owned(),
                        Status::Refused,
                    )),
                })
            })?;
            let Answered::Done(etag) = answered else {
                return Ok(None);
            };
            parts.push(SentPart { etag, sum });
            from += bytes.len() as u64;
        }
        Ok(Some(parts))
    }

    fn complete(
        &self,
        url: &BucketUrl,
        id: &str,
        parts: &[SentPart],
        condition: PutCondition<'_>,
    ) -> anyhow::Result<UploadEnd> {
        // Some services ignore the condition of the request that completes an upload, so the
        // condition is checked just before this request.
        if !matches!(condition, PutCondition::Always) {
            let found = self.head(url)?;
            if !condition.is_met(found.as_ref().map(|found| found.etag.as_str())) {
                return Ok(UploadEnd::Unmet);
            }
        }
        let parts: String = (1..)
            .zip(parts)
            .map(|(number, part)| self.dialect().listed_part(number, &part.etag, &part.sum))
            .collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let dialect = self.dialect();
        let line = condition.line(dialect);
        let mut request = BucketRequest::new(Method::Post, url)
            .lines(line.filter(|_| dialect.completes_on_condition()));
        request.query.push(("uploadId", id.to_owned()));
        request.body = Some(body.as_bytes());
        let answered = self.ask(&request, |reply| {
            let text = match reply.text() {
                Ok(text) => text,
                Err(e) => return Ok(Attempt::Again(e.into_failed()?)),
            };
            // The service may send status 200 before it has put the parts together. So only the
            // body shows whether the object is complete.
            Ok(match reply::element(&text, "ETag") {
                Some(_) => Attempt::Done(()),
                None => Attempt::Again(Failed::content(
                    format!(
                        "the service did not join the parts of the upload: {}",
                        reply::said(&text)
                    ),
                    Status::TryLater,
                )),
            })
        })?;
        Ok(match answered {
            Answered::Done(()) => UploadEnd::Complete,
            Answered::Changed { .. } => UploadEnd::Unmet,
            Answered::Missing => UploadEnd::Elsewhere,
        })
    }

    /// The uploads that are neither complete nor aborted, for objects whose keys start with the key
    /// of `prefix`. Empty if the service cannot list uploads.
    pub fn unfinished(&self, prefix: &BucketUrl) -> anyhow::Result<Vec<UnfinishedUpload>> {
        let mut found = Vec::new();
        let mut marker: Option<(String, String)> = None;
        loop {
            let mut request = BucketRequest::new(Method::Get, prefix);
            request.asks_bucket = true;
            request.is_optional = true;
            let (key, id) = marker.take().unzip();
            request.query.extend(key.map(|key| ("key-marker", key)));
            request.query.push(("prefix", prefix.key().to_owned()));
            request.query.extend(id.map(|id| ("upload-id-marker", id)));
            request.query.push(("uploads", String::new()));
            let answered = self.ask(&request, |reply| match reply.text() {
                Ok(text) => Ok(Attempt::Done(text)),
                Err(e) => Ok(Attempt::Again(e.into_failed()?)),
            })?;
            let Answered::Done(text) = answered else {
                log::info!(
                    "{prefix}: the service cannot list unfinished uploads; parts that killed runs have uploaded stay in the bucket"
                );
                return Ok(found);
            };
            for upload in text.split("<Upload>").skip(1) {
                let parts = (
                    reply::element(upload, "Key"),
                    reply::element(upload, "UploadId"),
                );
                if let (Some(key), Some(id)) = parts {
                    let begun = reply::element(upload, "Initiated");
                    let begun = begun.and_then(|text| Timestamp::parse_instant(&text));
                    found.push(UnfinishedUpload { key, id, begun });
                }
            }
            let next = |name| reply::element(&text, name).filter(|text| !text.is_empty());
            marker = match reply::element(&text, "IsTruncated").as_deref() {
                Some("true") => next("NextKeyMarker").zip(next("NextUploadIdMarker")),
                _ => None,
            };
            if marker.is_none() {
                return Ok(found);
            }
        }
    }

    /// Whether an upload began more than `age` ago, by the clock of the service. False if the
    /// service does not say when the upload began.
    pub fn is_older(&self, upload: &UnfinishedUpload, age: Duration) -> bool {
        upload
            .begun
            .is_some_and(|begun| begun.plus(age) < self.now())
    }

    /// Aborts an upload to `url`: no object is written.
    pub fn abort(&self, url: &BucketUrl, upload: &UnfinishedUpload) -> anyhow::Result<()> {
        let mut request = BucketRequest::new(Method::Delete, url);
        request.query.push(("uploadId", upload.id.clone()));
        self.ask(&request, |_| Ok(Attempt::Done(()))).map(drop)
    }
}

fn part(file: &File, from: u64, size: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size)?];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}

fn done<T>(url: &BucketUrl, answered: Answered<T>) -> anyhow::Result<T> {
    match answered {
        Answered::Done(value) => Ok(value),
        Answered::Missing | Answered::Changed { .. } => Err(ended_elsewhere(url)),
    }
}

fn ended_elsewhere(url: &BucketUrl) -> anyhow::Error {
    error::try_later(format!("{url}: another run has ended this upload"))
}
