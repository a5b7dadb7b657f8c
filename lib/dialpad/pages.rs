//! Reads pages, for slices that cannot be cut into shorter windows: a session without times, or a
//! few seconds with more messages than one reply. What `offset` counts (messages or pages) is a
//! setting. Pages are used only if several offsets give as many messages as this setting predicts.

use super::api::{DialpadApi, SliceAnswer};
use super::message::MessageIdentity;
use super::query::{PageQuery, Slice};
use super::settings::OffsetMode;
use super::spool::{SliceReading, lacking};
use crate::error;

/// Whether the first page has all messages. If so, offset 1 gives no message (if `offset` counts
/// pages) or all messages but one (if `offset` counts messages).
pub(super) fn is_all(
    api: &DialpadApi,
    slice: &Slice<'_>,
    first: &mut SliceReading,
) -> anyhow::Result<bool> {
    Ok(at_offset_one(api, slice, first)?.is_none())
}

/// The messages at offset 1; `None` if they show that the first page has all messages.
fn at_offset_one(
    api: &DialpadApi,
    slice: &Slice<'_>,
    first: &mut SliceReading,
) -> anyhow::Result<Option<Vec<MessageIdentity>>> {
    let ours = api.first_page();
    let had = first.identities(None)?;
    let mut page = PageQuery { offset: 1, ..ours };
    let mut rest = read(api, slice, page)?.identities(None)?;
    if rest == had && ours.limit == 0 {
        // Without a limit, the service can ignore the offset.
        page.limit = first.rows + 1;
        rest = read(api, slice, page)?.identities(None)?;
    }
    let is_one_less = rest.len() + 1 == had.len() && lacking(&rest, &had) == 0;
    if !rest.is_empty() && !is_one_less {
        return Ok(Some(rest));
    }
    // That offset 1 gives one message less can be chance, if the order of the messages changes with
    // each request. So offset 2 must give two messages less, and a higher limit no more messages.
    let is_two_less = rest.len() < 2 || {
        page.offset = 2;
        read(api, slice, page)?.rows + 2 == first.rows
    };
    let has_no_more = ours.limit > 0 || {
        let limit = first.rows + 1;
        read(api, slice, PageQuery { limit, ..ours })?.rows == first.rows
    };
    Ok((!is_two_less || !has_no_more).then_some(rest))
}

/// The messages of all pages. The pages are read until two readings give the same messages, at most
/// three times. It is an error if a message is on two pages, or if a request with another offset
/// gives an unexpected number of messages.
pub(super) fn turn(
    api: &DialpadApi,
    slice: &Slice<'_>,
    mut first: SliceReading,
) -> anyhow::Result<SliceReading> {
    let Some(mut rest) = at_offset_one(api, slice, &mut first)? else {
        return Ok(first);
    };
    let mut before = None;
    for _ in 0..3 {
        let mut all = all_pages(api, slice)?;
        let found = all.identities(None)?;
        // `at_offset_one` has shown that there are more messages than the first page has.
        let is_more = all.rows > first.rows;
        if !is_more || lacking(&rest, &found) > 0 || !fits(api, slice, first.rows, all.rows)? {
            let why = "some offsets give a different number of messages than the pages";
            return Err(refusal(api, slice, why));
        }
        if before.as_ref() == Some(&found) {
            return Ok(all);
        }
        before = Some(found);
        match at_offset_one(api, slice, &mut first)? {
            Some(again) => rest = again,
            None => return Ok(first),
        }
    }
    Err(error::bad_input(format!(
        "{}: its pages changed between two requests: raise --limit, so that one page is enough",
        api.service().shown(slice)
    )))
}

/// Whether some offsets give as many messages as the setting for `offset` predicts. `at_a_time` is
/// the number of messages on a page, `total` the number on all pages.
fn fits(api: &DialpadApi, slice: &Slice<'_>, at_a_time: u64, total: u64) -> anyhow::Result<bool> {
    let mode = api.service().args.offset_mode;
    for offset in [1, 2, total.saturating_sub(1), total.saturating_sub(2)] {
        let skipped = match mode {
            OffsetMode::Rows => offset,
            OffsetMode::Pages => offset.saturating_mul(at_a_time),
        };
        let expected = total.saturating_sub(skipped).min(at_a_time);
        let page = PageQuery {
            offset,
            ..api.first_page()
        };
        if read(api, slice, page)?.rows != expected {
            return Ok(false);
        }
    }
    Ok(true)
}

fn all_pages(api: &DialpadApi, slice: &Slice<'_>) -> anyhow::Result<SliceReading> {
    let mode = api.service().args.offset_mode;
    let mut all = api.new_reading();
    let mut known: Vec<MessageIdentity> = Vec::new();
    let mut offset = 0;
    loop {
        let page = PageQuery {
            offset,
            ..api.first_page()
        };
        let mut next = read(api, slice, page)?;
        if next.rows == 0 {
            return Ok(all);
        }
        let found = next.identities(None)?;
        if lacking(&found, &known) < found.len() {
            let text = format!("offset {offset} repeats messages of an earlier page");
            return Err(refusal(api, slice, &text));
        }
        known.extend(found);
        known.sort_unstable();
        all.append(&mut next, None)?;
        offset += match mode {
            OffsetMode::Rows => next.rows,
            OffsetMode::Pages => 1,
        };
    }
}

fn read(api: &DialpadApi, slice: &Slice<'_>, page: PageQuery) -> anyhow::Result<SliceReading> {
    match api.ask(slice, page, false)? {
        SliceAnswer::Rows(reading) => Ok(reading),
        SliceAnswer::TooMuch => Err(error::refused(api.service().shown(slice))),
    }
}

fn refusal(api: &DialpadApi, slice: &Slice<'_>, why: &str) -> anyhow::Error {
    let (slice, args) = (api.service().shown(slice), &api.service().args);
    let limit = match args.limit {
        0 => "use --limit 1000".to_owned(),
        limit => format!("raise --limit, which is {limit},"),
    };
    error::usage(format!(
        "{slice}: it holds more messages than one reply, and {why}: {limit} so that one page is enough, or try --offset-mode {}",
        args.offset_mode.other()
    ))
}
