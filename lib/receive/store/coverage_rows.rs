//! Reads the coverage, and the paths that each client used.

use rusqlite::Row;
use serde::Serialize;

use super::{Store, StoreError};
use crate::time::Timestamp;

/// A time range, and whether pushes were accepted in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct CoverageRow {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) instance: String,
    /// `up`, `limited` or `down`.
    pub(crate) state: String,
    pub(crate) pushes: i64,
    pub(crate) records: i64,
    pub(crate) refused: i64,
    /// The change of the wall clock at the start of the row, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock_jump: Option<i64>,
}

/// A client and a path that it used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Use {
    pub(crate) client: String,
    pub(crate) path: String,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) pushes: i64,
}

impl Store {
    /// The rows of coverage that end at `since` or later, sorted by their start.
    pub(crate) fn coverage(&self, since: Timestamp) -> Result<Vec<CoverageRow>, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT * FROM coverage WHERE stop >= ?1 ORDER BY start, id";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([since.millis()], coverage_row)?;
            rows.collect()
        })
    }

    /// The clients, and the paths that they used.
    pub(crate) fn uses(&self) -> Result<Vec<Use>, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT * FROM uses ORDER BY client, path";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(Use {
                    client: row.get("client")?,
                    path: row.get("path")?,
                    first: Timestamp::from_millis(row.get("first")?),
                    last: Timestamp::from_millis(row.get("last")?),
                    pushes: row.get("pushes")?,
                })
            })?;
            rows.collect()
        })
    }
}

fn coverage_row(row: &Row<'_>) -> rusqlite::Result<CoverageRow> {
    Ok(CoverageRow {
        from: Timestamp::from_millis(row.get("start")?),
        to: Timestamp::from_millis(row.get("stop")?),
        instance: row.get("instance")?,
        state: row.get("state")?,
        pushes: row.get("pushes")?,
        records: row.get("records")?,
        refused: row.get("refused")?,
        clock_jump: row.get("clock_jump")?,
    })
}
