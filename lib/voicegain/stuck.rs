//! Why a walk ended: because there is nothing more, or because a call that is
//! still being worked on holds back everything behind it. The service answers both
//! with an empty page.
//!
//! The newest calls are looked at, by descending id, down to the last one that was
//! exported; the lowest of them is the one that the walk stands before. Times are
//! not used for that: an uploaded recording may be months older than its id.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::api::{PageUse, VoicegainApi};
use super::call::Call;
use super::progress::Unfinished;
use super::query::PagePosition;
use super::wire::{Flow, RawCall};
use crate::time::Timestamp;

/// Unfinished calls that are remembered from one look, the lowest ones.
const KEPT: usize = 1000;

/// Pages that are read where the service turns out to sort by something else.
const PAGES: u32 = 100;

/// The first look is a short one: mostly there is nothing, or nearly.
const GLANCE: u64 = 25;

/// Why there is no next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalkEnd {
    /// There is none.
    CaughtUp,
    /// This one is not finished.
    Blocked(Unfinished),
    /// There is one that is finished: it was not a moment ago.
    Moving,
    /// It cannot be told, because of this.
    Unclear(&'static str),
}

/// Looks for the reason, and keeps what it found.
#[derive(Debug, Default)]
pub struct Stuck {
    unfinished: BTreeMap<u64, Unfinished>,
}

/// A call as something that blocks.
pub fn unfinished(call: &Call, now: Timestamp) -> Unfinished {
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
    /// Why the walk found nothing above `cursor`. `known` is what blocked it before.
    pub fn why(
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
        Ok(match (why, known) {
            (WalkEnd::Blocked(next), Some(known)) if next.call_id == known.call_id => {
                WalkEnd::Blocked(Unfinished {
                    since: known.since,
                    ..next
                })
            }
            (why, _) => why,
        })
    }

    fn look(&mut self, api: &VoicegainApi, cursor: u64) -> anyhow::Result<WalkEnd> {
        let now = api.retry().now();
        let mut lowest: Option<(u64, bool)> = None;
        let last = Cell::new(u64::MAX);
        let descends = Cell::new(true);
        let pages = Cell::new(0);
        let each = &mut |call: &Call, _: RawCall<'_>| {
            // A later page may begin with what an earlier one ended with.
            descends.set(descends.get() && (call.id <= last.get() || pages.get() > 0));
            last.set(call.id);
            if call.id <= cursor {
                return Ok(Flow::On);
            }
            if lowest.is_none_or(|(id, _)| call.id < id) {
                lowest = Some((call.id, call.is_final()));
            }
            if !call.is_final() {
                self.unfinished.insert(call.id, unfinished(call, now));
                if self.unfinished.len() > KEPT {
                    self.unfinished.pop_last();
                }
            }
            Ok(Flow::On)
        };
        let at_end = || {
            pages.set(pages.get() + 1);
            let reached = descends.get() && last.get() <= cursor;
            Ok(match reached || !descends.get() && pages.get() > PAGES {
                true => Flow::Enough,
                false => Flow::On,
            })
        };
        api.scan(PagePosition::Newest, GLANCE, each, at_end)?;
        if !descends.get() && pages.get() > PAGES {
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

/// How it is with the call that blocked before, by the time that it began at;
/// `None` if it is not to be seen there.
fn look_again(api: &VoicegainApi, known: &Unfinished) -> anyhow::Result<Option<WalkEnd>> {
    let Some(start) = known.start else {
        return Ok(None);
    };
    let margin = Duration::from_secs(2);
    let place = PagePosition::Between(start.minus(margin), start.plus(margin), 0);
    let now = api.retry().now();
    let mut found = None;
    api.page(place, PageUse::Look(u64::MAX), &mut |call, _| {
        if call.id != known.call_id {
            return Ok(Flow::On);
        }
        found = Some(match call.is_final() {
            true => WalkEnd::Moving,
            false => WalkEnd::Blocked(unfinished(call, now)),
        });
        Ok(Flow::Enough)
    })?;
    Ok(found)
}
