//! One or several threads unpack, and one thread writes in the order of the members.
//!
//! The caller walks the directories of the ZIPs and makes jobs. A job is some small members, or one
//! larger member. Each job has its own channel for its output, and the channels are read in the
//! order of the jobs. The number of blocks limits the memory, for members of any size.
//!
//! In the room `filter/`, a thread passes on a block when the whole block is finished. If this
//! module did that, a complete inflated member would have to be in memory, so a job passes on its
//! output in parts. A bounded channel for each job, instead of the shared blocks, would not be
//! better. With large channels, all jobs together would take much memory. With small channels, a
//! member of some megabytes could not be unpacked ahead.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use anyhow::anyhow;

use super::args::MemberArgs;
use super::blocks::Blocks;
use super::task::{Task, Work};
use super::walk::{Walked, Zip};
use super::worker::{UnpackJob, work};
use super::writer::Writer;
use crate::format::zip;
use crate::unzip::error::MemberError;
use crate::unzip::replay_buffer::ReplayPart;

/// The number of blocks per thread for unpacked bytes, if several threads unpack. Together the
/// blocks of a thread have 2 MiB.
const BLOCKS: usize = 8;

/// The number of blocks for unpacked bytes if only one thread unpacks: 1 MiB. This is enough,
/// because this thread never waits for the output of another thread, and the pipe to the reader can
/// hold another 1 MiB.
const BLOCKS_OF_ONE: usize = 4;

/// The most entries in the queue of pending work, for each thread that unpacks. If there are more,
/// the caller writes the oldest output before it adds more members.
const JOBS: usize = 8;

/// The most bytes of pending members for each thread, as compressed in the ZIP. A ZIP in a bucket
/// is read in blocks. The walk through the ZIP reads the block in which a member starts. This block
/// should still be in memory when a thread unpacks the member.
const COMPRESSED_BYTES: u64 = 6 << 20;

/// The size of a job in members and in bytes. It is large enough that starting a job costs little,
/// and small enough that no thread waits long for another.
const JOB_MEMBERS: usize = 512;
const JOB_BYTES: u64 = 1 << 20;

/// An entry in the queue of pending work: a job whose output is not written yet, or the end of a
/// ZIP.
#[derive(Debug)]
struct Pending {
    zip: Arc<Zip>,
    what: What,
}

#[derive(Debug)]
enum What {
    Job {
        turn: u64,
        compressed_size: u64,
        parts: Receiver<ReplayPart>,
        /// If this value is dropped, the thread stops the job, because nobody needs the output.
        _wanted: Arc<()>,
    },
    /// The end of the ZIP.
    End(Walked),
}

/// The threads that unpack, and the queue of pending work, in the order of writing.
#[derive(Debug)]
pub(super) struct Parallel {
    threads: Vec<JoinHandle<()>>,
    /// Sends the jobs to the threads. `None` tells the threads to end.
    jobs: Option<Sender<UnpackJob>>,
    turn: u64,
    blocks: Arc<Blocks>,
    pending: VecDeque<Pending>,
    /// The members of the next job, and the sum of their sizes in bytes.
    tasks: Vec<Task>,
    bytes: u64,
    /// The bytes of a refused line that have arrived so far.
    raw: Vec<u8>,
}

impl Parallel {
    /// Starts this many threads, or as many as the system allows; `None` if no thread can start.
    pub(super) fn new(threads: usize, selection: &MemberArgs) -> Option<Parallel> {
        let (jobs, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let most = match threads {
            1 => BLOCKS_OF_ONE,
            _ => threads * BLOCKS,
        };
        let blocks = Arc::new(Blocks::new(most));
        let selection = Arc::new(selection.clone());
        let start = |count| {
            let (waiting, blocks) = (Arc::clone(&waiting), Arc::clone(&blocks));
            let selection = Arc::clone(&selection);
            let started = thread::Builder::new().spawn(move || work(&waiting, &blocks, &selection));
            let refused = |e: &io::Error| log::debug!("only {count} threads could start: {e}");
            started.inspect_err(refused).ok()
        };
        let threads: Vec<_> = (0..threads).map_while(start).collect();
        (!threads.is_empty()).then(|| Parallel {
            threads,
            jobs: Some(jobs),
            turn: 0,
            blocks,
            pending: VecDeque::new(),
            tasks: Vec::new(),
            bytes: 0,
            raw: Vec::new(),
        })
    }

    /// Adds a member of `zip` to the pending work. After an error, the caller must skip the rest of
    /// the ZIP, or end the run.
    pub(super) fn push(
        &mut self,
        zip: &Arc<Zip>,
        task: Task,
        writer: &mut Writer<'_>,
    ) -> Result<(), MemberError> {
        let size = match task.work {
            // Each recording is an open file until it gets its name, and the number of open files
            // is limited. So a job has at most one recording.
            Ok(Work::Recording(_)) => JOB_BYTES,
            _ => task.size(),
        };
        let bytes = self.bytes.saturating_add(size);
        if bytes > JOB_BYTES || self.tasks.len() == JOB_MEMBERS {
            self.hand_out(zip);
        }
        self.tasks.push(task);
        self.bytes = self.bytes.saturating_add(size);
        self.write_until(JOBS * self.threads.len(), writer)
    }

    /// Adds the end of `zip` to the pending work. If the walk of the ZIP ended with a fatal error,
    /// returns this error.
    pub(super) fn end(&mut self, zip: Arc<Zip>, walked: Walked) -> anyhow::Result<()> {
        if let Err(MemberError::Fatal(e)) = walked.result {
            return Err(e);
        }
        self.hand_out(&zip);
        let what = What::End(walked);
        self.pending.push_back(Pending { zip, what });
        Ok(())
    }

    /// Writes all pending output.
    pub(super) fn finish(&mut self, writer: &mut Writer<'_>) -> anyhow::Result<()> {
        self.write_until(0, writer).map_err(|error| match error {
            MemberError::Fatal(e) => e,
            MemberError::Source(e) => e.into(),
        })
    }

    fn hand_out(&mut self, zip: &Arc<Zip>) {
        let Some(jobs) = self.jobs.as_ref().filter(|_| !self.tasks.is_empty()) else {
            return;
        };
        let (writer, parts) = mpsc::channel();
        let wanted = Arc::new(());
        let turn = self.turn;
        let compressed_size = self.tasks.iter().map(Task::compressed_size).sum();
        let job = UnpackJob {
            zip: Arc::clone(zip),
            tasks: mem::take(&mut self.tasks),
            turn,
            writer,
            wanted: Arc::downgrade(&wanted),
        };
        // If no thread is left to take the job, an error follows when the output of the job is
        // read.
        let _ = jobs.send(job);
        self.turn += 1;
        self.bytes = 0;
        self.pending.push_back(Pending {
            zip: Arc::clone(zip),
            what: What::Job {
                turn,
                compressed_size,
                parts,
                _wanted: wanted,
            },
        });
    }

    /// Writes the oldest output until at most `pending` jobs and ends of ZIPs are left, and these
    /// jobs have at most [`COMPRESSED_BYTES`] for each thread.
    fn write_until(&mut self, pending: usize, writer: &mut Writer<'_>) -> Result<(), MemberError> {
        while self.pending.len() > pending || self.is_far_ahead() {
            let Some(Pending { zip, what }) = self.pending.pop_front() else {
                break;
            };
            writer.enter(&zip.source);
            let written = match what {
                What::End(walked) => {
                    writer.counts.skipped += walked.skipped;
                    writer
                        .leave(walked.result, zip.line.as_ref())
                        .map_err(MemberError::from)
                }
                What::Job { turn, parts, .. } => self.write(turn, &parts, writer),
            };
            match written {
                Ok(()) => {}
                Err(MemberError::Source(e)) => self.give_up(&zip, e, writer)?,
                Err(MemberError::Fatal(e)) => {
                    self.pending.clear();
                    self.tasks.clear();
                    return Err(e.into());
                }
            }
        }
        Ok(())
    }

    fn is_far_ahead(&self) -> bool {
        let threads = self.threads.len();
        // Each thread gets a job, even if this job alone exceeds the limit.
        if self.pending.len() <= threads {
            return false;
        }
        let compressed_sizes = self.pending.iter().map(|pending| match pending.what {
            What::Job {
                compressed_size, ..
            } => compressed_size,
            What::End(_) => 0,
        });
        compressed_sizes.sum::<u64>() > COMPRESSED_BYTES * threads as u64
    }

    /// Writes the output of a job.
    fn write(
        &mut self,
        turn: u64,
        parts: &Receiver<ReplayPart>,
        writer: &mut Writer<'_>,
    ) -> Result<(), MemberError> {
        self.blocks.wait_for(turn);
        loop {
            let part = parts.recv();
            let part = part.map_err(|_| anyhow!("a thread ended too early"))?;
            let is_last = part.is_last;
            part.replay(writer, &mut self.raw)?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Drops the pending work of `zip` after the error `e`. If the directory of the ZIP is still
    /// being read, returns `e`, so that the reading stops.
    fn give_up(
        &mut self,
        zip: &Arc<Zip>,
        e: zip::ArchiveError,
        writer: &mut Writer<'_>,
    ) -> Result<(), MemberError> {
        let mut is_walked = false;
        self.pending.retain(|pending| {
            let is_of_it = Arc::ptr_eq(&pending.zip, zip);
            is_walked |= is_of_it && matches!(pending.what, What::End(_));
            !is_of_it
        });
        if is_walked {
            return Ok(writer.leave(Err(e.into()), None)?);
        }
        self.tasks.clear();
        Err(e.into())
    }
}

impl Drop for Parallel {
    /// Waits for the threads, because they remove their temporary files when they end.
    fn drop(&mut self) {
        self.pending.clear();
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // If the thread panicked, it has already printed the reason.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Output;
    use crate::export::rejects::{RejectArgs, Rejects};
    use std::path::Path;

    /// Runs a test that gives work to two threads, and returns the counts.
    fn counts(test: impl FnOnce(&mut Parallel, &mut Writer<'_>)) -> (u64, u64, u64) {
        let selection = MemberArgs::default();
        let mut output = Output::file(Path::new("/dev/null")).unwrap();
        let mut rejects = Rejects::open(&RejectArgs::default()).unwrap();
        let mut parallel = Parallel::new(2, &selection).unwrap();
        let mut writer = Writer::new(&selection, None, &mut output, &mut rejects);
        test(&mut parallel, &mut writer);
        let counts = writer.counts;
        (counts.zips, counts.unreadable, counts.recordings_skipped)
    }

    fn zip(name: &str) -> Arc<Zip> {
        let file = tempfile::tempfile().unwrap();
        Arc::new(Zip {
            source: name.into(),
            bytes: Arc::new(file),
            line: None,
        })
    }

    fn task(work: Result<Work, zip::ArchiveError>) -> Task {
        Task {
            name: String::new(),
            work,
            skipped: 0,
        }
    }

    fn passed_over() -> Task {
        task(Ok(Work::PassOver))
    }

    fn unreadable() -> Task {
        task(Err(io::Error::other("a broken disk").into()))
    }

    fn walked() -> Walked {
        Walked {
            skipped: 0,
            result: Ok(()),
        }
    }

    #[test]
    fn tiny_members_are_handed_out_many_at_once() {
        let counted = counts(|parallel, writer| {
            let zip = zip("x");
            for _ in 0..1000 {
                parallel.push(&zip, passed_over(), writer).unwrap();
            }
            parallel.end(zip, walked()).unwrap();
            assert!(parallel.turn < 5, "{} jobs", parallel.turn);
            parallel.finish(writer).unwrap();
        });
        assert_eq!(counted, (1, 0, 1000));
    }

    #[test]
    fn a_zip_that_cannot_be_read_any_more_ends_there_and_no_other_does() {
        let counted = counts(|parallel, writer| {
            let bad = zip("bad");
            for task in [passed_over(), unreadable(), passed_over()] {
                parallel.push(&bad, task, writer).unwrap();
            }
            parallel.end(bad, walked()).unwrap();
            let good = zip("good");
            parallel.push(&good, passed_over(), writer).unwrap();
            parallel.end(good, walked()).unwrap();
            parallel.finish(writer).unwrap();
        });
        assert_eq!(counted, (2, 1, 2));
    }

    #[test]
    fn a_zip_that_cannot_be_read_any_more_is_not_walked_to_its_end() {
        let counted = counts(|parallel, writer| {
            let bad = zip("bad");
            let tasks = (0_u64..).map(|n| if n == 1 { unreadable() } else { passed_over() });
            let ended = tasks.map(|task| parallel.push(&bad, task, writer));
            let result = ended.take(1 << 20).find(Result::is_err).unwrap();
            parallel.end(bad, Walked { skipped: 0, result }).unwrap();
            parallel.finish(writer).unwrap();
        });
        assert_eq!(counted, (1, 1, 1));
    }

    #[test]
    fn a_job_whose_thread_died_is_not_taken_for_done() {
        counts(|parallel, writer| {
            let (zip, (_, parts)) = (zip("x"), mpsc::channel());
            let what = What::Job {
                turn: 0,
                compressed_size: 0,
                parts,
                _wanted: Arc::default(),
            };
            parallel.pending.push_back(Pending { zip, what });
            let error = parallel.finish(writer).unwrap_err();
            assert!(error.to_string().contains("a thread ended too early"));
        });
    }
}
