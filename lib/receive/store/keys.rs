//! The keys of the records in the lake: a database for each day of record time, so that a day is
//! forgotten by deleting a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rusqlite::{OptionalExtension, Transaction, params};

use super::database::{Database, JournalMode};
use super::schema;
use crate::error;
use crate::os::files;
use crate::time::{HOUR_MS, Timestamp};

/// The most databases of days that are open at the same time.
const OPEN_DAYS: usize = 32;

/// The name of a file that exists if every record of the lake has its key.
const COMPLETE: &str = "complete";

const DAY_MS: i64 = 24 * HOUR_MS;

/// A key: the first 16 bytes of a hash of the record.
pub(crate) type Key = [u8; 16];

/// A day, as days since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i64);

impl Day {
    /// The day of a time.
    pub(crate) fn of(time: Timestamp) -> Day {
        Day(time.millis().div_euclid(DAY_MS))
    }

    /// This day first, then the days before and after it, nearest first.
    pub(crate) fn around(self, days: i64) -> impl Iterator<Item = Day> {
        (1..=days)
            .fold(vec![self], |mut all, n| {
                all.extend([Day(self.0 - n), Day(self.0 + n)]);
                all
            })
            .into_iter()
    }

    fn file(self) -> String {
        let (date, _) = Timestamp::from_millis(self.0 * DAY_MS).date_and_hour();
        format!("{date}.db")
    }
}

/// A record whose key is to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub(crate) key: Key,
    /// A hash of the record's type, id and time, if the record has an id.
    pub(crate) identity: Option<i64>,
    /// The directory name of the record's type. Many keys share one text.
    pub(crate) kind: Arc<str>,
    pub(crate) hour: Timestamp,
}

/// The keys of all days.
#[derive(Debug)]
pub(crate) struct RecordKeys {
    directory: PathBuf,
    open: BTreeMap<Day, Database>,
}

impl RecordKeys {
    /// The keys in a directory. Databases are opened when they are needed.
    pub(crate) fn new(directory: &Path) -> RecordKeys {
        RecordKeys {
            directory: directory.to_owned(),
            open: BTreeMap::new(),
        }
    }

    /// Whether every record of the lake has its key.
    pub(crate) fn are_complete(&self) -> bool {
        self.directory.join(COMPLETE).exists()
    }

    /// Notes that every record of the lake has its key.
    pub(crate) fn set_complete(&self) -> anyhow::Result<()> {
        files::write_private(&self.directory.join(COMPLETE), b"")
    }

    /// The batch that contained the record with this key; `None` if the day does not have the key.
    pub(crate) fn batch_of(&mut self, day: Day, key: &Key) -> anyhow::Result<Option<i64>> {
        let Some(database) = self.day(day, false)? else {
            return Ok(None);
        };
        let batch = database.read(|connection| {
            let sql = "SELECT batch FROM keys WHERE key = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([&key[..]], |row| row.get(0)).optional()
        })?;
        Ok(batch)
    }

    /// The batch that contained the first record with this identity.
    pub(crate) fn batch_of_identity(
        &mut self,
        day: Day,
        identity: i64,
    ) -> anyhow::Result<Option<i64>> {
        let Some(database) = self.day(day, false)? else {
            return Ok(None);
        };
        let batch = database.read(|connection| {
            let sql = "SELECT batch FROM identities WHERE identity = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([identity], |row| row.get(0)).optional()
        })?;
        Ok(batch)
    }

    /// Stores the keys of one day in one transaction. Existing keys do not change.
    pub(crate) fn commit(&mut self, day: Day, new: &[NewKey], batch: i64) -> anyhow::Result<()> {
        let Some(database) = self.day(day, true)? else {
            return Ok(());
        };
        database.write(|transaction| {
            let mut part: Option<(&str, Timestamp, i64)> = None;
            for one in new {
                let id = match part {
                    Some((kind, hour, id)) if *kind == *one.kind && hour == one.hour => id,
                    _ => part_id(transaction, &one.kind, one.hour)?,
                };
                part = Some((&one.kind, one.hour, id));
                let sql = "INSERT OR IGNORE INTO keys VALUES (?1, ?2, ?3)";
                let mut statement = transaction.prepare_cached(sql)?;
                if statement.execute(params![&one.key[..], id, batch])? > 0 {
                    let sql = "UPDATE parts SET records = records + 1 WHERE id = ?1";
                    transaction.prepare_cached(sql)?.execute([id])?;
                }
                if let Some(identity) = one.identity {
                    let sql = "INSERT OR IGNORE INTO identities VALUES (?1, ?2)";
                    transaction
                        .prepare_cached(sql)?
                        .execute([identity, batch])?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The number of known records of a type and hour.
    pub(crate) fn count(&mut self, kind: &str, hour: Timestamp) -> anyhow::Result<i64> {
        let Some(database) = self.day(Day::of(hour), false)? else {
            return Ok(0);
        };
        let count = database.read(|connection| {
            let sql = "SELECT records FROM parts WHERE type = ?1 AND hour = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let count = statement.query_row(params![kind, hour.millis()], |row| row.get(0));
            count.optional()
        })?;
        Ok(count.unwrap_or(0))
    }

    /// Deletes the keys of all days before the day of `limit`.
    pub(crate) fn forget_before(&mut self, limit: Timestamp) -> anyhow::Result<()> {
        let first = Day::of(limit).file();
        self.open = self.open.split_off(&Day::of(limit));
        let place = || format!("reading {}", self.directory.display());
        for entry in fs::read_dir(&self.directory).with_context(place)? {
            let path = entry.with_context(place)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_day = name.len() == first.len() && name.ends_with(".db");
            if is_day && *name < *first {
                files::remove(&path)?;
            }
        }
        Ok(())
    }

    /// Deletes the keys of all days, and the file that says that they are complete.
    pub(crate) fn clear(&mut self) -> anyhow::Result<()> {
        self.open.clear();
        // The file `complete` is deleted first: incomplete keys must never count as complete.
        files::remove(&self.directory.join(COMPLETE))?;
        files::sync_each(&[&self.directory])?;
        let place = || format!("reading {}", self.directory.display());
        for entry in fs::read_dir(&self.directory).with_context(place)? {
            let path = entry.with_context(place)?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.contains(".db") {
                files::remove(&path)?;
            }
        }
        Ok(())
    }

    /// The database of a day; `None` if it does not exist and must not be created.
    fn day(&mut self, day: Day, create: bool) -> anyhow::Result<Option<&mut Database>> {
        if !self.open.contains_key(&day) {
            let path = self.directory.join(day.file());
            if !create && !path.exists() {
                return Ok(None);
            }
            let open = || -> anyhow::Result<Database> {
                let mut database = Database::open(&path, JournalMode::Rollback)?;
                database.create(&schema::KEYS)?;
                Ok(database)
            };
            let database = open().map_err(|e| match error::Status::of(&e) {
                error::Status::BadInput => {
                    e.context("a damaged file of keys: remove it and run ocp-receive reindex")
                }
                _ => e,
            })?;
            if self.open.len() >= OPEN_DAYS {
                self.open.pop_first();
            }
            self.open.insert(day, database);
        }
        Ok(self.open.get_mut(&day))
    }
}

fn part_id(transaction: &Transaction<'_>, kind: &str, hour: Timestamp) -> rusqlite::Result<i64> {
    let find = || {
        let sql = "SELECT id FROM parts WHERE type = ?1 AND hour = ?2";
        let mut statement = transaction.prepare_cached(sql)?;
        let id = statement.query_row(params![kind, hour.millis()], |row| row.get(0));
        id.optional()
    };
    if let Some(id) = find()? {
        return Ok(id);
    }
    let sql = "INSERT INTO parts (type, hour) VALUES (?1, ?2)";
    transaction.execute(sql, params![kind, hour.millis()])?;
    Ok(transaction.last_insert_rowid())
}
