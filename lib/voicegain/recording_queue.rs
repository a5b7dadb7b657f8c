//! The queue of recordings to fetch: a file beside the state. The queue survives a kill. Each
//! recording has a line `CALL ID`. A recording that failed has a line `CALL ID ATTEMPTS NOT_BEFORE`
//! at the back of the queue.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::call::parse_id;
use super::progress::Queue;
use crate::error;
use crate::export::side_log::SideLog;
use crate::time::Timestamp;

const NAME: &str = "audio";

/// While the file of the queue still has recordings to fetch, it is rewritten only if its done
/// recordings take more bytes than this.
const SMALL: u64 = 64 * 1024;

/// The pause after the second failure of a recording; it doubles with each further failure. After
/// the first failure there is no pause: the next run can try again at once.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// A recording to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueuedRecording {
    pub(super) call: u64,
    pub(super) id: String,
    /// How often the recording has failed.
    pub(super) attempts: u32,
    /// When to try again.
    pub(super) not_before: Timestamp,
}

impl QueuedRecording {
    pub(super) fn new(call: u64, id: &str) -> QueuedRecording {
        QueuedRecording {
            call,
            id: id.to_owned(),
            attempts: 0,
            not_before: Timestamp::from_millis(0),
        }
    }

    /// This recording after one more failure. The pause before the next attempt doubles each time.
    pub(super) fn failed(self, now: Timestamp) -> QueuedRecording {
        let attempts = self.attempts.saturating_add(1);
        let pause = match attempts.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => PAUSE.saturating_mul(1 << doublings.min(20)),
        };
        QueuedRecording {
            attempts,
            not_before: now.plus(pause.min(LONGEST_PAUSE)),
            ..self
        }
    }

    fn line(&self) -> String {
        let QueuedRecording {
            call,
            id,
            attempts,
            not_before,
        } = self;
        match attempts {
            0 => format!("{call} {id}"),
            _ => format!("{call} {id} {attempts} {}", not_before.millis()),
        }
    }

    fn parse(line: &str) -> Option<QueuedRecording> {
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let (call, id, rest) = match words.as_slice() {
            [call, id, rest @ ..] => (parse_id(call)?, *id, rest),
            _ => return None,
        };
        let recording = QueuedRecording::new(call, id);
        match rest {
            _ if !is_plain(id) => None,
            [] => Some(recording),
            [attempts, not_before] => Some(QueuedRecording {
                attempts: attempts.parse().ok()?,
                not_before: Timestamp::from_millis(not_before.parse().ok()?),
                ..recording
            }),
            _ => None,
        }
    }
}

/// Whether the id of a recording can be part of a path. The vendor's ids are UUIDs; other texts of
/// up to 64 letters, digits and hyphens are accepted, too.
pub(super) fn is_plain(id: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !id.is_empty() && id.len() <= 64 && id.bytes().all(is_fine)
}

/// The queue.
#[derive(Debug)]
pub(super) struct RecordingQueue {
    log: SideLog,
    queue: Queue,
    /// Where the recording that [`RecordingQueue::first`] returned ends in the file, in bytes.
    first_ends: u64,
    state: PathBuf,
}

impl RecordingQueue {
    /// Opens the queue that `state` names. If done recordings take most of the file, it is
    /// rewritten without them, so that it does not grow forever.
    pub(super) fn open(state: &Path, queue: Option<Queue>) -> anyhow::Result<RecordingQueue> {
        let queue = queue.unwrap_or_default();
        SideLog::remove_others(state, NAME, &[queue.mark.generation])
            .with_context(|| state.display().to_string())?;
        let mut opened = RecordingQueue {
            log: SideLog::open(state, NAME, queue.mark)?,
            queue,
            first_ends: queue.done,
            state: state.to_owned(),
        };
        let left = queue.mark.bytes.saturating_sub(queue.done);
        let is_used_up = queue.mark.bytes > 0 && left == 0;
        if is_used_up || queue.done > SMALL.max(left) {
            opened.begin_anew()?;
        }
        Ok(opened)
    }

    fn begin_anew(&mut self) -> anyhow::Result<()> {
        let mut next = SideLog::begin_next(&self.state, NAME, self.queue.mark)?;
        for line in self.log.lines(self.queue.done)? {
            next.append(&line?)?;
        }
        let mark = next.sync()?;
        self.log = next;
        self.queue = Queue { mark, done: 0 };
        Ok(())
    }

    fn name(&self) -> String {
        format!(
            "{}.{NAME}.{}",
            self.state.display(),
            self.queue.mark.generation
        )
    }

    /// Adds a recording at the back.
    pub(super) fn add(&mut self, recording: &QueuedRecording) -> anyhow::Result<()> {
        self.log.append(&recording.line())
    }

    /// Syncs the queue and returns its entry for the state.
    pub(super) fn sync(&mut self) -> anyhow::Result<Queue> {
        self.queue.mark = self.log.sync()?;
        Ok(self.queue)
    }

    /// The end of the queue, in bytes: recordings that are added later come after it.
    pub(super) fn end(&self) -> u64 {
        self.queue.mark.bytes
    }

    /// The first recording, if it begins before byte `end` of the file. The recording stays in the
    /// queue.
    pub(super) fn first(&mut self, end: u64) -> anyhow::Result<Option<QueuedRecording>> {
        match self.queue.done < end {
            false => Ok(None),
            true => self.read_first().map(Some),
        }
    }

    fn read_first(&mut self) -> anyhow::Result<QueuedRecording> {
        let mut lines = self.log.lines(self.queue.done)?;
        let line = lines.next().transpose()?.unwrap_or_default();
        self.first_ends = lines.position();
        self.parse(&line)
    }

    fn parse(&self, line: &str) -> anyhow::Result<QueuedRecording> {
        QueuedRecording::parse(line)
            .ok_or_else(|| error::bad_input(format!("'{}' is not a recording", line.trim_end())))
            .with_context(|| self.name())
    }

    /// Removes the recording that [`RecordingQueue::first`] returned.
    pub(super) fn take_first(&mut self) {
        self.queue.done = self.first_ends;
    }

    /// The number of recordings in the queue.
    pub(super) fn length(&mut self) -> anyhow::Result<usize> {
        Ok(self.log.lines(self.queue.done)?.count())
    }

    /// All recordings that have failed, and whether any recording is due.
    pub(super) fn look(&mut self, now: Timestamp) -> anyhow::Result<(Vec<QueuedRecording>, bool)> {
        let (mut failed, mut is_due) = (Vec::new(), false);
        for line in self.log.lines(self.queue.done)? {
            let recording = self.parse(&line?)?;
            is_due |= recording.not_before <= now;
            if recording.attempts > 0 {
                failed.push(recording);
            }
        }
        Ok((failed, is_due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    #[test]
    fn an_id_of_a_recording_cannot_leave_its_directory() {
        assert!(is_plain("49532709-1f2a-4e5b-a8c8-9e301c5a749d"));
        for bad in ["", "..", "a/b", "a?b", "a b", "é"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    #[test]
    fn a_line_is_read_in_its_old_form_and_in_its_new_one() {
        let old = QueuedRecording::parse("7 a-b\n").unwrap();
        assert_eq!(old, QueuedRecording::new(7, "a-b"));
        let failed = old.failed(NOW).failed(NOW);
        assert_eq!(failed.line(), "7 a-b 2 1795176060000");
        assert_eq!(QueuedRecording::parse(&failed.line()), Some(failed));
        for bad in ["", "7", "x a", "7 a/b", "7 a 1", "7 a 1 2 3", "7 a x 2"] {
            assert_eq!(QueuedRecording::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_pause_grows_up_to_a_day() {
        let mut recording = QueuedRecording::new(7, "a");
        let mut pauses = Vec::new();
        for _ in 0..40 {
            recording = recording.failed(NOW);
            pauses.push(recording.not_before.since(NOW).as_secs());
        }
        assert_eq!(pauses[..4], [0, 60, 120, 240]);
        assert_eq!(pauses[39], 86_400);
    }

    #[test]
    fn what_fails_goes_to_the_back_and_the_file_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("S");
        let mut queue = RecordingQueue::open(&state, None).unwrap();
        for call in 1..=3 {
            queue.add(&QueuedRecording::new(call, "a-b")).unwrap();
        }
        let mut saved = queue.sync().unwrap();
        for run in 0..4000 {
            let mut queue = RecordingQueue::open(&state, Some(saved)).unwrap();
            let first = queue.first(queue.end()).unwrap().unwrap();
            assert_eq!(first.call, 1 + run % 3);
            queue.take_first();
            queue.add(&first.failed(NOW)).unwrap();
            saved = queue.sync().unwrap();
            assert!(saved.mark.bytes < 2 * SMALL);
        }
        assert!(saved.mark.generation > 0);
        let mut queue = RecordingQueue::open(&state, Some(saved)).unwrap();
        let (failed, is_due) = queue.look(NOW).unwrap();
        assert_eq!((failed.len(), is_due), (3, false));
    }
}
