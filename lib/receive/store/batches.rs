//! Batches: the pushes that are published together, and their results.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Store, StoreError};
use crate::time::Timestamp;

/// At most so many bytes of pushes become files together, unless one has more.
const BATCH_BYTES: i64 = 256 << 20;

/// At most so many pushes.
const BATCH_PUSHES: i64 = 200_000;

/// So many rows are changed at once: pushes that are being committed wait so long.
const SLICE: usize = 256;

/// The same, as SQLite takes it.
const SLICE_ROWS: i64 = 256;

/// What a batch is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchKind {
    /// Pushes.
    Stream,
    /// Records of an export that the stream lacked.
    Export,
}

/// A batch that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) number: i64,
    pub(crate) kind: BatchKind,
    pub(crate) instance: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) started_at: Timestamp,
    /// How long `rejects.ndjson` and `recordings.ndjson` were before.
    pub(crate) rejects_length: u64,
    pub(crate) recordings_length: u64,
}

/// A push in the inbox.
#[derive(Debug)]
pub(crate) struct StoredPush {
    pub(crate) number: i64,
    pub(crate) received_at: Timestamp,
    pub(crate) path: String,
    pub(crate) client: String,
    pub(crate) correlation_id: Option<String>,
    pub(crate) orn: Option<String>,
    pub(crate) coverage: Option<i64>,
    pub(crate) bytes: i64,
    pub(crate) body: Option<Vec<u8>>,
    /// The name of a recording's file, and its hash.
    pub(crate) recording: Option<String>,
    pub(crate) sha256: Option<Vec<u8>>,
}

/// What became of a push.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    pub(crate) schema_name: Option<String>,
    pub(crate) session_id: Option<String>,
    pub(crate) sequence: Option<String>,
    pub(crate) records: i64,
    pub(crate) duplicates: i64,
    pub(crate) rejected: i64,
    pub(crate) sha256: String,
}

/// What is counted over all runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchTotals {
    pub(crate) records: i64,
    pub(crate) duplicates: i64,
    pub(crate) rejected: i64,
    pub(crate) conflicts: i64,
}

impl Store {
    /// The batch that has begun and not ended, if there is one.
    pub(crate) fn unfinished(&self) -> Result<Option<Batch>, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT * FROM batches WHERE ended_at IS NULL ORDER BY number LIMIT 1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([], batch).optional()
        })
    }

    /// Begins a batch of the oldest pushes that were not published; `None` if there are
    /// none. From now on the same pushes are in it, whatever happens.
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

    /// Begins a batch of records of an export.
    pub(crate) fn begin_export(
        &mut self,
        instance: &str,
        now: Timestamp,
    ) -> Result<Batch, StoreError> {
        self.begin(BatchKind::Export, instance, (0, 0), now, (0, 0))
    }

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
            let sql = "INSERT INTO batches (kind, instance, first, last, started_at, \
                       rejects_length, recordings_length) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
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

    /// The number of the last push that is published; 0 if none is.
    pub(crate) fn published_through(&self) -> Result<i64, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT coalesce(max(last), 0) FROM batches WHERE ended_at IS NOT NULL";
            connection.query_row(sql, [], |row| row.get(0))
        })
    }

    /// The first push after number `after` up to `last`.
    pub(crate) fn push_after(
        &self,
        after: i64,
        last: i64,
    ) -> Result<Option<StoredPush>, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT * FROM inbox WHERE number > ?1 AND number <= ?2 \
                       ORDER BY number LIMIT 1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([after, last], push).optional()
        })
    }

    /// Notes what became of pushes. Said again, it is the same.
    pub(crate) fn note_receipts(
        &mut self,
        receipts: &[(StoredPush, Receipt)],
    ) -> Result<(), StoreError> {
        for slice in receipts.chunks(SLICE) {
            self.database.write(|transaction| {
                let sql = "INSERT OR REPLACE INTO receipts VALUES \
                           (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
                let mut statement = transaction.prepare_cached(sql)?;
                for (push, receipt) in slice {
                    statement.execute(params![
                        push.number,
                        push.received_at.millis(),
                        push.path,
                        push.client,
                        push.correlation_id,
                        receipt.schema_name,
                        receipt.session_id,
                        receipt.sequence,
                        receipt.records,
                        receipt.duplicates,
                        receipt.rejected,
                        push.bytes,
                        receipt.sha256,
                    ])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Ends a batch: its records are in the lake, and known. `covered` are records by
    /// stretch of coverage.
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

    /// Removes the pushes of batches that have ended from the inbox.
    pub(crate) fn clear_published(&mut self) -> Result<(), StoreError> {
        loop {
            let removed = self.database.write(|transaction| {
                let sql = "DELETE FROM inbox WHERE number IN (SELECT number FROM inbox WHERE \
                           number <= (SELECT coalesce(max(last), 0) FROM batches \
                           WHERE ended_at IS NOT NULL) ORDER BY number LIMIT ?1)";
                transaction.prepare_cached(sql)?.execute([SLICE_ROWS])
            })?;
            if removed < SLICE {
                return Ok(());
            }
        }
    }

    /// Whether any batch was ever published.
    pub(crate) fn has_published(&self) -> Result<bool, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM batches WHERE ended_at IS NOT NULL)";
            connection.query_row(sql, [], |row| row.get(0))
        })
    }

    /// Says that a recording's line is in `recordings.ndjson` because of this batch;
    /// false if an earlier batch wrote it.
    pub(crate) fn take_recording(&mut self, file: &str, batch: i64) -> Result<bool, StoreError> {
        self.database.write(|transaction| {
            let sql = "UPDATE recordings SET batch = ?2 WHERE file = ?1 \
                       AND (batch IS NULL OR batch = ?2)";
            transaction
                .execute(sql, params![file, batch])
                .map(|rows| rows > 0)
        })
    }

    /// Forgets receipts and coverage from before `limit`.
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

/// The numbers of the pushes that come next.
fn next_range(connection: &Connection) -> rusqlite::Result<Option<(i64, i64)>> {
    let sql = "SELECT number, bytes, body IS NULL FROM unpublished ORDER BY number LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([BATCH_PUSHES])?;
    let (mut range, mut total) = (None, 0);
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let is_recording: bool = row.get(2)?;
        total += match is_recording {
            true => 0,
            false => row.get::<_, i64>(1)?,
        };
        let (first, _) = *range.get_or_insert((number, number));
        if total > BATCH_BYTES && number > first {
            break;
        }
        range = Some((first, number));
    }
    Ok(range)
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

fn push(row: &Row<'_>) -> rusqlite::Result<StoredPush> {
    Ok(StoredPush {
        number: row.get("number")?,
        received_at: Timestamp::from_millis(row.get("received_at")?),
        path: row.get("path")?,
        client: row.get("client")?,
        correlation_id: row.get("correlation_id")?,
        orn: row.get("orn")?,
        coverage: row.get("coverage")?,
        bytes: row.get("bytes")?,
        body: row.get("body")?,
        recording: row.get("recording")?,
        sha256: row.get("sha256")?,
    })
}
