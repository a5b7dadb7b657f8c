//! What the state of `ocp-metrics` remembers, by category and group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::memory::Memory;
use crate::cli::run::Outcome;
use crate::error::Status;
use crate::export::commit::Commit;
use crate::export::state::State;
use crate::time::Timestamp;

/// The version of its form.
pub const VERSION: u32 = 1;

/// How far each entry came.
pub type MetricsProgress = BTreeMap<String, EntryProgress>;

/// How far one category of one group came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EntryProgress {
    /// How far it was read.
    #[serde(flatten)]
    pub reach: ReadUpTo,
    /// When the service made the newest reply.
    pub as_of: Timestamp,
    /// The values of recent buckets.
    #[serde(default)]
    pub remembered: Memory,
}

/// How far was read. States of real-time runs that are older than the name `seen_to`
/// say `next`, too.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadUpTo {
    /// Batch: all before this has been read.
    Next(Timestamp),
    /// Real-time: the service's time at the last poll.
    SeenTo(Timestamp),
}

impl ReadUpTo {
    /// The time itself.
    pub(crate) fn time(self) -> Timestamp {
        match self {
            ReadUpTo::Next(time) | ReadUpTo::SeenTo(time) => time,
        }
    }
}

/// A state that is held by this run.
#[derive(Debug)]
pub struct OpenState {
    file: Option<State>,
    /// How far each entry came.
    pub progress: MetricsProgress,
}

impl OpenState {
    /// What was opened; without a file nothing is kept.
    pub fn new(opened: Option<(State, Option<MetricsProgress>)>) -> OpenState {
        let (file, progress) = opened.unzip();
        OpenState {
            file,
            progress: progress.flatten().unwrap_or_default(),
        }
    }

    /// Notes how far the rows written so far reach, if they can be out before the end.
    pub fn note(&self, commit: &mut Commit<'_>, now: Timestamp) -> anyhow::Result<()> {
        match &self.file {
            // What replaces it must be complete.
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

    /// Ends the run: the last rows leave, then the state is written. The successor of
    /// `--state-out` is written only by a run without a failure.
    pub fn finish(
        &self,
        commit: &mut Commit<'_>,
        status: Status,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        commit.finish(|| match &self.file {
            Some(file) if file.is_direct() || status == Status::Done => {
                file.save(&self.progress, now)
            }
            _ => Ok(()),
        })
    }
}

/// How a run ends that came to this status, and wrote rows or none.
pub fn outcome(status: Status, has_work: bool) -> Outcome {
    match (status, has_work) {
        (Status::Done, true) => Outcome::Done,
        (Status::Done, false) => Outcome::Nothing,
        (status, _) => Outcome::Partly(status),
    }
}
