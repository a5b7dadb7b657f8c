//! An object that is written like a file, and uploaded when it is complete.
//!
//! The upload replaces the object only if the object still has the version that it had when the run
//! began. So a run that was suspended for long does not replace the object of a later run.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;

use anyhow::Context;

use crate::bucket::address::BucketUrl;
use crate::bucket::objects::PutCondition;
use crate::bucket::service::BucketService;
use crate::bucket::upload::UnfinishedUpload;
use crate::error;
use crate::os::digest::Hashing;
use crate::os::unnamed;

/// An object that is being written. Before [`PendingObject::finish`], the bucket has no part of the
/// new content.
#[derive(Debug)]
pub struct PendingObject {
    service: BucketService,
    url: BucketUrl,
    file: File,
    /// The version of the object when the run began; `None` if the object did not exist.
    version: Option<String>,
    /// Uploads of this object that killed runs did not finish.
    leftovers: Vec<UnfinishedUpload>,
}

impl PendingObject {
    /// Prepares to write `url`. Until the content is complete, it is in a file without a name in
    /// `temp_dir`. Returns an error if the service or the bucket cannot be used.
    pub fn create(
        service: BucketService,
        url: BucketUrl,
        temp_dir: &Path,
    ) -> anyhow::Result<PendingObject> {
        let mut leftovers = service.unfinished(&url)?;
        leftovers.retain(|upload| upload.key == url.key());
        let place = || format!("creating a file in {}", temp_dir.display());
        let version = service.head(&url)?.map(|found| found.etag);
        Ok(PendingObject {
            version,
            file: unnamed::create_in(temp_dir).with_context(place)?,
            service,
            url,
            leftovers,
        })
    }

    /// The file to which the content is written.
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// The address of the object.
    pub fn url(&self) -> &BucketUrl {
        &self.url
    }

    /// Whether the object existed when the run began.
    pub fn is_there(&self) -> bool {
        self.version.is_some()
    }

    /// The SHA-256 of the content, in hexadecimal.
    pub fn sha256(&mut self) -> anyhow::Result<String> {
        let mut hashing = Hashing::new(io::sink());
        let place = || format!("reading the temporary file of {}", self.url);
        self.file.rewind().with_context(place)?;
        io::copy(&mut self.file, &mut hashing).with_context(place)?;
        Ok(hashing.finish().1)
    }

    /// Uploads the content. After success, the object has this content. After an error, the object
    /// is unchanged, or complete if only the reply was lost. The error
    /// has status 75 if another run has written the object since this run began.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        let sha256 = self.sha256()?;
        let condition = match &self.version {
            None => PutCondition::Absent,
            Some(etag) => PutCondition::Version(etag),
        };
        let is_written = (self.service).put_file(&self.url, &self.file, &sha256, condition)?;
        if !is_written {
            return Err(error::try_later(format!(
                "{}: another run has written this object since this run began, so this run did not replace it: run the same command again",
                self.url
            )));
        }
        for upload in &self.leftovers {
            if let Err(e) = self.service.abort(&self.url, upload) {
                log::debug!("{e:#}");
            }
        }
        Ok(())
    }
}
