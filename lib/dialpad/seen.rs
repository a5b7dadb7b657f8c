//! Remembers the messages that were exported recently, so that a message is not exported again when
//! the next window or the next run also gets it. Messages have no id. Two equal messages can both
//! be real, so equal messages are counted.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::message::MessageIdentity;
use super::progress::MessageProgress;
use crate::error;
use crate::export::side_log::{SideLog, SideLogMark};
use crate::time::Timestamp;

const NAME: &str = "seen";

/// A side log of up to this many bytes is not rewritten.
const SMALL: u64 = 256 * 1024;

type MessageCounts = BTreeMap<(i64, MessageIdentity), u32>;

/// The messages that were exported since a given time.
#[derive(Debug, Default)]
pub(super) struct SeenMessages {
    known: MessageCounts,
    /// How often each message was received for the current window.
    came: HashMap<(i64, MessageIdentity), u32>,
    memory: Option<SeenLog>,
}

/// The side log of the exported messages, beside the state file.
#[derive(Debug)]
struct SeenLog {
    state: PathBuf,
    log: SideLog,
    mark: SideLogMark,
    /// The generation of the side log when the files of other generations were last removed.
    tidied: u64,
}

impl SeenMessages {
    /// Opens the side log beside a state file, and reads its messages.
    pub(super) fn open(
        state: &Path,
        progress: Option<&MessageProgress>,
    ) -> anyhow::Result<SeenMessages> {
        let mark = progress.map_or(SideLogMark::default(), |progress| progress.seen);
        let mut log = SideLog::open(state, NAME, mark)?;
        let mut known = MessageCounts::new();
        let from = progress.map_or(i64::MAX, |progress| progress.seen_from.millis());
        let place = || format!("{}.{NAME}.{}", state.display(), mark.generation);
        for line in log.lines(0)? {
            let line = line?;
            let broken = || error::bad_input(format!("'{line}' is not a message"));
            let (ts, id) = read(&line).ok_or_else(broken).with_context(place)?;
            if ts >= from {
                *known.entry((ts, id)).or_default() += 1;
            }
        }
        Ok(SeenMessages {
            known,
            came: HashMap::new(),
            memory: Some(SeenLog {
                state: state.to_owned(),
                log,
                mark,
                tidied: mark.generation,
            }),
        })
    }

    /// Starts the next window, for which the service can send the same messages again.
    pub(super) fn begin_window(&mut self) {
        self.came.clear();
    }

    /// Counts a message of the current window. True if the message was received more often for this
    /// window than it was exported.
    pub(super) fn is_new(&mut self, ts: i64, id: MessageIdentity) -> bool {
        let came = self.came.entry((ts, id)).or_default();
        *came += 1;
        *came > self.known.get(&(ts, id)).copied().unwrap_or_default()
    }

    /// Adds a message that is exported now.
    pub(super) fn add(&mut self, ts: i64, id: MessageIdentity) -> anyhow::Result<()> {
        *self.known.entry((ts, id)).or_default() += 1;
        match &mut self.memory {
            None => Ok(()),
            Some(memory) => memory.log.append(&line(ts, id)),
        }
    }

    /// Forgets the messages before a time, because they will not be requested again.
    pub(super) fn forget_before(&mut self, at: Timestamp) {
        self.known = self.known.split_off(&(at.millis(), MessageIdentity(0)));
    }

    /// Syncs the side log and returns its mark for the state. A log with mostly old messages is
    /// rewritten.
    pub(super) fn sync(&mut self) -> anyhow::Result<SideLogMark> {
        let Some(memory) = &mut self.memory else {
            return Ok(SideLogMark::default());
        };
        memory.mark = memory.log.sync()?;
        let bytes: u64 = self
            .known
            .values()
            .map(|count| u64::from(*count) * 57)
            .sum();
        if memory.mark.bytes > SMALL && memory.mark.bytes > 3 * bytes {
            let mut log = SideLog::begin_next(&memory.state, NAME, memory.mark)?;
            for ((ts, id), count) in &self.known {
                for _ in 0..*count {
                    log.append(&line(*ts, *id))?;
                }
            }
            memory.mark = log.sync()?;
            memory.log = log;
        }
        Ok(memory.mark)
    }

    /// Removes files that only an older state needed.
    pub(super) fn tidy(&mut self) -> anyhow::Result<()> {
        if let Some(memory) = &mut self.memory
            && memory.tidied != memory.mark.generation
        {
            SideLog::remove_others(&memory.state, NAME, &[memory.mark.generation])
                .with_context(|| memory.state.display().to_string())?;
            memory.tidied = memory.mark.generation;
        }
        Ok(())
    }
}

fn line(ts: i64, id: MessageIdentity) -> String {
    format!("{ts} {:032x}", id.0)
}

fn read(line: &str) -> Option<(i64, MessageIdentity)> {
    let (ts, id) = line.split_once(' ')?;
    let id = u128::from_str_radix(id, 16).ok()?;
    Some((ts.parse().ok()?, MessageIdentity(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(from: i64, seen: SideLogMark) -> MessageProgress {
        let at = Timestamp::from_millis(from);
        MessageProgress {
            from: at,
            to: at,
            proven: true,
            seen_from: at,
            seen,
        }
    }

    #[test]
    fn twins_are_two_and_what_comes_again_is_none() {
        let mut seen = SeenMessages::default();
        let (a, b) = (MessageIdentity(1), MessageIdentity(2));
        for _ in 0..2 {
            assert!(seen.is_new(5, a));
            seen.add(5, a).unwrap();
        }
        seen.begin_window();
        assert!(!seen.is_new(5, a) && !seen.is_new(5, a));
        assert!(seen.is_new(5, a), "a third one");
        assert!(seen.is_new(5, b) && seen.is_new(6, a));
        seen.begin_window();
        seen.forget_before(Timestamp::from_millis(6));
        assert!(seen.is_new(5, a));
    }

    #[test]
    fn it_is_the_same_after_a_run_and_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("S");
        let mut mark = SideLogMark::default();
        for run in 0..20_i64 {
            let mut seen =
                SeenMessages::open(&state, Some(&progress(run * 1000 - 1000, mark))).unwrap();
            if run > 0 {
                assert!(!seen.is_new(run * 1000 - 1, MessageIdentity(7)));
            }
            for ts in run * 1000..run * 1000 + 1000 {
                seen.add(ts, MessageIdentity(7)).unwrap();
            }
            seen.forget_before(Timestamp::from_millis(run * 1000));
            mark = seen.sync().unwrap();
            seen.tidy().unwrap();
            assert!(mark.bytes < 2 * SMALL, "{mark:?}");
        }
        assert!(mark.generation > 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
