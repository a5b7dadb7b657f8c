//! What changed in calls after they were exported: reviews, notes, tags and scores
//! come later, and a rerun of the analysis changes everything; the cursor never
//! returns to them.
//!
//! The last days are read again by rising id and compared, as both pass by, with
//! what was exported, so that memory does not depend on how many there are.

use std::cell::Cell;
use std::time::Duration;

use super::call::Call;
use super::export::CallExport;
use super::memory::CallEntry;
use super::progress::Exported;
use super::query::PagePosition;
use super::wire::{Flow, RawCall};
use crate::export::side_log::SideLog;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);

/// What a call that is read again is.
enum RereadCall {
    /// As it was.
    Same(CallEntry),
    /// Other than it was.
    Changed(CallEntry),
    /// Not exported yet: it came late, with a low id.
    Late(CallEntry),
    /// From before anything was noted.
    Unknown(CallEntry),
    /// Not to be exported now.
    Unfinished,
}

impl CallExport<'_> {
    /// Reads the last `days` again and exports what changed.
    pub(super) fn refresh(&mut self, days: u64) -> anyhow::Result<()> {
        let Some(mut memory) = self.memory.take() else {
            return Ok(());
        };
        let api = self.api;
        let now = api.retry().now();
        let from = now.minus(DAY * u32::try_from(days).unwrap_or(u32::MAX));
        // What the service counts to the window by another time than ours stays known.
        let forgotten = from.minus(DAY * 2);
        let mut known = memory.entries()?;
        let mut next = memory.begin_next()?;
        let keep = |next: &mut SideLog, entry: &CallEntry| match entry.time >= forgotten {
            true => next.append(&entry.line()),
            false => Ok(()),
        };
        let mut last = 0;
        let (mut read, mut repeated) = (0_u64, 0_u64);
        let done = Cell::new(false);
        let each = &mut |call: &Call, body: RawCall<'_>| {
            let RawCall::Json(json) = body else {
                return Ok(Flow::Enough);
            };
            if call.id <= last {
                repeated += 1;
                return Ok(Flow::On);
            }
            if call.id > self.progress.cursor {
                done.set(true);
                return Ok(Flow::Enough);
            }
            last = call.id;
            read += 1;
            while let Some(entry) = known.next_up_to(call.id - 1)? {
                keep(&mut next, &entry)?;
            }
            let entry = known.next_up_to(call.id)?;
            match self.compare(&memory.exported, call, json, entry, from, now)? {
                RereadCall::Unfinished => {}
                RereadCall::Same(entry) => keep(&mut next, &entry)?,
                RereadCall::Unknown(entry) => {
                    self.counts.noted += 1;
                    keep(&mut next, &entry)?;
                }
                RereadCall::Changed(entry) => {
                    self.write(call, body)?;
                    self.counts.changed += 1;
                    keep(&mut next, &entry)?;
                }
                RereadCall::Late(entry) => {
                    log::info!("call {} has come late", call.id);
                    self.write(call, body)?;
                    self.queue_recording(call)?;
                    self.counts.late += 1;
                    keep(&mut next, &entry)?;
                }
            }
            Ok(Flow::On)
        };
        let at_end = || Ok(if done.get() { Flow::Enough } else { Flow::On });
        api.scan(
            |skipped| PagePosition::Between(from, now.plus(DAY), skipped),
            u64::MAX,
            each,
            at_end,
        )?;
        while let Some(entry) = known.next_up_to(u64::MAX)? {
            keep(&mut next, &entry)?;
        }
        if repeated > read {
            log::warn!(
                "--refresh-days: the service does not sort by callId; changes may be missed"
            );
        }
        memory.replace(next, forgotten);
        self.memory = Some(memory);
        self.commit()
    }

    fn compare(
        &self,
        exported: &Exported,
        call: &Call,
        json: &str,
        entry: Option<CallEntry>,
        from: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<RereadCall> {
        let is_pending = self
            .progress
            .pending
            .iter()
            .any(|waiting| waiting.call_id == call.id);
        let mut fresh = CallEntry::of(call, json, now)?;
        Ok(match entry {
            // One that is worked on anew is exported when that is done.
            Some(entry) if !call.is_final() || entry.hash == fresh.hash => RereadCall::Same(entry),
            Some(entry) => {
                fresh.time = call.start.unwrap_or(entry.time);
                RereadCall::Changed(fresh)
            }
            None if is_pending || !call.is_final() => RereadCall::Unfinished,
            None if call.id <= exported.after => RereadCall::Unknown(fresh),
            None if fresh.time < exported.from.unwrap_or(from).max(from) => {
                RereadCall::Unknown(fresh)
            }
            None => RereadCall::Late(fresh),
        })
    }
}
