//! Finds out why there are no more calls: all are exported, or an unfinished call blocks the calls
//! after it. The service answers with an empty page in both cases.
//!
//! The newest calls are read by descending id, down to the last exported call. Among these calls,
//! the call with the lowest id is the next one. The order of their times is not used, because an
//! uploaded recording can be months older than its id.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::VoicegainApi;
use super::call::Call;
use super::progress::Unfinished;
use super::query::PagePosition;
use super::scan::{CallScan, ScanStep};
use crate::time::Timestamp;

/// Of the unfinished calls, only this many are remembered: those with the lowest ids.
const KEPT: usize = 1000;

/// If the service does not sort by id, the search for the next call stops after this many pages.
const PAGES: u32 = 100;

/// The most calls in the first page that the search requests. Usually only a few calls are newer
/// than the cursor, or none.
const GLANCE: u64 = 25;

/// Why there is no next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WalkEnd {
    /// All calls are exported.
    CaughtUp,
    /// This call is not finished, and blocks the calls after it.
    Blocked(Unfinished),
    /// A call has finished since the last request.
    Moving,
    /// The reason could not be found; the text says why.
    Unclear(&'static str),
}

/// Finds out why the service returns no call after the cursor, and remembers the unfinished calls
/// that were read for this.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    unfinished: BTreeMap<u64, Unfinished>,
}

/// The entry for an unfinished call.
pub(super) fn unfinished(call: &Call, now: Timestamp) -> Unfinished {
    Unfinished {
        call_id: call.id,
        phase: match call.phase.as_str() {
            "" => "no phase".to_owned(),
            phase => phase.to_owned(),
        },
        start: call.start,
        since: now,
        seen: now,
    }
}

impl Stuck {
    /// Why the walk found no call above `cursor`. `known` is the call that blocked the walk last
    /// time.
    pub(super) fn why(
        &mut self,
        api: &VoicegainApi,
        cursor: u64,
        known: Option<&Unfinished>,
    ) -> anyhow::Result<WalkEnd> {
        if let Some((_, next)) = self.unfinished.range(cursor + 1..).next() {
            return Ok(WalkEnd::Blocked(next.clone()));
        }
        let why = match known.filter(|known| known.call_id > cursor) {
            Some(known) => match look_again(api, known)? {
                Some(why) => why,
                None => self.look(api, cursor)?,
            },
            None => self.look(api, cursor)?,
        };
        Ok(match why {
            WalkEnd::Blocked(next) => WalkEnd::Blocked(next.known_since(known)),
            why => why,
        })
    }

    fn look(&mut self, api: &VoicegainApi, cursor: u64) -> anyhow::Result<WalkEnd> {
        let now = api.retry().now();
        let mut lowest: Option<(u64, bool)> = None;
        let (mut last, mut descends, mut pages) = (u64::MAX, true, 0);
        let mut scan = CallScan::new(api, PagePosition::Newest, GLANCE);
        loop {
            let call = match scan.next_step()? {
                ScanStep::Call(call) => call,
                ScanStep::End => break,
                ScanStep::PageEnd => {
                    pages += 1;
                    if descends && last <= cursor || !descends && pages > PAGES {
                        break;
                    }
                    continue;
                }
            };
            // A page can begin with calls that the page before it had, too.
            descends = descends && (call.id <= last || pages > 0);
            last = call.id;
            if call.id <= cursor {
                continue;
            }
            if lowest.is_none_or(|(id, _)| call.id < id) {
                lowest = Some((call.id, call.is_final()));
            }
            if !call.is_final() {
                self.unfinished.insert(call.id, unfinished(&call, now));
                if self.unfinished.len() > KEPT {
                    self.unfinished.pop_last();
                }
            }
        }
        if !descends && pages > PAGES {
            self.unfinished.clear();
            return Ok(WalkEnd::Unclear("the service does not sort by callId"));
        }
        Ok(match lowest {
            None => WalkEnd::CaughtUp,
            Some((id, false)) => WalkEnd::Blocked(self.unfinished[&id].clone()),
            Some((_, true)) => {
                self.unfinished.clear();
                WalkEnd::Moving
            }
        })
    }
}

/// Whether the call that blocked last time still blocks. Looks the call up by its start time;
/// `None` if the call is not found.
fn look_again(api: &VoicegainApi, known: &Unfinished) -> anyhow::Result<Option<WalkEnd>> {
    let Some(start) = known.start else {
        return Ok(None);
    };
    let margin = Duration::from_secs(2);
    let place = |_| PagePosition::Between(start.minus(margin), start.plus(margin), 0);
    let mut scan = CallScan::new(api, place, u64::MAX);
    while let ScanStep::Call(call) = scan.next_step()? {
        if call.id == known.call_id {
            return Ok(Some(match call.is_final() {
                true => WalkEnd::Moving,
                false => WalkEnd::Blocked(unfinished(&call, api.retry().now())),
            }));
        }
    }
    Ok(None)
}
