//! Delivers calls: first it writes them, then it saves the state.

use super::call::Call;
use super::dates::Dates;
use super::memory::CallMemory;
use super::outcome::CallCounts;
use super::progress::CallProgress;
use super::recordings::Recordings;
use super::table::RawCall;
use super::writer::CallWriter;
use crate::cli::progress_line::ProgressLine;
use crate::error;
use crate::export::state::State;
use crate::os::clock::Clock;

/// The output of a run and its state.
#[derive(Debug)]
pub(super) struct CallDelivery<'a> {
    pub(super) writer: CallWriter<'a>,
    state: Option<State>,
    pub(super) progress: CallProgress,
    pub(super) memory: Option<CallMemory>,
    pub(super) recordings: Option<Recordings>,
    pub(super) counts: CallCounts,
    pub(super) line: ProgressLine,
    dates: &'a Dates,
    clock: Clock,
}

impl<'a> CallDelivery<'a> {
    /// Exported calls are noted in a file beside the state, so that later changes are found, if
    /// `remembers` is true or if `progress` already names such a file.
    pub(super) fn new(
        writer: CallWriter<'a>,
        state: Option<State>,
        progress: CallProgress,
        recordings: Option<Recordings>,
        remembers: bool,
        dates: &'a Dates,
        clock: Clock,
    ) -> anyhow::Result<CallDelivery<'a>> {
        let memory = match &state {
            None => None,
            Some(state) => CallMemory::open(&state.path(), &progress, remembers)?,
        };
        Ok(CallDelivery {
            writer,
            state,
            progress,
            memory,
            recordings,
            counts: CallCounts::default(),
            line: ProgressLine::default(),
            dates,
            clock,
        })
    }

    /// Prepares a call for [`CallDelivery::export`] or [`CallDelivery::write`]. Writes nothing. An
    /// error names the call.
    pub(super) fn check(&mut self, call: &Call, body: RawCall<'_>) -> anyhow::Result<()> {
        let place = |e: anyhow::Error| e.context(format!("call {}", call.id));
        match (&self.progress.context, &call.context) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                return Err(place(error::usage(format!(
                    "it belongs to project {theirs}, but this state to project {ours}: is the \
                     token for another project?"
                ))));
            }
            (None, Some(_)) => self.progress.context.clone_from(&call.context),
            _ => {}
        }
        self.writer.render(body, self.dates).map_err(place)
    }

    /// Writes a call that was checked, notes it and queues its recording.
    pub(super) fn export(&mut self, call: &Call, body: RawCall<'_>) -> anyhow::Result<()> {
        self.write(call)?;
        let (cursor, now) = (self.progress.cursor, self.clock.now());
        if let (Some(memory), RawCall::Json(json)) = (&mut self.memory, body) {
            memory.note(call, json, cursor, now)?;
        }
        self.queue_recording(call)
    }

    /// Writes a call that was checked.
    pub(super) fn write(&mut self, call: &Call) -> anyhow::Result<()> {
        self.writer.write()?;
        self.counts.add_time(call.start);
        Ok(())
    }

    pub(super) fn queue_recording(&mut self, call: &Call) -> anyhow::Result<()> {
        match &mut self.recordings {
            Some(recordings) => recordings.add(call),
            None => Ok(()),
        }
    }

    /// Waits until the reader has read the written calls, then saves the state. Does neither while
    /// the calls are in a file without its final name.
    pub(super) fn commit(&mut self) -> anyhow::Result<()> {
        self.line.say(|| {
            let (count, cursor) = (self.writer.count, self.progress.cursor);
            format!("{count} calls, up to call {cursor}")
        });
        let CallDelivery {
            writer,
            state,
            progress,
            memory,
            recordings,
            clock,
            ..
        } = self;
        writer.commit(|| {
            save(
                state.as_ref(),
                progress,
                memory.as_mut(),
                recordings.as_mut(),
                clock,
            )
        })
    }

    /// Ends the output and saves the state.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.state.as_ref().map_or(Ok(()), State::confirm)?;
        let CallDelivery {
            writer,
            state,
            progress,
            memory,
            recordings,
            clock,
            ..
        } = self;
        writer.finish(|| {
            save(
                state.as_ref(),
                progress,
                memory.as_mut(),
                recordings.as_mut(),
                clock,
            )
        })
    }

    /// Saves the state after the queue of recordings changed.
    pub(super) fn save_queue(&mut self, queue: super::progress::Queue) -> anyhow::Result<()> {
        self.progress.audio = Some(queue);
        match &self.state {
            Some(state) => state.save(&self.progress, self.clock.now()),
            None => Ok(()),
        }
    }
}

fn save(
    state: Option<&State>,
    progress: &mut CallProgress,
    mut memory: Option<&mut CallMemory>,
    recordings: Option<&mut Recordings>,
    clock: &Clock,
) -> anyhow::Result<()> {
    let Some(state) = state else {
        return Ok(());
    };
    if let Some(memory) = &mut memory {
        progress.exported = Some(memory.sync()?);
    }
    if let Some(recordings) = recordings {
        progress.audio = Some(recordings.sync()?);
    }
    state.save(progress, clock.now())?;
    match memory {
        Some(memory) if state.is_direct() => memory.tidy(),
        _ => Ok(()),
    }
}
