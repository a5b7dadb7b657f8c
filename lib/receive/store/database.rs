//! Opens database files, and classifies their errors.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, ffi};

use super::schema::Tables;
use crate::error::{Failure, Status};
use crate::os::{files, private};

/// How long to wait while another connection writes to the database.
const BUSY: Duration = Duration::from_secs(5);

/// The write-ahead log is copied into the database when it has this number of 4-KiB pages.
const CHECKPOINT_PAGES: i64 = 4000;

/// How changes become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JournalMode {
    /// With a write-ahead log: several readers and one writer at a time, one sync for each
    /// transaction.
    Wal,
    /// With a rollback journal: a file with the old pages, deleted at the end of a transaction.
    Rollback,
}

/// An error of a database.
#[derive(Debug)]
pub(crate) struct StoreError {
    path: PathBuf,
    failure: Failure,
    is_sync: bool,
}

impl StoreError {
    fn new(path: &Path, error: &rusqlite::Error) -> StoreError {
        let code = error.sqlite_error();
        let is_sync = code.is_some_and(|code| {
            let syncs = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC];
            syncs.contains(&code.extended_code)
        });
        let status = match code.map(|code| code.code) {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Status::BadInput,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Status::TryLater,
            _ => Status::Io,
        };
        let text = match (is_sync, status) {
            (true, _) => "the disk failed to write (sync)".to_owned(),
            (_, Status::BadInput) => format!("damaged: {error}; it was not changed"),
            _ => error.to_string(),
        };
        StoreError {
            path: path.to_owned(),
            failure: Failure::new(status, text),
            is_sync,
        }
    }

    /// Whether a sync failed. The content of the disk is then unknown, and the process must end.
    pub(crate) fn is_sync(&self) -> bool {
        self.is_sync
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.failure)
    }
}

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens or creates a database. Only the current user can access a new database.
    pub(super) fn open(path: &Path, journal: JournalMode) -> anyhow::Result<Database> {
        if !path.exists() {
            let place = || format!("creating {}", path.display());
            drop(private::open(path).with_context(place)?);
            files::sync_parent(path).with_context(place)?;
        }
        let database = Database::connect(path)?;
        let configure = |connection: &Connection| {
            let mode = match journal {
                JournalMode::Wal => "WAL",
                JournalMode::Rollback => "DELETE",
            };
            connection.pragma_update(None, "journal_mode", mode)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
        };
        database.read(configure)?;
        Ok(database)
    }

    fn connect(path: &Path) -> Result<Database, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connect = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.set_prepared_statement_cache_capacity(64);
            Ok(connection)
        };
        Ok(Database {
            connection: connect().map_err(|e| StoreError::new(path, &e))?,
            path: path.to_owned(),
        })
    }

    /// Returns an error with status 65 if the database is damaged. Changes nothing.
    pub(super) fn check(path: &Path) -> anyhow::Result<()> {
        if !path.exists() {
            return Ok(());
        }
        let database = Database::connect(path)?;
        let found: String = database.read(|connection| {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        })?;
        match found.as_str() {
            "ok" => Ok(()),
            damage => {
                let text = format!(
                    "{}: damaged ({damage}); it was not changed: restore it, or move it away to \
                     start again",
                    path.display()
                );
                Err(Failure::new(Status::BadInput, text).into())
            }
        }
    }

    /// Creates the tables of a new database, and updates the tables of an older version. An error
    /// with status 65 if a newer version of the program created the database.
    pub(super) fn create(&mut self, tables: &Tables) -> anyhow::Result<()> {
        let supported = tables.version;
        let version = |connection: &Connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        };
        let known = match self.read(version)? {
            known if known < supported => self.write(|transaction| {
                // Perhaps another process has created or changed the tables first.
                match version(transaction)? {
                    0 => transaction.execute_batch(tables.create)?,
                    known if known < supported => transaction.execute_batch(tables.upgrade)?,
                    known => return Ok(known),
                }
                transaction.pragma_update(None, "user_version", supported)?;
                Ok(supported)
            })?,
            known => known,
        };
        match known == supported {
            true => Ok(()),
            false => Err(crate::error::bad_input(format!(
                "{}: the database has version {known}, but this program supports only {supported}: use a newer program",
                self.path.display()
            ))),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error of this database that SQLite did not report.
    pub(super) fn error(&self, status: Status, text: String) -> StoreError {
        StoreError {
            path: self.path.clone(),
            failure: Failure::new(status, text),
            is_sync: false,
        }
    }

    /// Stops the commits of this connection from copying the log into the database.
    pub(super) fn keep_log(&self) -> Result<(), StoreError> {
        self.read(|connection| connection.pragma_update(None, "wal_autocheckpoint", 0))
    }

    /// Copies as much of the log into the database as is possible without waiting for readers and
    /// writers. No other connection waits for the copy.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        self.read(|connection| {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        })
    }

    /// Runs a query.
    pub(super) fn read<T>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        look(&self.connection).map_err(|e| StoreError::new(&self.path, &e))
    }

    /// Runs a transaction. After it, either all changes of `change` are on the disk, or none of
    /// them.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let transact = || {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        transact().map_err(|e| StoreError::new(&self.path, &e))
    }
}
