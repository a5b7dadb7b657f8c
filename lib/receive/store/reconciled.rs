//! The results of comparing batch exports with the stream: counts, audited hours, and recordings.

use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::export::window::Window;
use crate::time::{HOUR_MS, Timestamp};

/// The result of comparing exports with the stream, for one type and hour.
#[derive(Clone, Debug)]
pub(crate) struct HourCounts {
    /// The directory name of the type.
    pub(crate) kind: String,
    pub(crate) hour: Timestamp,
    pub(crate) batch: i64,
    pub(crate) stream: i64,
    pub(crate) missing: i64,
    pub(crate) extra: i64,
}

/// An hour and type that an export has proved to be complete, with the time of the audit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AuditedHour {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) hour: Timestamp,
    pub(crate) at: Timestamp,
}

impl Store {
    /// Stores the results of exports, and that all hours of `windows` were audited. Each of
    /// `windows` has a group, a time range and types.
    pub(crate) fn note_reconciled(
        &mut self,
        counts: &[HourCounts],
        windows: &[(String, Window, Vec<String>)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.database.write(|transaction| {
            for one in counts {
                let sql = "INSERT OR REPLACE INTO reconciled VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
                transaction.execute(
                    sql,
                    params![
                        one.kind,
                        one.hour.millis(),
                        now.millis(),
                        one.batch,
                        one.stream,
                        one.missing,
                        one.extra
                    ],
                )?;
            }
            for (group, window, types) in windows {
                for kind in types {
                    audit(transaction, group, kind, *window, now)?;
                }
            }
            Ok(())
        })
    }

    /// All audited hours.
    pub(crate) fn audited(&self) -> Result<Vec<AuditedHour>, StoreError> {
        self.database.read(|connection| {
            let mut statement = connection.prepare("SELECT grp, type, hour, at FROM audited")?;
            let rows = statement.query_map([], |row| {
                Ok(AuditedHour {
                    group: row.get(0)?,
                    kind: row.get(1)?,
                    hour: Timestamp::from_millis(row.get(2)?),
                    at: Timestamp::from_millis(row.get(3)?),
                })
            })?;
            rows.collect()
        })
    }

    /// Whether a recording of this dialog with this hash exists.
    pub(crate) fn has_recording(&self, dialog_id: &str, sha256: &[u8]) -> Result<bool, StoreError> {
        self.database.read(|connection| {
            let sql =
                "SELECT EXISTS (SELECT 1 FROM recordings WHERE dialog_id = ?1 AND sha256 = ?2)";
            connection.query_row(sql, params![dialog_id, sha256], |row| row.get(0))
        })
    }

    /// Stores a recording from an export. `length` is the length of `recordings.ndjson` in bytes,
    /// with the line of this recording at the end. If a batch of pushes is unfinished, its next
    /// attempt cuts the file to this length, so that the line stays.
    pub(crate) fn note_recording(
        &mut self,
        file: &str,
        dialog_id: &str,
        sha256: &[u8],
        length: u64,
    ) -> Result<(), StoreError> {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        self.database.write(|transaction| {
            let sql = "INSERT OR IGNORE INTO recordings VALUES (?1, ?2, ?3, 0)";
            transaction.execute(sql, params![file, dialog_id, sha256])?;
            let sql = "UPDATE batches SET recordings_length = ?1 \
                       WHERE ended_at IS NULL AND kind = 'stream'";
            transaction.execute(sql, [length]).map(drop)
        })
    }
}

fn audit(
    connection: &Connection,
    group: &str,
    kind: &str,
    window: Window,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO audited VALUES (?1, ?2, ?3, ?4)";
    let mut statement = connection.prepare_cached(sql)?;
    let mut hour = window.from().millis();
    while hour < window.to().millis() {
        statement.execute(params![group, kind, hour, now.millis()])?;
        hour += HOUR_MS;
    }
    Ok(())
}
