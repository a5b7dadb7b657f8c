//! Tests one transaction at a time, without the thread, with a clock that the tests move. Each
//! limit is tested with its exact value and with one more.

use std::sync::{Condvar, Mutex};

use super::*;
use crate::receive::inbox::ReceiverState::{Limited, Up};
use crate::receive::store::coverage_rows::CoverageRow;

const START: Timestamp = Timestamp::from_millis(1_793_491_200_000);

/// A writer whose queue no thread empties.
struct Site {
    _dir: tempfile::TempDir,
    clock: Clock,
    writer: InboxWriter,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let directory = ReceiveDirectory::new(dir.path());
        let store = Store::open_checked(&directory).unwrap();
        let clock = Clock::manual(START);
        let options = CommitterOptions {
            instance: "i".to_owned(),
            queue_bytes: usize::MAX,
            clock: clock.clone(),
            observe: Arc::new(|_, _| ()),
            broken: Arc::new(|_| ()),
        };
        let queue = CommitQueue {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            queue_bytes: usize::MAX,
            broken: Arc::new(|_| ()),
        };
        let writer = InboxWriter {
            checkpointer: Checkpointer::start(&store, |e| panic!("{e:?}")).unwrap(),
            store,
            directory,
            queue: Arc::new(queue),
            began: (START, clock.instant()),
            written: clock.instant(),
            coverage: None,
            bytes: 0,
            state: None,
            notes: Notes::default(),
            options,
        };
        Site {
            _dir: dir,
            clock,
            writer,
        }
    }

    /// Puts pushes of these sizes into the queue.
    fn push(&self, sizes: &[usize]) {
        let mut waiting = lock(&self.writer.queue.waiting);
        for size in sizes {
            waiting.bytes += size;
            waiting.pushes.push_back((push(*size), Box::new(|_| ())));
        }
    }

    /// The number of pushes in the next transaction.
    fn takes(&mut self) -> usize {
        self.writer.take().unwrap().len()
    }

    fn note(&mut self, state: ReceiverState) {
        let at = self.clock.now();
        self.writer.read(CoverageNote::State { at, state });
    }

    /// Commits this number of empty pushes.
    fn commit(&mut self, count: usize) {
        let pushes = (0..count).map(|_| -> (Push, Done) { (push(0), Box::new(|_| ())) });
        self.writer.commit(pushes.collect());
    }

    fn rows(&self) -> Vec<CoverageRow> {
        self.writer.store.coverage(START).unwrap()
    }

    /// The clock jump of each coverage row that the next transaction starts, in milliseconds.
    fn jumps(&self) -> Vec<Option<i64>> {
        let begins = self.writer.notes.begins.iter();
        begins.map(|begin| begin.clock_jump).collect()
    }
}

fn push(size: usize) -> Push {
    Push {
        received_at: START,
        path: "g/a".to_owned(),
        client: "c".to_owned(),
        correlation_id: None,
        orn: None,
        content: PushContent::Json(vec![b'x'; size].into()),
    }
}

#[test]
fn a_transaction_takes_so_many_pushes() {
    let mut site = Site::new();
    site.push(&[0; TRANSACTION_PUSHES + 1]);
    assert_eq!(site.takes(), TRANSACTION_PUSHES);
    assert_eq!(site.takes(), 1);
}

#[test]
fn a_transaction_takes_so_many_bytes_or_one_push() {
    let mut site = Site::new();
    site.push(&[TRANSACTION_BYTES - 10, 10, 0, 1, TRANSACTION_BYTES + 1, 1]);
    assert_eq!(site.takes(), 3);
    assert_eq!(
        lock(&site.writer.queue.waiting).bytes,
        TRANSACTION_BYTES + 3
    );
    assert_eq!([site.takes(), site.takes(), site.takes()], [1, 1, 1]);
    assert_eq!(lock(&site.writer.queue.waiting).bytes, 0);
}

#[test]
fn a_state_begins_when_it_is_another_one() {
    let mut site = Site::new();
    for state in [Up, Up, Limited, Up] {
        site.note(state);
    }
    let begins = site.writer.notes.begins.iter().map(|begin| begin.state);
    assert_eq!(begins.collect::<Vec<_>>(), [Up, Limited, Up]);
}

#[test]
fn coverage_begins_with_a_state_or_with_the_first_push() {
    let mut site = Site::new();
    site.commit(0);
    assert!(site.rows().is_empty());
    site.commit(2);
    let rows = site.rows();
    assert_eq!((rows.len(), rows[0].pushes, &*rows[0].state), (1, 2, "up"));
    assert_eq!(rows[0].clock_jump, None);
}

#[test]
fn a_row_of_coverage_begins_each_minute() {
    let mut site = Site::new();
    site.note(Up);
    site.commit(0);
    let mut rows = Vec::new();
    for seconds in [59, 1, 59, 1] {
        site.clock.advance(Duration::from_secs(seconds));
        site.commit(1);
        rows.push(site.rows().len());
    }
    assert_eq!(rows, [1, 2, 2, 3]);
}

#[test]
fn the_minute_counts_from_the_last_beginning() {
    let mut site = Site::new();
    let after = |site: &mut Site, seconds| {
        site.clock.advance(Duration::from_secs(seconds));
        site.writer.cover(false);
        let age = site.clock.instant() - site.writer.written;
        (age.as_secs(), site.writer.notes.begins.len())
    };
    // Before the first state, there is nothing to write.
    assert_eq!(after(&mut site, 70), (0, 0));
    site.note(Up);
    assert_eq!(after(&mut site, 30), (0, 1));
    site.commit(0);
    assert_eq!(after(&mut site, 40), (40, 0));
}

#[test]
fn a_clock_that_was_set_begins_a_row_with_the_difference() {
    for (jump, expected) in [
        (JUMP_MS, None),
        (-JUMP_MS, None),
        (JUMP_MS + 1, Some(JUMP_MS + 1)),
        (-JUMP_MS - 1, Some(-JUMP_MS - 1)),
    ] {
        let mut site = Site::new();
        site.note(Up);
        site.commit(0);
        site.clock.advance(Duration::from_secs(20));
        // As if the wall clock had been set forward by `jump` milliseconds.
        site.writer.began.0 = Timestamp::from_millis(START.millis() - jump);
        site.writer.cover(false);
        let expected: Vec<_> = expected.into_iter().map(Some).collect();
        assert_eq!(site.jumps(), expected, "{jump}");
        // The jump is noted only once.
        site.commit(0);
        site.writer.cover(false);
        assert!(site.jumps().is_empty(), "{jump}");
    }
}

#[test]
fn a_jump_that_was_noted_already_is_not_told_twice() {
    let mut site = Site::new();
    let at = site.clock.now();
    site.note(Up);
    site.writer
        .read(CoverageNote::ClockJumped { at, by_ms: 9000 });
    site.writer.began.0 = Timestamp::from_millis(START.millis() - 9000);
    site.writer.cover(false);
    assert_eq!(site.jumps(), [None, Some(9000)]);
}

#[test]
fn notes_that_cannot_be_written_are_kept_up_to_a_number() {
    for (count, kept) in [(1, 1), (NOTES, NOTES), (NOTES + 1, 0)] {
        let mut site = Site::new();
        site.writer.store.change("DROP TABLE uses");
        let one = || (String::new(), String::new(), START);
        site.writer.notes.uses = (0..count).map(|_| one()).collect();
        site.commit(0);
        assert_eq!(site.writer.notes.uses.len(), kept, "{count}");
        assert!(lock(&site.writer.queue.waiting).broken.is_none());
    }
}

#[test]
fn the_log_is_not_copied_after_a_failed_sync() {
    let mut site = Site::new();
    for (broken, left) in [(None, 0), (Some("x".to_owned()), 7)] {
        lock(&site.writer.queue.waiting).broken = broken;
        site.writer.bytes = 7;
        site.writer.copy_log();
        assert_eq!(site.writer.bytes, left);
    }
    assert!(site.writer.take().is_none());
}
