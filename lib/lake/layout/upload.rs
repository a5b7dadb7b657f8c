//! The files of a ZIP in a bucket.
//!
//! An object is there completely or not at all, but a run can end between two of them. The next run
//! with the ZIP keeps those that are there, because their names contain a hash of their contents,
//! and uploads the others. So none is ever taken back: another run may have counted on it. A note of
//! the ZIP, which is uploaded before its files, makes the next run list all of them as written.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::bucket_notes::BucketNotes;
use super::parcel::{Parcel, PublishStatus, Published};
use super::partition::Spill;
use super::unlisted::{NotedZip, UnlistedZips};
use crate::bucket::address::BucketUrl;
use crate::bucket::objects::PutCondition;
use crate::bucket::service::BucketService;
use crate::bucket::upload::UnfinishedUpload;
use crate::os::deferred_signals::DeferredSignals;
use crate::os::digest::Hashing;

/// The number of requests at once. Each holds at most one part of a file in memory.
const AT_ONCE: usize = 4;

/// An upload of a file that takes longer than this has no run any more.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A lake in a bucket.
#[derive(Debug)]
pub(super) struct LakeBucket {
    service: Arc<BucketService>,
    url: BucketUrl,
    /// Uploads that earlier runs, or other ones, have begun.
    unfinished: Vec<UnfinishedUpload>,
    notes: UnlistedZips<BucketNotes>,
}

impl LakeBucket {
    /// The lake at `url`. Aborts uploads of files of a lake that were begun a day ago or earlier.
    pub(super) fn open(service: Arc<BucketService>, url: BucketUrl) -> anyhow::Result<LakeBucket> {
        let mut lake = LakeBucket {
            unfinished: service.unfinished(&url.with_ending("/"))?,
            notes: UnlistedZips::new(BucketNotes::new(Arc::clone(&service), url.clone())),
            service,
            url,
        };
        let is_old = |lake: &LakeBucket, upload: &UnfinishedUpload| {
            let file = lake.file_of(upload);
            file.is_some_and(is_of_layout) && lake.service.is_older(upload, LONGEST)
        };
        lake.abort_where(is_old)?;
        Ok(lake)
    }

    /// Uploads the files that are not there. When this returns, all are there.
    pub(super) fn publish(
        &mut self,
        mut parcels: Vec<Parcel>,
        zip: NotedZip,
        spill: &mut Spill,
        deferred: Option<&DeferredSignals>,
    ) -> anyhow::Result<Vec<Published>> {
        let compresses = spill.compresses();
        let known = in_parallel(&parcels, |parcel| self.present(parcel, compresses))?;
        let missing = known.iter().filter(|known| known.is_none()).count();
        // After the files: who sees a file sees its note, too, or its run has succeeded since.
        let present = self.notes.begin(&zip, missing, parcels.len())?;
        for (parcel, known) in parcels.iter_mut().zip(&known) {
            match known {
                Some(_) => spill.remove(&parcel.partition),
                None => parcel.staged = Some(spill.complete(&mut parcel.partition)?),
            }
        }
        let upload = || in_parallel(&parcels, |parcel| self.upload(parcel, compresses));
        match deferred {
            Some(deferred) => deferred.hold(upload),
            None => upload(),
        }?;
        let mut published = Vec::new();
        for (parcel, known) in parcels.iter().zip(known) {
            let [file, _] = parcel.files(compresses);
            let (file, status) = match known {
                Some(file) => (file, present),
                None => (file, PublishStatus::Written),
            };
            spill.remove(&parcel.partition);
            published.push(parcel.line(self.below(&file).to_string(), status));
        }
        let is_there = |lake: &LakeBucket, upload: &UnfinishedUpload| {
            let mut files = parcels.iter().flat_map(|parcel| parcel.files(compresses));
            let file = lake.file_of(upload);
            files.any(|known| file == Some(&known))
        };
        self.abort_where(is_there)?;
        Ok(published)
    }

    /// Removes the notes of what this run has listed as written.
    pub(super) fn remove_notes(&mut self) {
        self.notes.remove();
    }

    /// The same contents, as an earlier run left them, compressed or not.
    fn present(&self, parcel: &Parcel, compresses: bool) -> anyhow::Result<Option<String>> {
        let files = parcel.files(compresses);
        // The shorter name is a prefix of the other.
        let shorter = files.iter().min_by_key(|file| file.len());
        let Some(shorter) = shorter else {
            return Ok(None);
        };
        let listed = self.service.list(&self.below(shorter))?;
        let is_listed = |file: &String| {
            let url = self.below(file);
            listed.iter().any(|object| object.key == url.key())
        };
        Ok(files.into_iter().find(is_listed))
    }

    fn upload(&self, parcel: &Parcel, compresses: bool) -> anyhow::Result<()> {
        let Some(staged) = &parcel.staged else {
            return Ok(());
        };
        let place = || format!("reading {}", staged.display());
        let mut file = File::open(staged).with_context(place)?;
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut file, &mut hashing).with_context(place)?;
        let [name, _] = parcel.files(compresses);
        let sha256 = hashing.finish().1;
        // Another run may have written it: with the same name, it has the same content.
        let always = PutCondition::Always;
        (self.service).put_file(&self.below(&name), &file, &sha256, always)?;
        Ok(())
    }

    fn below(&self, file: &str) -> BucketUrl {
        self.url.with_ending(&format!("/{file}"))
    }

    /// The name of an upload below the root.
    fn file_of<'u>(&self, upload: &'u UnfinishedUpload) -> Option<&'u str> {
        upload.key.strip_prefix(self.url.key())?.strip_prefix('/')
    }

    /// Aborts the earlier uploads that are not needed.
    fn abort_where(
        &mut self,
        is_useless: impl Fn(&LakeBucket, &UnfinishedUpload) -> bool,
    ) -> anyhow::Result<()> {
        let unfinished = std::mem::take(&mut self.unfinished);
        for upload in unfinished {
            match self.file_of(&upload) {
                Some(file) if is_useless(self, &upload) => {
                    self.service.abort(&self.below(file), &upload)?;
                }
                _ => self.unfinished.push(upload),
            }
        }
        Ok(())
    }
}

/// Whether a file has a name as in a lake.
fn is_of_layout(file: &str) -> bool {
    let parts: Vec<&str> = file.split('/').collect();
    match parts[..] {
        [kind, date, hour, name] => {
            kind.starts_with("message_type=")
                && date.starts_with("date=")
                && hour.starts_with("hour=")
                && (name.ends_with(".ndjson") || name.ends_with(".ndjson.zst"))
        }
        _ => false,
    }
}

/// Calls `each` for all parcels, some of them at once, and returns the results in their order.
fn in_parallel<T: Send>(
    parcels: &[Parcel],
    each: impl Fn(&Parcel) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let each = &each;
    let all = move |part: &[Parcel]| part.iter().map(each).collect::<anyhow::Result<Vec<T>>>();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for part in parcels.chunks(parcels.len().div_ceil(AT_ONCE).max(1)) {
            let spawned = thread::Builder::new().spawn_scoped(scope, move || all(part));
            threads.push(spawned.context("starting a thread")?);
        }
        let mut results = Vec::new();
        let joined: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
        for part in joined {
            results.extend(part.unwrap_or_else(|_| Err(anyhow!("a thread died")))?);
        }
        Ok(results)
    })
}
