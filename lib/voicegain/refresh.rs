//! Finds calls that changed after they were exported. Reviews, notes, tags and scores are added
//! later, and a new analysis changes everything. The cursor never returns to such calls.
//!
//! The calls of the last days are read again by rising id. They are compared with the exported
//! calls in the same order, so that the memory that a run needs does not depend on the number of
//! calls.

use std::time::Duration;

use super::api::VoicegainApi;
use super::call::Call;
use super::delivery::CallDelivery;
use super::memory::{CallMemory, Entries};
use super::progress::{CallEntry, Unfinished};
use super::query::PagePosition;
use super::scan::{CallScan, ScanStep};
use super::table::RawCall;
use crate::export::side_log::SideLog;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);

/// How a call that is read again differs from the exported call.
enum RereadCall {
    Same(CallEntry),
    Changed(CallEntry),
    /// The call was not exported, because it reached the service late, with an id that the cursor
    /// had already passed.
    Late(CallEntry),
    /// It is not known whether the call was exported: the list of exported calls does not reach
    /// back to this call.
    Unknown(CallEntry),
    /// The call is not finished, or is one of the skipped calls (`pending`). It is not exported
    /// here.
    Unfinished,
}

/// Reads the calls of the last `days` days again, and exports those that changed or came late.
pub(super) fn refresh(
    api: &VoicegainApi,
    delivery: &mut CallDelivery<'_>,
    days: u64,
) -> anyhow::Result<()> {
    let Some(mut memory) = delivery.memory.take() else {
        return Ok(());
    };
    let now = api.retry().now();
    let from = now.minus(DAY * u32::try_from(days).unwrap_or(u32::MAX));
    // Entries are kept for two more days, because it is possible that the service selects calls by
    // another time than their start.
    let forgotten = from.minus(DAY * 2);
    let mut known = KnownCalls {
        entries: memory.entries()?,
        next: memory.begin_next()?,
        kept_from: forgotten,
    };
    let mut last = 0;
    let (mut read, mut repeated) = (0_u64, 0_u64);
    let place = |skipped| PagePosition::Between(from, now.plus(DAY), skipped);
    let mut scan = CallScan::new(api, place, u64::MAX);
    loop {
        let call = match scan.next_step()? {
            ScanStep::Call(call) => call,
            ScanStep::PageEnd => continue,
            ScanStep::End => break,
        };
        if call.id <= last {
            repeated += 1;
            continue;
        }
        if call.id > delivery.progress.cursor {
            break;
        }
        last = call.id;
        read += 1;
        let entry = known.pass_to(call.id)?;
        let fresh = CallEntry::of(&call, scan.json(), now);
        let is_pending = |waiting: &Unfinished| waiting.call_id == call.id;
        let is_pending = delivery.progress.pending.iter().any(is_pending);
        match compare(&memory, &call, entry, fresh, is_pending, from) {
            RereadCall::Unfinished => {}
            RereadCall::Same(entry) => known.keep(&entry)?,
            RereadCall::Unknown(entry) => {
                delivery.counts.noted += 1;
                known.keep(&entry)?;
            }
            RereadCall::Changed(entry) => {
                delivery.check(&call, RawCall::Json(scan.json()))?;
                delivery.write(&call)?;
                delivery.counts.changed += 1;
                known.keep(&entry)?;
            }
            RereadCall::Late(entry) => {
                log::info!("call {} came late", call.id);
                delivery.check(&call, RawCall::Json(scan.json()))?;
                delivery.write(&call)?;
                delivery.queue_recording(&call)?;
                delivery.counts.late += 1;
                known.keep(&entry)?;
            }
        }
    }
    known.pass_to(u64::MAX)?;
    if repeated > read {
        log::warn!("--refresh-days: the service does not sort by callId; changes may be missed");
    }
    memory.replace(known.next, forgotten);
    delivery.memory = Some(memory);
    delivery.commit()
}

/// The exported calls, read by rising id, and the file that replaces the old file of exported
/// calls.
struct KnownCalls {
    entries: Entries,
    next: SideLog,
    kept_from: Timestamp,
}

impl KnownCalls {
    /// The entry of a call, if the call has an entry. The entries before it go unchanged into the
    /// new file, except those that are too old.
    fn pass_to(&mut self, id: u64) -> anyhow::Result<Option<CallEntry>> {
        while let Some(entry) = self.entries.next_up_to(id)? {
            if entry.id == id {
                return Ok(Some(entry));
            }
            self.keep(&entry)?;
        }
        Ok(None)
    }

    fn keep(&mut self, entry: &CallEntry) -> anyhow::Result<()> {
        match entry.time >= self.kept_from {
            true => self.next.append(&entry.line()),
            false => Ok(()),
        }
    }
}

fn compare(
    memory: &CallMemory,
    call: &Call,
    entry: Option<CallEntry>,
    mut fresh: CallEntry,
    is_pending: bool,
    from: Timestamp,
) -> RereadCall {
    let exported = &memory.exported;
    match entry {
        // A call that is being analysed again counts as unchanged until the analysis ends.
        Some(entry) if !call.is_final() || entry.hash == fresh.hash => RereadCall::Same(entry),
        Some(entry) => {
            fresh.time = call.start.unwrap_or(entry.time);
            RereadCall::Changed(fresh)
        }
        None if is_pending || !call.is_final() => RereadCall::Unfinished,
        None if call.id <= exported.after => RereadCall::Unknown(fresh),
        None if fresh.time < exported.from.unwrap_or(from).max(from) => RereadCall::Unknown(fresh),
        None => RereadCall::Late(fresh),
    }
}
