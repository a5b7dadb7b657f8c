//! The content of the state of `ocp-metrics`, by category and group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::memory::Memory;
use crate::cli::run::Outcome;
use crate::error::Status;
use crate::export::commit::Commit;
use crate::export::state::State;
use crate::time::Timestamp;

/// The version of the state's format.
pub const VERSION: u32 = 1;

/// The positions of all entries, by the name of the entry (category and group).
pub type MetricsProgress = BTreeMap<String, EntryProgress>;

/// The position of one category of one group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EntryProgress {
    /// The time up to which numbers were read.
    #[serde(flatten)]
    pub reach: ReadUpTo,
    /// The time at which the service made the newest reply.
    pub as_of: Timestamp,
    /// The values of the recent buckets.
    #[serde(default)]
    pub remembered: Memory,
}

/// The time up to which numbers were read. A state of real-time numbers that an older version wrote
/// has `next` instead of `seen_to`, with the same meaning.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadUpTo {
    /// Batch: everything before this time was read.
    Next(Timestamp),
    /// Real-time: the service's time at the last poll.
    SeenTo(Timestamp),
}

impl ReadUpTo {
    pub(crate) fn time(self) -> Timestamp {
        match self {
            ReadUpTo::Next(time) | ReadUpTo::SeenTo(time) => time,
        }
    }
}

/// A state that is locked by this run.
#[derive(Debug)]
pub struct OpenState {
    file: Option<State>,
    /// The position of each entry.
    pub progress: MetricsProgress,
}

impl OpenState {
    /// The opened state, with the positions in it. Without a state, nothing is saved.
    pub fn new(opened: Option<(State, Option<MetricsProgress>)>) -> OpenState {
        let (file, progress) = opened.unzip();
        OpenState {
            file,
            progress: progress.flatten().unwrap_or_default(),
        }
    }

    /// Flushes the rows written so far, and saves the positions in the state. With `--state-out`,
    /// only flushes. If the output is a file that gets its name at the end of the run, the
    /// positions are not saved yet.
    pub fn note(&self, commit: &mut Commit<'_>, now: Timestamp) -> anyhow::Result<()> {
        match &self.file {
            // The file of `--state-out` is written only after a complete run.
            Some(file) if !file.is_direct() => commit.flush(),
            Some(file) => {
                if !commit.commit(|| file.save(&self.progress, now))? {
                    log::debug!("the state is saved when the file is complete");
                }
                Ok(())
            }
            None => commit.flush(),
        }
    }

    /// Ends the run: flushes the rows, then writes the state. Only a run without a failure writes
    /// `--state-out`.
    pub fn finish(
        &self,
        commit: &mut Commit<'_>,
        status: Status,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        self.file.as_ref().map_or(Ok(()), State::confirm)?;
        commit.finish(|| match &self.file {
            Some(file) if file.is_direct() || status == Status::Done => {
                file.save(&self.progress, now)
            }
            _ => Ok(()),
        })
    }
}

/// The outcome of the run, from the worst status and whether there was something to do.
pub fn outcome(status: Status, has_work: bool) -> Outcome {
    match (status, has_work) {
        (Status::Done, true) => Outcome::Done,
        (Status::Done, false) => Outcome::Nothing,
        (status, _) => Outcome::Partly(status),
    }
}
