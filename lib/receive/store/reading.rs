//! Reads the facts for `status` and the admin listener.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::time::Timestamp;

/// The facts about a path.
#[derive(Clone, Debug)]
pub(crate) struct PathActivity {
    pub(crate) path: String,
    pub(crate) last_push: Option<Timestamp>,
    /// The number of all pushes.
    pub(crate) pushes: i64,
    /// The number of pushes since the time that the caller chose. Of the published pushes of all
    /// paths, only the newest 100,000 are looked at.
    pub(crate) recent: i64,
    pub(crate) refused: i64,
    pub(crate) oldest_unpublished: Option<Timestamp>,
}

impl Store {
    /// When the oldest unpublished push arrived.
    pub(crate) fn oldest_unpublished(&self) -> Result<Option<Timestamp>, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT received_at FROM unpublished ORDER BY number LIMIT 1";
            let oldest = connection.query_row(sql, [], |row| row.get(0)).optional()?;
            Ok(oldest.map(Timestamp::from_millis))
        })
    }

    /// The number of unpublished pushes.
    pub(crate) fn unpublished(&self) -> Result<i64, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT count(*) FROM unpublished";
            connection.query_row(sql, [], |row| row.get(0))
        })
    }

    /// The fact with this name: `records`, `duplicates`, `rejected`, `conflicts` or
    /// `certificate_expires_at`.
    pub(crate) fn fact(&self, name: &str) -> Result<Option<i64>, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT value FROM facts WHERE name = ?1";
            connection
                .query_row(sql, [name], |row| row.get(0))
                .optional()
        })
    }

    /// Every path that a client used, or for which a push was refused, sorted by name. The empty
    /// path stands for refused pushes whose path is not known.
    pub(crate) fn paths(&self, since: Timestamp) -> Result<Vec<PathActivity>, StoreError> {
        self.database.read(|connection| {
            let sql = "WITH known AS (
                    SELECT path, max(last) AS last, sum(pushes) AS pushes FROM uses
                    WHERE path <> '' GROUP BY path),
                all_paths AS (SELECT path FROM known UNION SELECT path FROM refusals)
                SELECT p.path, k.last, coalesce(k.pushes, 0) AS pushes,
                    coalesce((SELECT refused FROM refusals r WHERE r.path = p.path), 0) AS refused,
                    (SELECT count(*) FROM unpublished i
                        WHERE i.path = p.path AND i.received_at >= ?1)
                    + (SELECT count(*) FROM (SELECT number FROM receipts ORDER BY number DESC LIMIT 100000) n
                        JOIN receipts r USING (number) WHERE r.path = p.path AND r.received_at >= ?1)
                        AS recent,
                    (SELECT min(received_at) FROM unpublished i WHERE i.path = p.path) AS oldest
                FROM all_paths p LEFT JOIN known k USING (path) ORDER BY p.path";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map(params![since.millis()], |row| {
                let time = |name: &str| {
                    row.get::<_, Option<i64>>(name)
                        .map(|time| time.map(Timestamp::from_millis))
                };
                Ok(PathActivity {
                    path: row.get("path")?,
                    last_push: time("last")?,
                    pushes: row.get("pushes")?,
                    recent: row.get("recent")?,
                    refused: row.get("refused")?,
                    oldest_unpublished: time("oldest")?,
                })
            })?;
            rows.collect()
        })
    }
}
