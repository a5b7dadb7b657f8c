//! Compares the stream with batch exports, and adds the records and recordings that the stream
//! lacked.

mod compare;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::bad_line::BadLine;
use crate::lake::layout::Codec;
use crate::lake::partition_key::{KeyReader, PathKey};
use crate::os::clock::Clock;
use crate::os::signals::Stop;
use crate::os::staging;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::lock::PublisherLock;
use crate::receive::read_exports::ReadExports;
use crate::receive::reconcile_recordings::{self, BatchRecording};
use crate::receive::record_key::{RecordId, record_id};
use crate::receive::reindex;
use crate::receive::store::Store;
use crate::receive::store::keys::{Day, Key, RecordKeys};
use crate::receive::store::reconciled::HourCounts;
use crate::time::Timestamp;

/// The collected records are compared when they have more bytes than this.
const CHUNK: usize = 32 << 20;

/// The key of a record without a time can be stored under another day. So for such a record, this
/// many days before and after its day are searched, too.
const DAYS_AROUND: i64 = 3;

/// The options of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct ReconcileOptions {
    pub(crate) instance: String,
    pub(crate) compress: Option<Codec>,
    pub(crate) dedupe_keep: Duration,
    /// Whether to read the whole lake if the keys of its records are missing.
    pub(crate) reindexes: bool,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

/// A line of `unzip-jsonl --with-source`: about a record, or the end of a ZIP.
#[derive(Deserialize)]
struct InputLine<'a> {
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow)]
    member: Option<Cow<'a, str>>,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
    export: Option<IgnoredAny>,
}

/// The result line for a type and hour.
#[derive(Debug, Serialize)]
pub(crate) struct HourLine {
    message_type: Option<String>,
    date: String,
    hour: u32,
    batch: i64,
    stream: i64,
    missing: i64,
    extra: i64,
    status: &'static str,
}

/// A record of an export that was not compared yet.
struct Candidate {
    record: String,
    kind: String,
    hour: Timestamp,
    is_own_hour: bool,
    id: RecordId,
}

#[derive(Default)]
struct Tally {
    kind: String,
    lines: i64,
    missing: i64,
    /// The first half of the key of each record that the stream had.
    matched: HashSet<u64>,
    /// The keys of the records that were acknowledged but not published. The value says whether the
    /// hour comes from the record itself.
    unpublished: BTreeMap<Key, bool>,
}

/// A running comparison of batch exports with the lake.
pub(crate) struct Reconciler {
    directory: ReceiveDirectory,
    store: Store,
    keys: RecordKeys,
    options: ReconcileOptions,
    reader: KeyReader,
    began: Timestamp,
    hours: BTreeMap<(String, Timestamp), Tally>,
    exports: ReadExports,
    candidates: Vec<Candidate>,
    bytes: usize,
    own_batches: HashSet<i64>,
    recordings: i64,
}

impl Reconciler {
    /// Makes sure that the keys exist, and removes unfinished files from the lake. An error with
    /// status 2 if the keys are missing and must not be rebuilt.
    pub(crate) fn open(
        directory: &ReceiveDirectory,
        store: Store,
        options: ReconcileOptions,
    ) -> anyhow::Result<Reconciler> {
        let mut reconciler = Reconciler {
            keys: RecordKeys::new(&directory.keys()),
            directory: directory.clone(),
            store,
            reader: KeyReader::new(),
            began: options.clock.now(),
            options,
            hours: BTreeMap::new(),
            exports: ReadExports::default(),
            candidates: Vec::new(),
            bytes: 0,
            own_batches: HashSet::new(),
            recordings: 0,
        };
        reconciler.lock()?;
        if directory.lake().is_dir() {
            staging::clear(&directory.lake())?;
        }
        Ok(reconciler)
    }

    /// Adds a line. The inner error says why `unzip-jsonl` cannot have printed this line.
    pub(crate) fn take(&mut self, line: &str) -> anyhow::Result<Result<(), BadLine>> {
        let taken = self.line(line)?;
        if taken.is_err() {
            self.exports.bad_line();
        }
        Ok(taken)
    }

    fn line(&mut self, line: &str) -> anyhow::Result<Result<(), BadLine>> {
        let input: InputLine<'_> = match serde_json::from_str(line) {
            Ok(input) => input,
            Err(e) => return Ok(Err(e.into())),
        };
        let source = input.source.as_deref().unwrap_or_default();
        let member = input.member.as_deref().unwrap_or_default();
        if input.export.is_some() {
            return Ok(serde_json::from_str(line)
                .map(|end| self.exports.end(end))
                .map_err(BadLine::from));
        }
        let Some(record) = input.record else {
            return match BatchRecording::parse(line) {
                Err(bad) => Ok(Err(bad)),
                Ok(recording) => self.recording(&recording).map(|()| Ok(())),
            };
        };
        let record = record.get();
        let read = self
            .reader
            .read(record)
            .and_then(|told| Ok((told, record_id(record)?)));
        let (told, id) = match read {
            Ok(read) => read,
            Err(bad) => return Ok(Err(bad)),
        };
        let path = PathKey::of(member);
        let kind = told.kind.map(Cow::into_owned).or(path.kind);
        let kind = kind.unwrap_or_default();
        self.exports.line(source);
        let fallback = path.hour.unwrap_or_else(|| self.began.floor_hour());
        self.bytes += record.len();
        self.candidates.push(Candidate {
            record: record.to_owned(),
            kind,
            hour: told.hour.unwrap_or(fallback),
            is_own_hour: told.hour.is_some(),
            id,
        });
        match self.bytes > CHUNK {
            true => self.compare().map(Ok),
            false => Ok(Ok(())),
        }
    }

    /// Compares the records that were not compared yet. Returns a line for each type and hour, and
    /// stores these results in the database.
    pub(crate) fn finish(&mut self) -> anyhow::Result<Vec<HourLine>> {
        self.compare()?;
        let mut counts = Vec::new();
        let mut lines = Vec::new();
        // Nothing may be published while the records are counted.
        let lock = self.lock()?;
        for ((directory, hour), tally) in &self.hours {
            let mut known = self.keys.count(directory, *hour)?;
            for (key, is_own_hour) in &tally.unpublished {
                let batch = batch_of(&mut self.keys, *hour, *is_own_hour, key)?;
                known += i64::from(batch.is_none());
            }
            let stream = (known - tally.missing).max(0);
            let matched = i64::try_from(tally.matched.len()).unwrap_or(i64::MAX);
            let extra = (stream - matched).max(0);
            counts.push(HourCounts {
                kind: directory.clone(),
                hour: *hour,
                batch: tally.lines,
                stream,
                missing: tally.missing,
                extra,
            });
            let (date, hour) = hour.date_and_hour();
            lines.push(HourLine {
                message_type: Some(tally.kind.clone()).filter(|kind| !kind.is_empty()),
                date,
                hour,
                batch: tally.lines,
                stream,
                missing: tally.missing,
                extra,
                status: if tally.missing > 0 {
                    "filled"
                } else {
                    "complete"
                },
            });
        }
        drop(lock);
        let now = self.options.clock.now();
        self.store
            .note_reconciled(&counts, &self.exports.proven(), now)?;
        Ok(lines)
    }

    /// The number of records added, and of recordings copied.
    pub(crate) fn filled(&self) -> (i64, i64) {
        let missing = self.hours.values().map(|tally| tally.missing).sum();
        (missing, self.recordings)
    }

    fn lock(&mut self) -> anyhow::Result<PublisherLock> {
        let (clock, stop) = (&self.options.clock, &self.options.stop);
        let lock = PublisherLock::take(&self.directory, clock, stop)?;
        let rebuild = self.options.reindexes;
        reindex::require_keys(&self.directory, &self.store, &mut self.keys, rebuild)?;
        reindex::finish_exports(&self.directory, &mut self.store, &mut self.keys, clock)?;
        Ok(lock)
    }

    fn recording(&mut self, recording: &BatchRecording) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        let copied = reconcile_recordings::fill(&self.directory, &mut self.store, recording)?;
        self.recordings += i64::from(copied);
        Ok(())
    }
}

/// The batch that contained a record, if known.
fn batch_of(
    keys: &mut RecordKeys,
    hour: Timestamp,
    is_own_hour: bool,
    key: &Key,
) -> anyhow::Result<Option<i64>> {
    let reach = if is_own_hour { 0 } else { DAYS_AROUND };
    for day in Day::of(hour).around(reach) {
        if let Some(batch) = keys.batch_of(day, key)? {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}
