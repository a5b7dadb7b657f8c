//! Several threads decide blocks; one thread writes the results in the order of the input.
//!
//! The deciding threads take turns: each reads a block and decides it alone. Blocks are reused
//! after they were written. So the number of blocks is limited, even if one thread is far ahead of
//! another.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Context;

use super::blocks::{Inputs, LineBlock};
use super::decide::{Decider, FilterJob};
use super::decided::Decided;
use super::expr::guard;
use super::scan::Scan;

/// A block and its result.
#[derive(Default)]
struct NumberedBlock {
    /// The number of the block, counted over all inputs.
    turn: u64,
    block: LineBlock,
    decided: Decided,
    /// The lines before this byte of the block are decided. The writer decides the lines from this
    /// byte on.
    end: usize,
}

/// The inputs that the threads share. Only the thread that has the lock reads.
struct SharedInput {
    inputs: Inputs,
    free: Receiver<NumberedBlock>,
    turn: u64,
}

/// Filters files one after the other (`-` is stdin) with the number of threads in `pace`. If a file
/// cannot be read, this is logged and changes the status of the run. An error is returned if
/// writing fails, if options are invalid, or if no thread can be started.
pub fn filter(files: &[PathBuf], scan: &mut Scan<'_>) -> anyhow::Result<()> {
    let inputs = scan.open(files)?;
    match scan.pace.threads {
        0 | 1 => scan.inputs(inputs),
        threads => run(inputs, scan.job, threads, scan),
    }
}

fn run(
    mut inputs: Inputs,
    job: &FilterJob,
    threads: usize,
    scan: &mut Scan<'_>,
) -> anyhow::Result<()> {
    let blocks = 2 * threads + 1;
    let (recycle, free) = mpsc::sync_channel(blocks);
    let (done, decided) = mpsc::sync_channel(blocks);
    // `stop` is dropped when the writing ends, for any reason. Then the reading ends as well.
    let (stopped, stop) = io::pipe().context("opening a pipe")?;
    inputs.stop_with(stopped);
    let reading = Mutex::new(SharedInput {
        inputs,
        free,
        turn: 0,
    });
    for _ in 0..blocks {
        // The channel has room for all blocks.
        let _ = recycle.send(NumberedBlock::default());
    }
    thread::scope(|scope| {
        for count in 0..threads {
            let (reading, done) = (&reading, done.clone());
            match guard::spawn(scope, &job.limits, move || work(reading, job, &done)) {
                Ok(_) => {}
                Err(_) if count > 0 => {
                    log::debug!("no more than {count} threads can be started");
                    break;
                }
                Err(e) => return Err(e).context("starting a thread"),
            }
        }
        drop(done);
        let result = write(&decided, &recycle, scan);
        // Threads can be waiting for one of these three. When all three are dropped, the threads
        // end.
        drop((stop, recycle, decided));
        result
    })
}

/// Reads and decides blocks until the inputs end or the writer stops.
fn work(
    reading: &Mutex<SharedInput>,
    job: &FilterJob,
    done: &SyncSender<anyhow::Result<NumberedBlock>>,
) {
    // Each thread compiles its own decider: jaq's values cannot be sent to another thread.
    let mut decider = match Decider::new(job) {
        Ok(decider) => decider,
        Err(e) => return drop(done.send(Err(e))),
    };
    while let Some(mut block) = next(reading) {
        let lines = &block.block;
        decider.enter(&lines.source, None, lines.offset);
        block.end = decider.decide(block.block.lines(), 0, &mut block.decided);
        if done.send(Ok(block)).is_err() {
            break;
        }
    }
}

fn next(reading: &Mutex<SharedInput>) -> Option<NumberedBlock> {
    let mut reading = reading.lock().unwrap_or_else(PoisonError::into_inner);
    let mut block = reading.free.recv().ok()?;
    if !reading.inputs.fill(&mut block.block) {
        return None;
    }
    block.turn = reading.turn;
    reading.turn += 1;
    Some(block)
}

/// Writes the blocks in the order of the input.
fn write(
    decided: &Receiver<anyhow::Result<NumberedBlock>>,
    recycle: &SyncSender<NumberedBlock>,
    scan: &mut Scan<'_>,
) -> anyhow::Result<()> {
    let mut early = BTreeMap::new();
    let mut turn = 0;
    loop {
        let block = match decided.try_recv() {
            Ok(block) => block?,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {
                // In a live stream, the reader of the output needs the finished records before this
                // thread waits for the next block.
                scan.flush()?;
                match decided.recv() {
                    Ok(block) => block?,
                    Err(_) => return Ok(()),
                }
            }
        };
        early.insert(block.turn, block);
        while let Some(mut block) = early.remove(&turn) {
            scan.write(&block.block, &block.decided)?;
            let (end, decided) = (block.end, &mut block.decided);
            scan.finish_block(&block.block, end, decided)?;
            turn += 1;
            // After the end of the input, no thread receives the block.
            let _ = recycle.send(block);
        }
    }
}
