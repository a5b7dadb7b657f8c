//! The thread that commits pushes and notes.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::commit_queue::{CommitQueue, NOTES, failure, size};
use crate::os::clock::Clock;
use crate::os::files;
use crate::os::mutex::lock;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::inbox::{CommitFailure, CoverageNote, Done, ReceiverState};
use crate::receive::push::{Push, PushContent};
use crate::receive::recordings;
use crate::receive::store::Store;
use crate::receive::store::checkpointer::Checkpointer;
use crate::receive::store::inbox_rows::{Begin, NewPush, NewRecording, Notes};
use crate::time::Timestamp;

/// The most pushes in a transaction, and the most bytes; a single push may have more bytes.
const TRANSACTION_PUSHES: usize = 1024;
const TRANSACTION_BYTES: usize = 8 << 20;

/// The coverage (the times when pushes were accepted) is written at least this often.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// A larger difference between the wall clock and the monotonic clock means that the wall clock
/// was set.
const JUMP_MS: i64 = 5000;

/// The options of a committer.
#[derive(Clone)]
pub(crate) struct CommitterOptions {
    /// The name of this process in coverage rows.
    pub(crate) instance: String,
    /// The most bytes of pushes in the queue.
    pub(crate) queue_bytes: usize,
    pub(crate) clock: Clock,
    /// Called after each transaction with the number of its pushes and its duration, sync included.
    pub(crate) observe: Arc<dyn Fn(usize, Duration) + Send + Sync>,
    /// Called at least once with the reason when nothing can be written any more.
    pub(crate) broken: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The thread that writes the queue to the disk.
pub(super) struct InboxWriter {
    pub(super) checkpointer: Checkpointer,
    pub(super) store: Store,
    pub(super) directory: ReceiveDirectory,
    pub(super) queue: Arc<CommitQueue>,
    pub(super) options: CommitterOptions,
    /// The times of the wall clock and of the monotonic clock at the same moment.
    pub(super) began: (Timestamp, Instant),
    /// When coverage was last written.
    pub(super) written: Instant,
    pub(super) coverage: Option<i64>,
    /// The bytes that the bodies of the last commit take in the database.
    pub(super) bytes: usize,
    pub(super) state: Option<ReceiverState>,
    /// The rows of the next transaction.
    pub(super) notes: Notes,
}

impl InboxWriter {
    /// Commits the queue until it is closed and empty, or a sync fails.
    pub(super) fn run(&mut self) {
        while let Some(pushes) = self.take() {
            self.commit(pushes);
            self.copy_log();
        }
        if lock(&self.queue.waiting).broken.is_some() {
            return;
        }
        let at = self.options.clock.now();
        if self.state.is_some_and(|state| state != ReceiverState::Down) {
            self.begin(at, ReceiverState::Down, None);
            self.commit(Vec::new());
        }
    }

    /// Waits until there is something to commit, and takes it. Returns the pushes; `None` when the
    /// queue is closed and empty, or nothing can be written any more.
    fn take(&mut self) -> Option<Vec<(Push, Done)>> {
        // If the processors are busy, other threads run first, and can add their pushes to this
        // transaction.
        thread::yield_now();
        let mut waiting = lock(&self.queue.waiting);
        loop {
            if waiting.broken.is_some() {
                return None;
            }
            let is_change = |note: &CoverageNote| matches!(note, CoverageNote::State { .. });
            let is_due = self.options.clock.instant() - self.written >= HEARTBEAT;
            if !waiting.pushes.is_empty() || is_due || waiting.notes.iter().any(is_change) {
                break;
            }
            if waiting.is_closed {
                match waiting.notes.is_empty() {
                    true => return None,
                    false => break,
                }
            }
            let (woken, _) = self
                .queue
                .changed
                .wait_timeout(waiting, HEARTBEAT)
                .unwrap_or_else(PoisonError::into_inner);
            waiting = woken;
        }
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < TRANSACTION_PUSHES
            && let Some((push, _)) = waiting.pushes.front()
            && (taken.is_empty() || bytes + size(push) <= TRANSACTION_BYTES)
        {
            bytes += size(push);
            taken.extend(waiting.pushes.pop_front());
        }
        waiting.bytes -= bytes;
        let notes = std::mem::take(&mut waiting.notes);
        drop(waiting);
        for note in notes {
            self.read(note);
        }
        Some(taken)
    }

    fn read(&mut self, note: CoverageNote) {
        match note {
            CoverageNote::Used { at, client, path } => self.notes.uses.push((client, path, at)),
            CoverageNote::Refused { at, path } => self.notes.refused.push((path, at)),
            CoverageNote::State { at, state } if self.state != Some(state) => {
                self.begin(at, state, None);
            }
            CoverageNote::State { .. } => {}
            CoverageNote::Certificate { expires_at } => self.notes.certificate = Some(expires_at),
            CoverageNote::ClockJumped { at, by_ms } => {
                let state = self.state.unwrap_or(ReceiverState::Up);
                self.begin(at, state, Some(by_ms));
            }
        }
    }

    fn begin(&mut self, at: Timestamp, state: ReceiverState, clock_jump: Option<i64>) {
        self.state = Some(state);
        self.notes.begins.push(Begin {
            at,
            state,
            clock_jump,
        });
    }

    /// Starts a new row of coverage each minute, and after the wall clock was set. Returns the
    /// current time.
    fn cover(&mut self, has_pushes: bool) -> Timestamp {
        let (now, instant) = (self.options.clock.now(), self.options.clock.instant());
        let passed = instant.saturating_duration_since(self.began.1);
        let expected = self.began.0.plus(passed);
        let jump = now.millis() - expected.millis();
        let state = self.state.or(has_pushes.then_some(ReceiverState::Up));
        if jump.abs() > JUMP_MS {
            self.began = (now, instant);
            let known = |begin: &Begin| begin.clock_jump.is_some();
            if let Some(state) = state.filter(|_| !self.notes.begins.iter().any(known)) {
                self.begin(now, state, Some(jump));
            }
        } else if let Some(state) = state
            && self.notes.begins.is_empty()
            && (self.coverage.is_none() || instant - self.written >= HEARTBEAT)
        {
            self.begin(now, state, None);
        }
        if !self.notes.begins.is_empty() || self.state.is_none() {
            self.written = instant;
        }
        now
    }

    /// Writes pushes and notes to the disk, and calls `done` of each push with the result. After a
    /// failed sync, all later pushes fail, too.
    fn commit(&mut self, pushes: Vec<(Push, Done)>) {
        let started = self.options.clock.instant();
        let (placed, failed) = self.place_recordings(pushes);
        for (done, text) in failed {
            done(Err(CommitFailure::Refused(text)));
        }
        let now = self.cover(!placed.is_empty());
        let is_synced = match placed.iter().any(|(new, ..)| new.is_some()) {
            true => files::sync_each(&[&self.directory.recordings()]),
            false => Ok(()),
        };
        let rows: Vec<NewPush<'_>> = placed
            .iter()
            .map(|(recording, push, _)| NewPush {
                push,
                recording: recording.clone(),
            })
            .collect();
        let instance = &self.options.instance;
        let result = match is_synced {
            Err(e) => Err(CommitFailure::Broken(format!("{e:#}"))),
            Ok(()) => self
                .store
                .commit(&rows, &self.notes, instance, self.coverage, now)
                .map_err(failure),
        };
        let count = rows.len();
        drop(rows);
        let result = result.map(|committed| {
            self.coverage = committed.coverage;
            self.bytes = committed.bytes;
            self.notes = Notes::default();
        });
        (self.options.observe)(count, self.options.clock.instant() - started);
        if self.notes.uses.len() > NOTES {
            self.notes = Notes::default();
        }
        for (_, _, done) in placed {
            done(result.clone());
        }
        if let Err(failure) = &result {
            self.queue.break_down(failure);
        }
        match &result {
            Err(CommitFailure::Refused(text)) if count == 0 => log::warn!("{text}"),
            _ => {}
        }
    }

    /// Copies the write-ahead log into the database if the log is large enough. Does nothing after
    /// a failed sync. If a sync fails now, all later pushes fail.
    fn copy_log(&mut self) {
        if lock(&self.queue.waiting).broken.is_some() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let Err(e) = self.checkpointer.committed(bytes as u64, &self.store) else {
            return;
        };
        let failure = failure(e);
        self.queue.break_down(&failure);
        if let CommitFailure::Refused(text) = failure {
            log::warn!("{text}; the write-ahead log is copied into the database later");
        }
    }

    /// Renames recordings to their final names. Returns the pushes to commit, and each recording
    /// that could not be renamed, with the error.
    fn place_recordings(
        &self,
        pushes: Vec<(Push, Done)>,
    ) -> (Vec<PlacedRecording>, Vec<(Done, String)>) {
        let (mut placed, mut failed) = (Vec::new(), Vec::new());
        for (push, done) in pushes {
            let PushContent::Recording { staged, sha256, .. } = &push.content else {
                placed.push((None, push, done));
                continue;
            };
            let names = (push.orn.as_deref(), push.correlation_id.as_deref());
            match recordings::place(&self.store, &self.directory, staged, names, sha256) {
                Ok(new) => placed.push((Some(new), push, done)),
                Err(e) => failed.push((done, format!("{e:#}"))),
            }
        }
        (placed, failed)
    }
}

type PlacedRecording = (Option<NewRecording>, Push, Done);

#[cfg(test)]
mod tests;
