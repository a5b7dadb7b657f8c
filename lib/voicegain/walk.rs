//! The walk requests page after page, from the cursor on. It delivers each page before it saves the
//! state. At an empty page it finds out why there are no more calls.
//!
//! A page is read call by call, and a call is written as soon as it is read. If a page is cut off,
//! the calls before the cut are delivered, and the walk continues after them. So a retry writes no
//! call twice.

use super::api::{Page, PageUse, VoicegainApi};
use super::delivery::CallDelivery;
use super::outcome::describe;
use super::progress::Unfinished;
use super::query::PagePosition;
use super::stuck::{Stuck, WalkEnd, unfinished};
use super::wire::PageError;
use crate::error;
use crate::net::retry::Failed;
use std::time::Duration;

/// How often the walk is tried again if the call that blocked it has just finished.
const RACES: u32 = 5;

/// How reading a page ended.
enum PageEnd {
    /// The page is complete, with this many calls.
    Whole(u64),
    Broken(Failed),
    /// The page has an unfinished call. The service should have ended the page before this call.
    Blocked(Unfinished),
    /// The page has an element that is not a call, or not a call of this export.
    Bad(anyhow::Error),
}

/// Exports all finished calls after the cursor. A call that blocks and is older than `skip_after`
/// is skipped.
pub(super) fn walk(
    api: &VoicegainApi,
    delivery: &mut CallDelivery<'_>,
    skip_after: Option<Duration>,
) -> anyhow::Result<WalkEnd> {
    let mut stuck = Stuck::default();
    let mut races = 0;
    let mut tries = api.tries();
    loop {
        let begun = delivery.progress.cursor;
        let mut page = api.open(&mut tries, PagePosition::After(begun), PageUse::Walk)?;
        let mut cursor = begun;
        let end = deliver(api, delivery, &mut page, &mut cursor)?;
        let has_moved = cursor > begun;
        if has_moved {
            tries = api.tries();
            delivery.counts.pages += 1;
            delivery.progress.cursor = cursor;
            delivery.commit()?;
        }
        let blocked = match end {
            PageEnd::Bad(e) => return Err(e),
            PageEnd::Broken(failed) if has_moved => {
                // A connection that was closed because of a signal is not a network failure.
                api.retry().stop().check()?;
                log::info!("{}; continuing after call {cursor}", failed.why);
                if failed.slow {
                    api.halve(page.size, &failed.why);
                }
                continue;
            }
            PageEnd::Broken(failed) => {
                api.again(&mut tries, failed, page.size)?;
                continue;
            }
            PageEnd::Whole(count) => {
                tries = api.tries();
                api.grow(count, page.size);
                if has_moved {
                    continue;
                }
                None
            }
            PageEnd::Blocked(call) => Some(call),
        };
        let known = delivery.progress.blocked.as_ref();
        let end = match blocked {
            Some(call) => WalkEnd::Blocked(call.known_since(known)),
            None => stuck.why(api, cursor, known)?,
        };
        match end {
            WalkEnd::Moving if races < RACES => races += 1,
            WalkEnd::Moving => {
                let why = "the service has finished calls after that call, but does not send them";
                return Ok(WalkEnd::Unclear(why));
            }
            WalkEnd::Blocked(call) if is_to_skip(api, &call, skip_after) => {
                skip(api, delivery, call)?;
            }
            end => {
                delivery.progress.blocked = match &end {
                    WalkEnd::Blocked(call) => Some(call.clone()),
                    _ => None,
                };
                return Ok(end);
            }
        }
    }
}

/// Delivers the calls of a page, and sets `cursor` to the id of each delivered call. Fails if the
/// output fails, or if the ids do not rise; the state then stays before this page.
fn deliver(
    api: &VoicegainApi,
    delivery: &mut CallDelivery<'_>,
    page: &mut Page,
    cursor: &mut u64,
) -> anyhow::Result<PageEnd> {
    let mut count = 0;
    loop {
        let (call, body) = match page.reader.next_call(api.dates()) {
            Ok(Some(next)) => next,
            Ok(None) => return Ok(PageEnd::Whole(count)),
            Err(PageError::Passing(failed)) => return Ok(PageEnd::Broken(failed)),
            Err(PageError::Final(e)) => return Ok(PageEnd::Bad(e)),
        };
        if call.id <= *cursor {
            return Err(out_of_order(call.id, *cursor));
        }
        if call.is_under_way() {
            return Ok(PageEnd::Blocked(unfinished(&call, api.retry().now())));
        }
        if let Err(e) = delivery.check(&call, body) {
            return Ok(PageEnd::Bad(e));
        }
        delivery.export(&call, body)?;
        *cursor = call.id;
        count += 1;
    }
}

fn is_to_skip(api: &VoicegainApi, call: &Unfinished, skip_after: Option<Duration>) -> bool {
    let now = api.retry().now();
    skip_after.is_some_and(|limit| call.age(now) > limit)
}

fn skip(
    api: &VoicegainApi,
    delivery: &mut CallDelivery<'_>,
    call: Unfinished,
) -> anyhow::Result<()> {
    log::warn!(
        "skipping {}; a later run exports it when it has finished",
        describe(&call, api.retry().now())
    );
    delivery.counts.skipped += 1;
    delivery.progress.cursor = call.call_id;
    delivery.progress.blocked = None;
    delivery.progress.pending.push(call);
    delivery.commit()
}

fn out_of_order(id: u64, last: u64) -> anyhow::Error {
    error::bad_input(format!(
        "the service sent call {id} after call {last}, though ids must rise: the export stops there, and the state stays before this page"
    ))
}
