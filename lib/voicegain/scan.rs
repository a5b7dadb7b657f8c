//! Reads pages of calls outside of the walk: the newest calls, or the calls of a period.

use super::api::{ReplyBody, VoicegainApi};
use super::call::Call;
use super::query::PagePosition;
use super::wire::{JsonPage, PageError, WireFormat};
use crate::net::retry::Tries;

/// Requests page after page until one is empty. A call that moves from one page to another can be
/// returned twice or not at all. A page that was cut off is requested again, so its calls can be
/// returned twice, too.
#[derive(Debug)]
pub(super) struct CallScan<'a, P> {
    api: &'a VoicegainApi,
    place: P,
    /// The number of calls before the current page.
    skipped: u64,
    /// The most calls to request in one page.
    most: u64,
    page: Option<ScannedPage>,
    tries: Tries<'a>,
}

#[derive(Debug)]
struct ScannedPage {
    reader: JsonPage<ReplyBody>,
    size: u64,
    count: u64,
}

/// The next item of a scan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScanStep {
    Call(Call),
    /// The end of a page that had a call; the next step requests one more page.
    PageEnd,
    /// There are no more calls.
    End,
}

impl<'a, P: Fn(u64) -> PagePosition> CallScan<'a, P> {
    /// Starts a scan. `place` turns a number of calls to skip into a position. The first page has
    /// at most `glance` calls.
    pub(super) fn new(api: &'a VoicegainApi, place: P, glance: u64) -> CallScan<'a, P> {
        CallScan {
            tries: api.tries(),
            api,
            place,
            skipped: 0,
            most: glance,
            page: None,
        }
    }

    /// The JSON of the call that was returned last, on one line.
    pub(super) fn json(&self) -> &str {
        self.page.as_ref().map_or("", |page| page.reader.json())
    }

    pub(super) fn next_step(&mut self) -> anyhow::Result<ScanStep> {
        loop {
            let page = match &mut self.page {
                Some(page) => page,
                None => {
                    let place = (self.place)(self.skipped);
                    let (reply, size) =
                        self.api
                            .reply(&mut self.tries, place, self.most, WireFormat::Json)?;
                    self.page.insert(ScannedPage {
                        reader: JsonPage::new(ReplyBody::new(reply)),
                        size,
                        count: 0,
                    })
                }
            };
            match page.reader.advance() {
                Ok(Some(call)) => {
                    page.count += 1;
                    return Ok(ScanStep::Call(call));
                }
                Ok(None) => return Ok(self.turn()),
                Err(PageError::Final(e)) => return Err(e),
                Err(PageError::Passing(failed)) => {
                    let size = page.size;
                    self.page = None;
                    self.api.again(&mut self.tries, failed, size)?;
                }
            }
        }
    }

    fn turn(&mut self) -> ScanStep {
        let Some(page) = self.page.take().filter(|page| page.count > 0) else {
            return ScanStep::End;
        };
        let at = self.skipped / page.size * page.size;
        if at == 0 {
            // If the service returned fewer calls than requested, the number of returned calls is
            // the size of its pages.
            self.most = match page.count < page.size {
                true => page.count,
                false => u64::MAX,
            };
            self.skipped = page.count;
        } else {
            self.skipped = at + page.size;
        }
        self.tries = self.api.tries();
        ScanStep::PageEnd
    }
}
