//! The databases: `receive.db`, and a file of keys for each day. Only this module uses SQLite.

pub(crate) mod batches;
mod bodies;
pub(crate) mod checkpointer;
pub(crate) mod coverage_rows;
mod database;
pub(crate) mod inbox_rows;
pub(crate) mod keys;
pub(crate) mod reading;
pub(crate) mod reconciled;
mod schema;
pub(crate) mod stored_pushes;

use std::cell::RefCell;
use std::path::Path;

use bodies::{BodyPacker, UnpackedFrame};
use database::Database;
pub(crate) use database::StoreError;

use crate::receive::directory::ReceiveDirectory;

/// An open `receive.db`.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
    /// `None` until the first commit.
    packer: Option<BodyPacker>,
    /// The last frame that was read.
    unpacked: RefCell<Option<UnpackedFrame>>,
}

impl Store {
    /// Opens or creates the database of a directory and checks it. An error with status 65 if the
    /// database is damaged; nothing in the database is then changed.
    pub(crate) fn open_checked(directory: &ReceiveDirectory) -> anyhow::Result<Store> {
        directory.create()?;
        let path = directory.database();
        Database::check(&path)?;
        Store::at(&path)
    }

    /// Opens the database of a directory. An error with status 2 if the database does not exist.
    pub(crate) fn open(directory: &ReceiveDirectory) -> anyhow::Result<Store> {
        let path = directory.database();
        if !path.is_file() {
            let text = format!(
                "{}: no receive.db is there: give the same --dir as to ocp-receive serve",
                directory.root().display()
            );
            return Err(crate::error::usage(text));
        }
        Store::at(&path)
    }

    fn at(path: &Path) -> anyhow::Result<Store> {
        let mut database = Database::open(path, database::JournalMode::Wal)?;
        database.create(&schema::RECEIVE)?;
        Ok(Store {
            database,
            packer: None,
            unpacked: RefCell::default(),
        })
    }

    /// Changes rows by hand, and returns how many.
    #[cfg(test)]
    pub(crate) fn change(&mut self, sql: &str) -> usize {
        let change = |transaction: &rusqlite::Transaction<'_>| {
            transaction.execute_batch(sql)?;
            Ok(transaction.changes())
        };
        usize::try_from(self.database.write(change).unwrap()).unwrap()
    }
}
