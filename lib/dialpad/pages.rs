//! Turning pages, for what cannot be cut into shorter windows: a session without
//! times, or more messages within a few seconds than come at a time. What `offset`
//! counts is a setting, so that nothing that comes is believed before it fits.

use super::api::{Answer, Api};
use super::message::Identity;
use super::query::{OffsetMode, Slice};
use super::spool::{Reading, lacking};
use crate::error;

/// Whether the first page is all. Whatever `offset` counts, behind 1 there is then
/// either nothing, or one row less of the same.
pub fn is_all(api: &Api, slice: &Slice<'_>, first: &mut Reading) -> anyhow::Result<bool> {
    let mut second = page(api, slice, 1)?;
    Ok(is_same_but_one(first, &mut second)?)
}

fn is_same_but_one(first: &mut Reading, second: &mut Reading) -> anyhow::Result<bool> {
    if second.rows == 0 {
        return Ok(true);
    }
    if second.rows + 1 != first.rows {
        return Ok(false);
    }
    let (first, second) = (first.identities(None)?, second.identities(None)?);
    Ok(lacking(&second, &first) == 0)
}

/// All pages. They are read twice, and must be the same; no message may come on
/// two of them; and what lies behind offset 1 must be among them.
pub fn turn(api: &Api, slice: &Slice<'_>, mut first: Reading) -> anyhow::Result<Reading> {
    let mut second = page(api, slice, 1)?;
    if is_same_but_one(&mut first, &mut second)? {
        return Ok(first);
    }
    let mut before = None;
    for _ in 0..3 {
        let mut all = all_pages(api, slice)?;
        let found = all.identities(None)?;
        if lacking(&second.identities(None)?, &found) > 0 {
            return Err(refusal(
                api,
                slice,
                "messages behind offset 1 are on no page",
            ));
        }
        if before.as_ref() == Some(&found) {
            return Ok(all);
        }
        before = Some(found);
        second = page(api, slice, 1)?;
    }
    Err(error::bad_input(format!(
        "{}: its pages are others each time: raise --limit, so that one page is enough",
        api.service().shown(slice)
    )))
}

fn all_pages(api: &Api, slice: &Slice<'_>) -> anyhow::Result<Reading> {
    let mode = api.service().args.offset_mode;
    let mut all = Reading::default();
    let mut known: Vec<Identity> = Vec::new();
    let mut offset = 0;
    loop {
        let mut next = page(api, slice, offset)?;
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

fn page(api: &Api, slice: &Slice<'_>, offset: u64) -> anyhow::Result<Reading> {
    let page = super::query::Page {
        offset,
        ..api.first_page()
    };
    match api.ask(slice, page, false)? {
        Answer::Rows(reading) => Ok(reading),
        Answer::TooMuch => Err(error::refused(api.service().shown(slice))),
    }
}

fn refusal(api: &Api, slice: &Slice<'_>, why: &str) -> anyhow::Error {
    error::usage(format!(
        "{}: more messages than come at a time, and {why}: try --offset-mode {}, or raise --limit so that one page is enough",
        api.service().shown(slice),
        api.service().args.offset_mode.other()
    ))
}
