//! Lists calls in the order that the user chose, without a cursor: the service does not sort when
//! it returns the next finished calls.
//!
//! Pages are counted. If a call is deleted meanwhile, the others move and one may be left out; only
//! a cursor prevents this. A call that comes twice is written once.

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
        // A page of a smaller size may begin before that.
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
