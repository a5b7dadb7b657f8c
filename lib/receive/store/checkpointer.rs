//! Copies the write-ahead log into the database in parallel to the commits. So a commit waits for
//! one sync of the log, but not for the copy.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use anyhow::Context;

use super::database::{Database, JournalMode};
use super::{Store, StoreError};

/// After commits of this many bytes, the log is copied into the database.
const BYTES: u64 = 16 << 20;

/// The bytes that a transaction appends to the log besides its pushes.
const TRANSACTION: u64 = 16 << 10;

/// Copies the log of a store, in its own thread.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    /// The bytes committed since the last copy started.
    appended: u64,
    is_running: bool,
    begin: Option<SyncSender<()>>,
    ended: Receiver<Result<(), StoreError>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread for `store`, whose commits then no longer copy the log. If a sync fails,
    /// the thread calls `sync_failed` at once and ends, because the content of the disk is then
    /// unknown.
    pub(crate) fn start(
        store: &Store,
        sync_failed: impl Fn(StoreError) + Send + 'static,
    ) -> anyhow::Result<Checkpointer> {
        store.database.keep_log()?;
        let database = Database::open(store.database.path(), JournalMode::Wal)?;
        let (begin, begun) = sync_channel::<()>(1);
        // Only one copy runs at a time, and the channel has room for its result: neither thread
        // waits for the other.
        let (end, ended) = sync_channel(1);
        let copy = move || {
            while begun.recv().is_ok() {
                // The second call copies what was committed during the first.
                match database.checkpoint().and_then(|()| database.checkpoint()) {
                    Err(e) if e.is_sync() => return sync_failed(e),
                    result => {
                        if end.send(result).is_err() {
                            return;
                        }
                    }
                }
            }
        };
        let thread = thread::Builder::new()
            .name("checkpointer".to_owned())
            .spawn(copy)
            .context("starting a thread")?;
        Ok(Checkpointer {
            appended: 0,
            is_running: false,
            begin: Some(begin),
            ended,
            thread: Some(thread),
        })
    }

    /// Call this between two commits of `store`, with the bytes of the last commit. Fails if the
    /// last copy failed: no data is lost, unless a sync failed.
    pub(crate) fn committed(&mut self, bytes: u64, store: &Store) -> Result<(), StoreError> {
        self.appended += bytes + TRANSACTION;
        if let Ok(result) = self.ended.try_recv() {
            self.is_running = false;
            result?;
            // Little is left to copy. After a complete copy, the next commit starts the log anew,
            // so that the file does not grow.
            store.database.checkpoint()?;
        }
        if !self.is_running
            && self.appended >= BYTES
            && let Some(begin) = &self.begin
        {
            self.is_running = begin.send(()).is_ok();
            self.appended = 0;
        }
        Ok(())
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.begin = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Transaction;

    use super::*;
    use crate::receive::directory::ReceiveDirectory;

    #[test]
    fn the_log_does_not_grow_with_what_is_committed() {
        let place = tempfile::tempdir().unwrap();
        let mut store = Store::open_checked(&ReceiveDirectory::new(place.path())).unwrap();
        let mut checkpointer = Checkpointer::start(&store, |e| panic!("{e:?}")).unwrap();
        for number in 0..64 {
            let path = format!("{number} {}", "x".repeat(1 << 20));
            let sql = "INSERT INTO refusals VALUES (?1, 0, 0)";
            let insert = |transaction: &Transaction<'_>| transaction.execute(sql, [&path]);
            store.database.write(insert).unwrap();
            checkpointer.committed(1 << 20, &store).unwrap();
            while checkpointer.is_running {
                thread::yield_now();
                checkpointer.committed(0, &store).unwrap();
            }
        }
        let log = store.database.path().with_extension("db-wal");
        let log = fs::metadata(log).unwrap().len();
        assert!(log < 32 << 20, "{log} bytes");
    }
}
