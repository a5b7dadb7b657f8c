//! Turning pages, for what cannot be cut into shorter windows: a session without
//! times, or more messages within a few seconds than come at a time. What `offset`
//! counts is a setting, so that nothing that comes is believed before it fits.

use super::api::{DialpadApi, SliceAnswer};
use super::message::Identity;
use super::query::{PageQuery, Slice};
use super::settings::OffsetMode;
use super::spool::{SliceReading, lacking};
use crate::error;

/// Whether the first page is all. If it is, whatever `offset` counts, there is
/// behind 1 either nothing, or one row less of the same.
pub fn is_all(
    api: &DialpadApi,
    slice: &Slice<'_>,
    first: &mut SliceReading,
) -> anyhow::Result<bool> {
    Ok(behind_one(api, slice, first)?.is_none())
}

/// What lies behind offset 1; `None` if it shows that the first page is all.
fn behind_one(
    api: &DialpadApi,
    slice: &Slice<'_>,
    first: &mut SliceReading,
) -> anyhow::Result<Option<Vec<Identity>>> {
    let ours = api.first_page();
    let had = first.identities(None)?;
    let mut page = PageQuery { offset: 1, ..ours };
    let mut behind = read(api, slice, page)?.identities(None)?;
    if behind == had && ours.limit == 0 {
        // Without a limit, an offset may be nothing to the service.
        page.limit = first.rows + 1;
        behind = read(api, slice, page)?.identities(None)?;
    }
    let is_one_less = behind.len() + 1 == had.len() && lacking(&behind, &had) == 0;
    if !behind.is_empty() && !is_one_less {
        return Ok(Some(behind));
    }
    // In another order each time, one less of the same may be a second page by
    // chance. Then there are not two less behind 2, or more come if more are asked for.
    let is_two_less = behind.len() < 2 || {
        page.offset = 2;
        read(api, slice, page)?.rows + 2 == first.rows
    };
    let has_no_more = ours.limit > 0 || {
        let limit = first.rows + 1;
        read(api, slice, PageQuery { limit, ..ours })?.rows == first.rows
    };
    Ok((!is_two_less || !has_no_more).then_some(behind))
}

/// All pages. They are read twice, and must be the same; no message may come on
/// two of them; and behind some offsets there must lie as many as follow from them.
pub fn turn(
    api: &DialpadApi,
    slice: &Slice<'_>,
    mut first: SliceReading,
) -> anyhow::Result<SliceReading> {
    let Some(mut behind) = behind_one(api, slice, &mut first)? else {
        return Ok(first);
    };
    let mut before = None;
    for _ in 0..3 {
        let mut all = all_pages(api, slice)?;
        let found = all.identities(None)?;
        // There is more than the first page, or we would not be here.
        let is_more = all.rows > first.rows;
        if !is_more || lacking(&behind, &found) > 0 || !fits(api, slice, first.rows, all.rows)? {
            let why = "what lies behind some offsets does not fit the pages";
            return Err(refusal(api, slice, why));
        }
        if before.as_ref() == Some(&found) {
            return Ok(all);
        }
        before = Some(found);
        match behind_one(api, slice, &mut first)? {
            Some(again) => behind = again,
            None => return Ok(first),
        }
    }
    Err(error::bad_input(format!(
        "{}: its pages are others each time: raise --limit, so that one page is enough",
        api.service().shown(slice)
    )))
}

/// Whether there are as many messages behind an offset as there would be if it
/// counted what we think, and there were so many at a time and in all.
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
    let mut all = SliceReading::default();
    let mut known: Vec<Identity> = Vec::new();
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
            let text = format!("offset {offset} repeats messages of a page before it");
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
        "{slice}: more messages than come at a time, and {why}: {limit} so that one page is enough, or try --offset-mode {}",
        args.offset_mode.other()
    ))
}
