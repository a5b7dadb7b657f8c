//! Lists calls in the order that the user chose. A listing has no cursor: after a cursor, the
//! service returns calls in the order of their ids.
//!
//! Pages are requested by number. If a call is deleted during the run, later calls move to earlier
//! pages, and a call can be left out; only a cursor prevents this. A call that is received twice is
//! written once.

use std::collections::BTreeSet;

use super::api::{PageUse, VoicegainApi};
use super::delivery::CallDelivery;
use super::query::PagePosition;
use super::wire::PageError;

/// Exports all calls that the filters let pass, unfinished ones included.
pub(super) fn list(api: &VoicegainApi, delivery: &mut CallDelivery<'_>) -> anyhow::Result<()> {
    let mut seen = BTreeSet::new();
    let mut tries = api.tries();
    let mut skipped = 0;
    loop {
        let mut page = api.open(&mut tries, PagePosition::Sorted(skipped), PageUse::Walk)?;
        // If pages have become smaller, this page can begin before `skipped`.
        let mut read = skipped / page.size * page.size;
        let broken = loop {
            match page.reader.next_call(api.dates()) {
                Ok(Some((call, body))) => {
                    read += 1;
                    if seen.insert(call.id) {
                        delivery.check(&call, body)?;
                        delivery.export(&call, body)?;
                    }
                }
                Ok(None) => break None,
                Err(PageError::Passing(failed)) => break Some(failed),
                Err(PageError::Final(e)) => return Err(e),
            }
        };
        let has_moved = read > skipped;
        if has_moved {
            skipped = read;
            tries = api.tries();
            delivery.counts.pages += 1;
        }
        match broken {
            Some(failed) => api.again(&mut tries, failed, page.size)?,
            None if !has_moved => return Ok(()),
            None => {}
        }
    }
}
