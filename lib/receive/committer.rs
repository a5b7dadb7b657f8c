//! Group commit: pushes that arrive during one sync are committed together by the next sync, so no
//! timer is needed.

mod commit_queue;
mod inbox_writer;

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use anyhow::Context;

use crate::os::mutex::lock;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::inbox::{CommitFailure, CoverageNote, Done, Inbox};
use crate::receive::push::Push;
use crate::receive::store::Store;
use crate::receive::store::checkpointer::Checkpointer;
use crate::receive::store::inbox_rows::Notes;
use commit_queue::{CommitQueue, NOTES, failure, size};
pub(crate) use inbox_writer::CommitterOptions;
use inbox_writer::InboxWriter;

/// The most pushes that wait in the queue for their commit.
const QUEUE_PUSHES: usize = 16 * 1024;

/// Writes pushes and notes to the inbox on disk, in a thread of its own.
pub(crate) struct Committer {
    queue: Arc<CommitQueue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Committer {
    /// Starts the thread.
    pub(crate) fn start(
        store: Store,
        directory: &ReceiveDirectory,
        options: CommitterOptions,
    ) -> anyhow::Result<Committer> {
        let queue = Arc::new(CommitQueue {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            queue_bytes: options.queue_bytes,
            broken: Arc::clone(&options.broken),
        });
        let breaking = Arc::clone(&queue);
        let sync_failed = move |e| breaking.break_down(&failure(e));
        let mut writer = InboxWriter {
            checkpointer: Checkpointer::start(&store, sync_failed)?,
            store,
            directory: directory.clone(),
            queue: Arc::clone(&queue),
            began: (options.clock.now(), options.clock.instant()),
            written: options.clock.instant(),
            coverage: None,
            bytes: 0,
            state: None,
            notes: Notes::default(),
            options,
        };
        let thread = thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || writer.run())
            .context("starting a thread")?;
        Ok(Committer {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The bytes of pushes in the queue.
    pub(crate) fn queued_bytes(&self) -> usize {
        lock(&self.queue.waiting).bytes
    }

    /// Commits the pushes and notes in the queue, writes to the coverage that pushes are no longer
    /// accepted, and ends the thread. A second call does nothing.
    pub(crate) fn finish(&self) {
        lock(&self.queue.waiting).is_closed = true;
        self.queue.changed.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Inbox for Committer {
    fn submit(&self, push: Push, done: Done) -> Result<(), Push> {
        let size = size(&push);
        let mut waiting = lock(&self.queue.waiting);
        if let Some(text) = &waiting.broken {
            let failure = CommitFailure::Broken(text.clone());
            drop(waiting);
            done(Err(failure));
            return Ok(());
        }
        let has_room = waiting.pushes.is_empty()
            || (waiting.bytes + size <= self.queue.queue_bytes
                && waiting.pushes.len() < QUEUE_PUSHES);
        if waiting.is_closed || !has_room {
            return Err(push);
        }
        // Each wake-up is a system call. The thread waits only while the queue is empty, so it is
        // woken only for the first push.
        let is_first = waiting.pushes.is_empty();
        waiting.bytes += size;
        waiting.pushes.push_back((push, done));
        drop(waiting);
        if is_first {
            self.queue.changed.notify_one();
        }
        Ok(())
    }

    fn note(&self, note: CoverageNote) {
        let mut waiting = lock(&self.queue.waiting);
        let is_change = matches!(note, CoverageNote::State { .. });
        if waiting.notes.len() < NOTES {
            waiting.notes.push(note);
        }
        drop(waiting);
        // Other notes can wait for the next commit.
        if is_change {
            self.queue.changed.notify_one();
        }
    }
}

/// A name for this process in file names and coverage rows; other processes have other names. The
/// caller gives a `seed` that is different in every process.
pub(crate) fn instance_name(seed: u64) -> String {
    crate::os::digest::sha256(&seed.to_le_bytes())[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::inbox::CommitFailure;
    use crate::receive::push::PushContent;
    use crate::time::Timestamp;

    /// A committer without a thread, so that nothing empties its queue.
    fn committer(queue_bytes: usize) -> Committer {
        Committer {
            queue: Arc::new(CommitQueue {
                waiting: Mutex::default(),
                changed: Condvar::new(),
                queue_bytes,
                broken: Arc::new(|_| {}),
            }),
            thread: Mutex::new(None),
        }
    }

    fn submit(committer: &Committer, size: usize) -> bool {
        let push = Push {
            received_at: Timestamp::from_millis(0),
            path: "g/a".to_owned(),
            client: "c".to_owned(),
            correlation_id: None,
            orn: None,
            content: PushContent::Json(vec![b'x'; size].into()),
        };
        committer.submit(push, Box::new(|_| {})).is_ok()
    }

    #[test]
    fn the_queue_takes_so_many_bytes_or_one_push() {
        let large = committer(10);
        assert!(submit(&large, 11), "the first of any size");
        assert!(!submit(&large, 0));
        let small = committer(10);
        assert!(submit(&small, 4) && submit(&small, 6));
        assert_eq!(small.queued_bytes(), 10);
        assert!(!submit(&small, 1));
        assert!(submit(&small, 0));
        small.finish();
        assert!(!submit(&small, 0), "it is closed");
        let closed = committer(10);
        closed.finish();
        assert!(!submit(&closed, 0));
    }

    #[test]
    fn the_queue_takes_so_many_pushes() {
        let committer = committer(10);
        for _ in 0..QUEUE_PUSHES {
            assert!(submit(&committer, 0));
        }
        assert!(!submit(&committer, 0));
    }

    #[test]
    fn after_a_failed_sync_every_push_hears_of_it() {
        let committer = committer(10);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let broken = CommitFailure::Broken("x".to_owned());
        let push = |size: usize| {
            let heard = Arc::clone(&heard);
            let push = Push {
                received_at: Timestamp::from_millis(0),
                path: "g/a".to_owned(),
                client: "c".to_owned(),
                correlation_id: None,
                orn: None,
                content: PushContent::Json(vec![b'x'; size].into()),
            };
            let done: Done = Box::new(move |result| lock(&heard).push(result));
            committer.submit(push, done).is_ok()
        };
        assert!(push(5));
        committer
            .queue
            .break_down(&CommitFailure::Refused("y".to_owned()));
        assert_eq!((committer.queued_bytes(), lock(&heard).len()), (5, 0));
        committer.queue.break_down(&broken);
        assert_eq!(committer.queued_bytes(), 0);
        assert!(push(50) && push(50));
        assert_eq!(*lock(&heard), vec![Err(broken); 3]);
    }

    #[test]
    fn so_many_notes_are_kept_and_a_drop_closes_the_queue() {
        let committer = committer(10);
        let at = Timestamp::from_millis(0);
        for _ in 0..=NOTES {
            committer.note(CoverageNote::Refused { at, path: None });
        }
        let queue = Arc::clone(&committer.queue);
        assert_eq!(lock(&queue.waiting).notes.len(), NOTES);
        assert!(!lock(&queue.waiting).is_closed);
        drop(committer);
        assert!(lock(&queue.waiting).is_closed);
    }

    #[test]
    fn names_of_processes_differ() {
        assert!(instance_name(1).len() == 8 && instance_name(1) != instance_name(2));
    }
}
