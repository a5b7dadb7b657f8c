//! Publishes the inbox to the lake, one batch at a time.
//!
//! A batch is a fixed range of pushes with a number; range and number are committed first. Then the
//! steps follow in this order: files get their names; the keys of their records are committed, one
//! day at a time; the batch is marked as complete; its pushes are deleted from the inbox. After a
//! crash between two steps, the batch is repeated: the same pushes give the same files with the
//! same names.

mod batch_files;
mod batch_work;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::output::Output;
use crate::error::{self, Status};
use crate::lake::layout::{Codec, FileLine, Layout};
use crate::lake::partition_key::KeyReader;
use crate::os::clock::Clock;
use crate::os::files;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::known::RecordDecider;
use crate::receive::lock::PublisherLock;
use crate::receive::reindex;
use crate::receive::store::batches::{Batch, BatchKind, BatchTotals};
use crate::receive::store::keys::RecordKeys;
use crate::receive::store::{Store, StoreError};
use batch_files::BatchFiles;
use batch_work::BatchWork;

/// What is printed after publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Emit {
    /// A line for each file.
    Files,
    /// The records themselves.
    Records,
    /// Nothing.
    None,
}

/// The options of a publisher.
#[derive(Clone, Debug)]
pub(crate) struct PublisherOptions {
    /// The name of this process in file names.
    pub(crate) instance: String,
    pub(crate) compress: Option<Codec>,
    /// How long the key of a record is kept.
    pub(crate) dedupe_keep: Duration,
    pub(crate) emit: Emit,
    pub(crate) clock: Clock,
}

/// The counts of published records.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublishCounts {
    pub(crate) batches: i64,
    pub(crate) totals: BatchTotals,
    /// New records by type; the type is empty if it is unknown.
    pub(crate) by_type: BTreeMap<String, i64>,
}

/// Called before a batch and while the batch is read. If this function returns true,
/// [`Publisher::publish`] ends, and the next call of `publish` begins with this batch.
pub(crate) type GivesUp<'g> = &'g dyn Fn() -> bool;

/// Publishes the inbox of a directory.
pub(crate) struct Publisher {
    store: Store,
    keys: RecordKeys,
    directory: ReceiveDirectory,
    options: PublisherOptions,
    reader: KeyReader,
    /// Whether the reader closed stdout.
    is_unread: bool,
}

impl Publisher {
    /// Creates a publisher with its own connection to the database. Removes the unfinished files
    /// that killed runs left in the quarantine.
    pub(crate) fn new(
        store: Store,
        directory: &ReceiveDirectory,
        options: PublisherOptions,
    ) -> Publisher {
        files::tidy(&directory.quarantine());
        Publisher {
            store,
            keys: RecordKeys::new(&directory.keys()),
            directory: directory.clone(),
            options,
            reader: KeyReader::new(),
            is_unread: false,
        }
    }

    /// Whether the reader closed stdout: the program then exits with 1.
    pub(crate) fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Publishes batches until all pushes in the inbox are published, or until `gives_up` returns
    /// true. Does nothing if another process publishes. After a [fatal](is_fatal) error the process
    /// must end; after any other error the next call tries again.
    pub(crate) fn publish(
        &mut self,
        output: &mut Output,
        gives_up: GivesUp<'_>,
    ) -> anyhow::Result<PublishCounts> {
        let mut counts = PublishCounts::default();
        let Some(_lock) = PublisherLock::try_take(&self.directory)? else {
            return Ok(counts);
        };
        let keys = &mut self.keys;
        reindex::require_keys(&self.directory, &self.store, keys, true)?;
        reindex::finish_exports(&self.directory, &mut self.store, keys, &self.options.clock)?;
        while !gives_up()
            && let Some(batch) = self.next_batch()?
            && self.publish_batch(&batch, output, &mut counts, gives_up)?
        {}
        self.store.clear_published()?;
        if counts.batches > 0 {
            let limit = self.options.clock.now().minus(self.options.dedupe_keep);
            self.keys.forget_before(limit)?;
            self.store.forget_before(limit)?;
        }
        Ok(counts)
    }

    /// The number of acknowledged, unpublished pushes.
    pub(crate) fn unpublished(&self) -> anyhow::Result<i64> {
        Ok(self.store.unpublished()?)
    }

    fn next_batch(&mut self) -> anyhow::Result<Option<Batch>> {
        if let Some(batch) = self.store.unfinished()? {
            return Ok(Some(batch).filter(|batch| batch.kind == BatchKind::Stream));
        }
        let lengths = BatchFiles::lengths(&self.directory)?;
        let now = self.options.clock.now();
        Ok(self
            .store
            .begin_stream(&self.options.instance, now, lengths)?)
    }

    /// Publishes a batch. Returns false if `gives_up` returned true; the next call of
    /// [`Publisher::publish`] then begins with this batch.
    fn publish_batch(
        &mut self,
        batch: &Batch,
        output: &mut Output,
        counts: &mut PublishCounts,
        gives_up: GivesUp<'_>,
    ) -> anyhow::Result<bool> {
        let mut work = BatchWork {
            directory: &self.directory,
            batch,
            layout: Layout::in_directory(&self.directory.lake(), self.options.compress)?,
            decider: RecordDecider::new(
                &mut self.keys,
                batch.number,
                batch.started_at,
                self.options.dedupe_keep,
            ),
            files: BatchFiles::open(&self.directory, batch)?,
            reader: &mut self.reader,
            totals: BatchTotals::default(),
            by_type: BTreeMap::new(),
            emitted: Vec::new(),
            emits: self.options.emit == Emit::Records && !self.is_unread,
        };
        let mut receipts = Vec::new();
        let mut covered: BTreeMap<i64, i64> = BTreeMap::new();
        let mut after = batch.first - 1;
        while let Some(push) = self.store.push_after(after, batch.last)? {
            if gives_up() {
                return Ok(false);
            }
            after = push.number;
            let receipt = match &push.recording {
                Some(file) => work.recording(&mut self.store, &push, file)?,
                None => work.records(&push)?,
            };
            if let Some(coverage) = push.coverage {
                *covered.entry(coverage).or_default() += receipt.records;
            }
            receipts.push(receipt);
        }
        let stem = format!("stream-{}-{}", batch.instance, batch.number);
        let files = work.layout.publish_as(&stem)?;
        work.files.sync()?;
        work.decider.commit()?;
        let (totals, emitted) = (work.totals, work.emitted);
        for (kind, records) in work.by_type {
            *counts.by_type.entry(kind).or_default() += records;
        }
        let emit = self.options.emit;
        let mut printed = || -> std::io::Result<()> {
            if emit == Emit::Files {
                for file in &files {
                    let source = "stream";
                    output.write_record(&FileLine { file, source })?;
                }
            }
            std::io::Write::write_all(output, &emitted)?;
            std::io::Write::flush(output)
        };
        if !self.is_unread {
            self.note_reader(printed())?;
        }
        let covered: Vec<(i64, i64)> = covered.into_iter().collect();
        self.store.note_receipts(&receipts)?;
        let now = self.options.clock.now();
        self.store.end(batch, &covered, totals, now)?;
        self.store.clear_published()?;
        counts.batches += 1;
        counts.totals.records += totals.records;
        counts.totals.duplicates += totals.duplicates;
        counts.totals.rejected += totals.rejected;
        counts.totals.conflicts += totals.conflicts;
        Ok(true)
    }

    /// Logs once that the reader closed stdout; receiving continues.
    fn note_reader(&mut self, printed: std::io::Result<()>) -> anyhow::Result<()> {
        let Err(e) = printed.map_err(anyhow::Error::from) else {
            return Ok(());
        };
        if !error::reader_left(&e) {
            return Err(e);
        }
        self.is_unread = true;
        log::warn!("the reader closed stdout: publishing continues, printing stops");
        Ok(())
    }
}

/// Whether the process must end after this error of [`Publisher::publish`]: the sync of a
/// database failed, or a database is damaged.
pub(crate) fn is_fatal(error: &anyhow::Error) -> bool {
    let is_sync = |e: &StoreError| e.is_sync();
    error.downcast_ref().is_some_and(is_sync) || Status::of(error) == Status::BadInput
}

#[cfg(test)]
mod tests;
