//! Batches: pushes that are published together, and their results.

use rusqlite::{OptionalExtension, Row, params};

use super::stored_pushes::next_range;
use super::{Store, StoreError};
use crate::time::Timestamp;

/// The kind of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchKind {
    /// Pushes.
    Stream,
    /// The records of an export that the stream lacked.
    Export,
}

/// A batch that is not complete.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) number: i64,
    pub(crate) kind: BatchKind,
    pub(crate) instance: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) started_at: Timestamp,
    /// The lengths in bytes to which a repeated batch cuts `rejects.ndjson` and
    /// `recordings.ndjson`.
    pub(crate) rejects_length: u64,
    pub(crate) recordings_length: u64,
}

/// The counts of records in one batch, or in several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchTotals {
    pub(crate) records: i64,
    pub(crate) duplicates: i64,
    pub(crate) rejected: i64,
    pub(crate) conflicts: i64,
}

impl Store {
    /// The incomplete batch, if there is one.
    pub(crate) fn unfinished(&self) -> Result<Option<Batch>, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT * FROM batches WHERE ended_at IS NULL ORDER BY number LIMIT 1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([], batch).optional()
        })
    }

    /// The incomplete batch of pushes, if there is one.
    pub(crate) fn unfinished_stream(&self) -> Result<Option<Batch>, StoreError> {
        let batch = self.unfinished()?;
        Ok(batch.filter(|batch| batch.kind == BatchKind::Stream))
    }

    /// Starts a batch with the oldest unpublished pushes; `None` if there are none. The range of
    /// the batch is stored, so after a crash the batch has the same pushes.
    pub(crate) fn begin_stream(
        &mut self,
        instance: &str,
        now: Timestamp,
        lengths: (u64, u64),
    ) -> Result<Option<Batch>, StoreError> {
        let range = self.database.read(next_range)?;
        match range {
            None => Ok(None),
            Some(range) => self
                .begin(BatchKind::Stream, instance, range, now, lengths)
                .map(Some),
        }
    }

    /// Starts a batch for the records of an export that the stream lacked.
    pub(crate) fn begin_export(
        &mut self,
        instance: &str,
        now: Timestamp,
    ) -> Result<Batch, StoreError> {
        self.begin(BatchKind::Export, instance, (0, 0), now, (0, 0))
    }

    /// Starts a batch. Its number is the time `now` in milliseconds since 1970, or the number after
    /// that of the last batch, whichever is greater. So if `receive.db` is new, or was restored
    /// from an older copy, a batch does not get a number that a key in `keys/` already has. With
    /// such a number, the batch would take the key of another batch for its own.
    fn begin(
        &mut self,
        kind: BatchKind,
        instance: &str,
        (first, last): (i64, i64),
        now: Timestamp,
        (rejects_length, recordings_length): (u64, u64),
    ) -> Result<Batch, StoreError> {
        let word = match kind {
            BatchKind::Stream => "stream",
            BatchKind::Export => "export",
        };
        let number = self.database.write(|transaction| {
            let sql = "INSERT INTO batches (number, kind, instance, first, last, started_at, \
                       rejects_length, recordings_length) \
                       VALUES (max(?5, 1 + coalesce((SELECT seq FROM sqlite_sequence \
                                                     WHERE name = 'batches'), 0)), \
                               ?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            transaction.execute(
                sql,
                params![
                    word,
                    instance,
                    first,
                    last,
                    now.millis(),
                    i64::try_from(rejects_length).unwrap_or(i64::MAX),
                    i64::try_from(recordings_length).unwrap_or(i64::MAX)
                ],
            )?;
            Ok(transaction.last_insert_rowid())
        })?;
        Ok(Batch {
            number,
            kind,
            instance: instance.to_owned(),
            first,
            last,
            started_at: now,
            rejects_length,
            recordings_length,
        })
    }

    /// Marks a batch as complete. Call this when the records of the batch are in the lake and have
    /// keys. `covered` has ids of coverage rows, each with the number of new records to add to the
    /// row.
    pub(crate) fn end(
        &mut self,
        batch: &Batch,
        covered: &[(i64, i64)],
        totals: BatchTotals,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.database.write(|transaction| {
            for (coverage, records) in covered {
                let sql = "UPDATE coverage SET records = records + ?2 WHERE id = ?1";
                transaction.execute(sql, [coverage, records])?;
            }
            for (name, value) in [
                ("records", totals.records),
                ("duplicates", totals.duplicates),
                ("rejected", totals.rejected),
                ("conflicts", totals.conflicts),
            ] {
                let sql = "INSERT INTO facts VALUES (?1, ?2) ON CONFLICT (name) \
                           DO UPDATE SET value = value + ?2";
                transaction.execute(sql, params![name, value])?;
            }
            let sql = "UPDATE batches SET ended_at = ?2 WHERE number = ?1";
            transaction.execute(sql, [batch.number, now.millis()])?;
            Ok(())
        })
    }

    /// Whether any batch was ever published.
    pub(crate) fn has_published(&self) -> Result<bool, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM batches WHERE ended_at IS NOT NULL)";
            connection.query_row(sql, [], |row| row.get(0))
        })
    }

    /// Notes that this batch writes a recording's line to `recordings.ndjson`. Returns false if
    /// this line was already written for another batch or for an export.
    pub(crate) fn take_recording(&mut self, file: &str, batch: i64) -> Result<bool, StoreError> {
        self.database.write(|transaction| {
            let sql = "UPDATE recordings SET batch = ?2 WHERE file = ?1 \
                       AND (batch IS NULL OR batch = ?2)";
            transaction
                .execute(sql, params![file, batch])
                .map(|rows| rows > 0)
        })
    }

    /// Deletes receipts and coverage from before `limit`; in one call at most 5000 receipts.
    pub(crate) fn forget_before(&mut self, limit: Timestamp) -> Result<(), StoreError> {
        self.database.write(|transaction| {
            for sql in [
                "DELETE FROM receipts WHERE number IN (SELECT number FROM receipts \
                 WHERE received_at < ?1 ORDER BY number LIMIT 5000)",
                "DELETE FROM coverage WHERE stop < ?1",
            ] {
                transaction.execute(sql, [limit.millis()])?;
            }
            Ok(())
        })
    }
}

fn batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    let kind: String = row.get("kind")?;
    let length = |name: &str| {
        row.get::<_, i64>(name)
            .map(|length| u64::try_from(length).unwrap_or(0))
    };
    Ok(Batch {
        number: row.get("number")?,
        kind: match kind.as_str() {
            "export" => BatchKind::Export,
            _ => BatchKind::Stream,
        },
        instance: row.get("instance")?,
        first: row.get("first")?,
        last: row.get("last")?,
        started_at: Timestamp::from_millis(row.get("started_at")?),
        rejects_length: length("rejects_length")?,
        recordings_length: length("recordings_length")?,
    })
}
