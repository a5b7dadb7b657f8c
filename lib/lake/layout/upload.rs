//! The files of a ZIP in a bucket.
//!
//! An object is complete or absent, but a run can end between two objects. The next run with this
//! ZIP keeps the objects that exist, because their names contain a hash of their contents, and
//! uploads the others. An object is never removed, because another run may have kept it. A note of
//! the ZIP is uploaded before the files of the ZIP. The note makes the next run list all of these
//! files as written.

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

/// The number of requests to the bucket that run at the same time. Each of them holds at most one
/// part of a file in memory.
const AT_ONCE: usize = 4;

/// If an upload began longer ago than this, the run that began it counts as ended.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A lake in a bucket.
#[derive(Debug)]
pub(super) struct LakeBucket {
    service: Arc<BucketService>,
    url: BucketUrl,
    /// Unfinished uploads that other runs have begun.
    unfinished: Vec<UnfinishedUpload>,
    notes: UnlistedZips<BucketNotes>,
}

impl LakeBucket {
    /// Opens the lake at `url`. Aborts uploads of the lake's files that began a day ago or earlier.
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

    /// Uploads the files that are missing in the bucket. When this returns, the bucket has all
    /// files.
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
        // Another run notes a ZIP before it uploads the ZIP's files. This run reads the notes after
        // it has looked for the files. So the notes have the ZIP of each file that was found and
        // that another run has uploaded, unless that run has succeeded since.
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

    /// Removes the notes of this run.
    pub(super) fn remove_notes(&mut self) {
        self.notes.remove();
    }

    /// The path in the lake of the parcel's file, compressed or not; `None` if the lake does not
    /// have it.
    fn present(&self, parcel: &Parcel, compresses: bool) -> anyhow::Result<Option<String>> {
        let files = parcel.files(compresses);
        // The longer path is the shorter one with the extension for compression. So a list of all
        // keys that start with the shorter path has both objects.
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
        // If another run has written this object, replacing it does no harm: an object with the
        // same name has the same content.
        let always = PutCondition::Always;
        (self.service).put_file(&self.below(&name), &file, &sha256, always)?;
        Ok(())
    }

    fn below(&self, file: &str) -> BucketUrl {
        self.url.with_ending(&format!("/{file}"))
    }

    /// The file that an upload writes, as a path relative to the root of the lake.
    fn file_of<'u>(&self, upload: &'u UnfinishedUpload) -> Option<&'u str> {
        upload.key.strip_prefix(self.url.key())?.strip_prefix('/')
    }

    /// Aborts each unfinished upload of another run for which `is_useless` returns true.
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

/// Whether a path, relative to the root of a lake, has the form of a file of this layout.
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

/// Calls `each` for all parcels, several at the same time, and returns the results in order.
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
