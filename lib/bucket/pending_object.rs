//! An object that is written like a file, and uploaded when it is complete.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;

use anyhow::Context;

use crate::bucket::address::BucketUrl;
use crate::bucket::service::BucketService;
use crate::bucket::upload::UnfinishedUpload;
use crate::os::digest::Hashing;
use crate::os::unnamed;

/// An object that is being written. Until it is finished, the bucket has no part of it.
#[derive(Debug)]
pub struct PendingObject {
    service: BucketService,
    url: BucketUrl,
    file: File,
    /// Uploads of this object that killed runs left.
    leftovers: Vec<UnfinishedUpload>,
}

impl PendingObject {
    /// Prepares to write `url`: its content is in a file without a name in `temp_dir` until it is
    /// complete. An error if the service or the bucket cannot be used.
    pub fn create(
        service: BucketService,
        url: BucketUrl,
        temp_dir: &Path,
    ) -> anyhow::Result<PendingObject> {
        let mut leftovers = service.unfinished(&url)?;
        leftovers.retain(|upload| upload.key == url.key());
        let place = || format!("creating a file in {}", temp_dir.display());
        Ok(PendingObject {
            file: unnamed::create_in(temp_dir).with_context(place)?,
            service,
            url,
            leftovers,
        })
    }

    /// The file for its content.
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// Its address.
    pub fn url(&self) -> &BucketUrl {
        &self.url
    }

    /// Uploads the content. When this returns, the bucket has the object. After an error it has
    /// none, or the earlier one.
    pub fn finish(mut self) -> anyhow::Result<()> {
        let mut hashing = Hashing::new(io::sink());
        let place = || format!("reading the temporary file of {}", self.url);
        self.file.rewind().with_context(place)?;
        io::copy(&mut self.file, &mut hashing).with_context(place)?;
        self.service
            .put_file(&self.url, &self.file, &hashing.finish().1)?;
        for upload in &self.leftovers {
            if let Err(e) = self.service.abort(&self.url, upload) {
                log::debug!("{e:#}");
            }
        }
        Ok(())
    }
}
