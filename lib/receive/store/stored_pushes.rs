//! Pushes in the inbox, and the results of publishing them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::bodies::UnpackedFrame;
use super::{Store, StoreError};
use crate::error::Status;
use crate::os::digest;
use crate::time::Timestamp;

/// The most bytes of pushes in a batch; a single push may have more bytes. The receipts and keys of
/// a batch take about a seventh of this in memory.
const BATCH_BYTES: i64 = 64 << 20;

/// The most pushes in a batch. The number is limited, because the results of a whole batch are in
/// memory.
const BATCH_PUSHES: i64 = 50_000;

/// The most rows that one transaction changes. The number is limited, because commits of new pushes
/// wait until the transaction ends.
const SLICE: usize = 256;

/// [`SLICE`] with SQLite's type.
const SLICE_ROWS: i64 = 256;

/// The most frames that one transaction deletes. The number is limited for the same reason as
/// [`SLICE`].
const SLICE_FRAMES: u16 = 4;

/// A push in the inbox.
#[derive(Debug)]
pub(crate) struct StoredPush {
    pub(crate) number: i64,
    pub(crate) received_at: Timestamp,
    pub(crate) path: String,
    pub(crate) orn: Option<String>,
    pub(crate) coverage: Option<i64>,
    /// The length of the body or recording in bytes.
    pub(crate) bytes: i64,
    /// The body; `None` for a recording.
    pub(crate) body: Option<Vec<u8>>,
    /// The name and the SHA-256 of a recording's file; `None` for a body.
    pub(crate) recording: Option<String>,
    pub(crate) sha256: Option<Vec<u8>>,
}

/// The result of publishing a push. The results of a whole batch are in memory, so a receipt has
/// only what the inbox lacks: the other columns are copied from the inbox when the results are
/// stored.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    /// The number of the push.
    pub(crate) number: i64,
    pub(crate) schema_name: Option<Box<str>>,
    pub(crate) session_id: Option<Box<str>>,
    pub(crate) sequence: Option<Box<str>>,
    pub(crate) records: i64,
    pub(crate) duplicates: i64,
    pub(crate) rejected: i64,
    /// The SHA-256 of the push's body or recording.
    pub(crate) sha256: Box<[u8]>,
}

impl Store {
    /// The number of the last published push; 0 if there is none.
    pub(crate) fn published_through(&self) -> Result<i64, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT coalesce(max(last), 0) FROM batches WHERE ended_at IS NOT NULL";
            connection.query_row(sql, [], |row| row.get(0))
        })
    }

    /// The first push whose number is above `after` and at most `last`. An error with status 65 if
    /// the body of the push is damaged; the push then stays in the inbox.
    pub(crate) fn push_after(
        &self,
        after: i64,
        last: i64,
    ) -> Result<Option<StoredPush>, StoreError> {
        let found = self.database.read(|connection| {
            let sql = "SELECT * FROM inbox WHERE number > ?1 AND number <= ?2 \
                       ORDER BY number LIMIT 1";
            let mut statement = connection.prepare_cached(sql)?;
            let columns = |row: &Row<'_>| Ok((push(row)?, row.get("start")?));
            statement.query_row([after, last], columns).optional()
        })?;
        let Some((mut push, start)) = found else {
            return Ok(None);
        };
        if let Some(start) = start {
            push.body = Some(self.unpack(push.number, start, push.bytes)?);
        }
        Ok(Some(push))
    }

    /// Reads the body of a push from its frame: `length` bytes from byte `start` on.
    fn unpack(&self, number: i64, start: i64, length: i64) -> Result<Vec<u8>, StoreError> {
        let damaged = |why: &str| {
            let text = format!("damaged: the body of push {number}: {why}; it was not changed");
            self.database.error(Status::BadInput, text)
        };
        let mut unpacked = self.unpacked.borrow_mut();
        if !unpacked.as_ref().is_some_and(|frame| frame.has(number)) {
            let row = self.database.read(|connection| {
                let sql = "SELECT first, last, length, frame FROM frames \
                           WHERE last >= ?1 ORDER BY last LIMIT 1";
                let mut statement = connection.prepare_cached(sql)?;
                let frame = |row: &Row<'_>| {
                    let frame: Vec<u8> = row.get(3)?;
                    Ok(UnpackedFrame::new(
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        &frame,
                    ))
                };
                statement.query_row([number], frame).optional()
            })?;
            let frame = row.transpose().map_err(|e| damaged(&e.to_string()))?;
            *unpacked = frame.filter(|frame| frame.has(number));
        }
        let frame = unpacked.as_ref().ok_or_else(|| damaged("it is missing"))?;
        let body = frame.body(start, length);
        body.ok_or_else(|| damaged("it is not within its frame"))
    }

    /// Stores the results of pushes that are still in the inbox. A second call with the same
    /// results changes nothing.
    pub(crate) fn note_receipts(&mut self, receipts: &[Receipt]) -> Result<(), StoreError> {
        for slice in receipts.chunks(SLICE) {
            self.database.write(|transaction| {
                let sql = "INSERT OR REPLACE INTO receipts \
                           SELECT number, received_at, path, client, correlation_id, \
                           ?2, ?3, ?4, ?5, ?6, ?7, bytes, ?8 FROM inbox WHERE number = ?1";
                let mut statement = transaction.prepare_cached(sql)?;
                for receipt in slice {
                    statement.execute(params![
                        receipt.number,
                        receipt.schema_name,
                        receipt.session_id,
                        receipt.sequence,
                        receipt.records,
                        receipt.duplicates,
                        receipt.rejected,
                        digest::hex(&receipt.sha256),
                    ])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Deletes the pushes of complete batches from the inbox.
    pub(crate) fn clear_published(&mut self) -> Result<(), StoreError> {
        loop {
            let (pushes, frames) = self.database.write(|transaction| {
                let sql = "DELETE FROM inbox WHERE number IN (SELECT number FROM inbox WHERE \
                           number <= (SELECT coalesce(max(last), 0) FROM batches \
                           WHERE ended_at IS NOT NULL) ORDER BY number LIMIT ?1)";
                let pushes = transaction.prepare_cached(sql)?.execute([SLICE_ROWS])?;
                let sql = "DELETE FROM frames WHERE last IN (SELECT last FROM frames WHERE \
                           last <= (SELECT coalesce(max(last), 0) FROM batches \
                           WHERE ended_at IS NOT NULL) ORDER BY last LIMIT ?1)";
                let frames = transaction.prepare_cached(sql)?.execute([SLICE_FRAMES])?;
                Ok((pushes, frames))
            })?;
            if pushes < SLICE && frames < usize::from(SLICE_FRAMES) {
                return Ok(());
            }
        }
    }
}

/// The numbers of the first and the last push of the next batch; `None` if there are no pushes.
pub(super) fn next_range(connection: &Connection) -> rusqlite::Result<Option<(i64, i64)>> {
    let sql =
        "SELECT number, bytes, recording IS NOT NULL FROM unpublished ORDER BY number LIMIT ?1";
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

fn push(row: &Row<'_>) -> rusqlite::Result<StoredPush> {
    Ok(StoredPush {
        number: row.get("number")?,
        received_at: Timestamp::from_millis(row.get("received_at")?),
        path: row.get("path")?,
        orn: row.get("orn")?,
        coverage: row.get("coverage")?,
        bytes: row.get("bytes")?,
        body: row.get("body")?,
        recording: row.get("recording")?,
        sha256: row.get("sha256")?,
    })
}
