//! Runs unpacking jobs in a thread.

use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, Weak};

use super::args::MemberArgs;
use super::blocks::Blocks;
use super::replay_buffer::{ReplayBuffer, ReplayPart};
use super::task::Task;
use super::walk::Zip;
use crate::format::zip::Unpacker;
use crate::os::mutex::lock;

/// A job: some members of one ZIP that one thread unpacks.
pub(super) struct UnpackJob {
    pub(super) zip: Arc<Zip>,
    pub(super) tasks: Vec<Task>,
    /// The number of the job, from 0.
    pub(super) turn: u64,
    pub(super) writer: Sender<ReplayPart>,
    pub(super) wanted: Weak<()>,
}

/// Runs jobs until there are no more.
pub(super) fn work(
    jobs: &Mutex<Receiver<UnpackJob>>,
    blocks: &Arc<Blocks>,
    selection: &MemberArgs,
) {
    let mut buffer = Vec::new();
    let mut last = None;
    while let Some(job) = next(jobs) {
        let unpacker = match last.take() {
            Some((zip, unpacker)) if Arc::ptr_eq(&zip, &job.zip) => unpacker,
            _ => Unpacker::new(Arc::clone(&job.zip.bytes)),
        };
        let (zip, unpacker) = last.insert((job.zip, unpacker));
        let mut replay = ReplayBuffer::new(job.turn, blocks, job.writer, job.wanted);
        for task in job.tasks {
            let done = task.run(selection, &zip.source, unpacker, &mut buffer, &mut replay);
            // An error is not handled here: `replay` has passed it to the writer, or the writer
            // needs no more output.
            if done.is_err() {
                break;
            }
        }
        replay.finish();
    }
}

fn next(jobs: &Mutex<Receiver<UnpackJob>>) -> Option<UnpackJob> {
    lock(jobs).recv().ok()
}
