//! Processes one batch: splits its pushes into records, and adds new records to the files.

use std::collections::BTreeMap;

use super::batch_files::BatchFiles;
use crate::lake::layout::Layout;
use crate::lake::partition_key::KeyReader;
use crate::os::digest;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::envelope::{self, Piece};
use crate::receive::known::{KnownRecord, PlacedRecord, RecordDecider};
use crate::receive::record_key::record_id;
use crate::receive::recordings;
use crate::receive::store::Store;
use crate::receive::store::batches::{Batch, BatchTotals};
use crate::receive::store::stored_pushes::{Receipt, StoredPush};

/// A batch in progress.
pub(super) struct BatchWork<'w> {
    pub(super) directory: &'w ReceiveDirectory,
    pub(super) batch: &'w Batch,
    pub(super) layout: Layout,
    pub(super) decider: RecordDecider<'w>,
    pub(super) files: BatchFiles,
    pub(super) reader: &'w mut KeyReader,
    pub(super) totals: BatchTotals,
    pub(super) by_type: BTreeMap<String, i64>,
    /// The new records as text, if they are printed.
    pub(super) emitted: Vec<u8>,
    pub(super) emits: bool,
}

impl BatchWork<'_> {
    /// Processes the push of a recording.
    pub(super) fn recording(
        &mut self,
        store: &mut Store,
        push: &StoredPush,
        file: &str,
    ) -> anyhow::Result<Receipt> {
        let mut receipt = Receipt {
            number: push.number,
            sha256: push.sha256.clone().unwrap_or_default().into(),
            ..Receipt::default()
        };
        match store.take_recording(file, self.batch.number)? && self.files.takes(file) {
            true => {
                let line = recordings::line(self.directory, push, file)?;
                self.files.add_recording(&line)?;
                receipt.records = 1;
            }
            false => {
                receipt.duplicates = 1;
                self.totals.duplicates += 1;
            }
        }
        Ok(receipt)
    }

    /// Processes a push of records.
    pub(super) fn records(&mut self, push: &StoredPush) -> anyhow::Result<Receipt> {
        let body = push.body.as_deref().unwrap_or_default();
        let pieces = envelope::split(body);
        let mut receipt = Receipt {
            number: push.number,
            schema_name: pieces.head.schema_name.map(Into::into),
            session_id: pieces.head.session_id.map(Into::into),
            sequence: pieces.head.sequence.map(Into::into),
            sha256: digest::sha256_raw(body).into(),
            ..Receipt::default()
        };
        if pieces.is_unreadable {
            self.files.quarantine(self.directory, push.number, body)?;
        }
        for (at, piece) in (1..).zip(pieces.pieces) {
            let (raw, reason) = match piece {
                Piece::Record(record) => match self.record(push, &record)? {
                    Ok(true) => {
                        receipt.records += 1;
                        continue;
                    }
                    Ok(false) => {
                        receipt.duplicates += 1;
                        continue;
                    }
                    Err(reason) => (record.into_owned().into_bytes(), reason),
                },
                // The entry in `rejects.ndjson` has no text, because the whole body is in
                // quarantine.
                Piece::Reject(_, reason) if pieces.is_unreadable => (Vec::new(), reason.to_owned()),
                Piece::Reject(raw, reason) => (raw.to_vec(), reason.to_owned()),
            };
            receipt.rejected += 1;
            self.files.add_reject(push, at, &raw, &reason)?;
        }
        self.totals.records += receipt.records;
        self.totals.duplicates += receipt.duplicates;
        self.totals.rejected += receipt.rejected;
        Ok(receipt)
    }

    /// Adds a record to its file if the record is new, and returns whether it is new. If the record
    /// is not valid, the inner error says why.
    fn record(&mut self, push: &StoredPush, record: &str) -> anyhow::Result<Result<bool, String>> {
        let read = self
            .reader
            .read(record)
            .and_then(|told| Ok((told, record_id(record)?)));
        let (told, id) = match read {
            Ok(read) => read,
            Err(bad) => return Ok(Err(bad.to_string())),
        };
        let subscribed = push.path.rsplit('/').next().unwrap_or_default();
        let kind = told.kind.as_deref().unwrap_or(subscribed);
        let hour = told.hour.unwrap_or_else(|| push.received_at.floor_hour());
        let placed = PlacedRecord {
            id,
            kind,
            hour,
            is_own_hour: told.hour.is_some(),
        };
        let KnownRecord::New { conflicts } = self.decider.decide(&placed)? else {
            return Ok(Ok(false));
        };
        self.totals.conflicts += i64::from(conflicts);
        let mut line = Vec::with_capacity(record.len() + 1);
        line.extend_from_slice(record.as_bytes());
        line.push(b'\n');
        let named = Some(kind).filter(|kind| !kind.is_empty());
        self.layout.add(named, Some(hour), &line)?;
        if self.emits {
            self.emitted.extend_from_slice(&line);
        }
        *self.by_type.entry(kind.to_owned()).or_default() += 1;
        Ok(Ok(true))
    }
}
