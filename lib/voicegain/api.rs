//! Asking the service: every request waits for the quota, is let in by the token,
//! and is repeated when it failed for a passing reason. A page that is too much
//! for the service or for the network is asked for in smaller ones.

use std::cell::Cell;

use super::dates::Dates;
use super::query::{CallScope, PagePosition};
use super::refusal;
use super::wire::{self, CallVisitor, Flow, PageError, WireFormat};
use crate::error::Status;
use crate::net::client::{self, ApiCall, Client, Sent};

use crate::net::retry::{Attempt, Failed, Retry};

/// After so many full pages of a reduced size the next ones are twice as large.
const SMALL_PAGES: u32 = 4;

/// The API of one project.
#[derive(Debug)]
pub struct VoicegainApi {
    client: Client,
    scope: CallScope,
    wire: WireFormat,
    dates: Dates,
    /// Calls in a page, at most.
    most: u64,
    /// Calls in a page now: fewer when that proved too much.
    size: Cell<u64>,
    /// Full pages since the size was last changed.
    full: Cell<u32>,
}

/// What came of asking for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSummary {
    /// Calls that were handed on.
    pub count: u64,
    /// Calls that were asked for.
    pub size: u64,
    /// Whether the reply came to its end; if not, at least one call came.
    pub whole: bool,
}

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageUse {
    /// The walk: a page that breaks off has brought what it has brought.
    Walk,
    /// One call of the walk.
    One,
    /// Looking around, so many calls at most: a page that breaks off is read
    /// again from its start.
    Look(u64),
}

/// What came of asking for a page.
enum PageOutcome {
    Page(PageSummary),
    /// So many calls were too much, for this reason.
    TooMuch(u64, Failed),
    /// The request of this name failed in a way that may pass.
    Again(String, Failed),
}

impl VoicegainApi {
    /// The API that `client` asks, for the calls of `scope`, `size` in a page.
    pub fn new(
        client: Client,
        scope: CallScope,
        wire: WireFormat,
        dates: Dates,
        size: u64,
    ) -> VoicegainApi {
        VoicegainApi {
            client,
            scope,
            wire,
            dates,
            most: size,
            size: Cell::new(size),
            full: Cell::new(0),
        }
    }

    /// Who asks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The schedule, the clock, the jitter and the request to stop.
    pub fn retry(&self) -> &Retry {
        self.client.retry()
    }

    /// How times in CSV are read.
    pub fn dates(&self) -> &Dates {
        &self.dates
    }

    /// The form that the walk asks for.
    pub fn wire(&self) -> WireFormat {
        self.wire
    }

    /// Hands every call of one page to `each`, as it arrives.
    pub fn page(
        &self,
        place: PagePosition,
        purpose: PageUse,
        each: &mut CallVisitor<'_>,
    ) -> anyhow::Result<PageSummary> {
        loop {
            let mut tries = None;
            let (size, failed) = loop {
                match self.page_once(place, purpose, each)? {
                    PageOutcome::Page(page) => {
                        if purpose == PageUse::Walk {
                            self.grow(page);
                        }
                        return Ok(page);
                    }
                    PageOutcome::TooMuch(size, failed) => break (size, failed),
                    PageOutcome::Again(what, failed) => tries
                        .get_or_insert_with(|| self.retry().tries(&what))
                        .again(failed)?,
                }
            };
            self.halve(size, &failed.why);
            let pause = self.retry().wait(1).unwrap_or_default();
            self.retry().sleep(pause)?;
        }
    }

    fn page_once(
        &self,
        place: PagePosition,
        purpose: PageUse,
        each: &mut CallVisitor<'_>,
    ) -> anyhow::Result<PageOutcome> {
        let (size, wire) = match purpose {
            PageUse::Walk => (self.size.get(), self.wire),
            PageUse::One => (1, self.wire),
            PageUse::Look(most) => (self.size.get().min(most), WireFormat::Json),
        };
        let call = ApiCall::get(self.scope.page(place, size, wire), accept(wire));
        let mut reply = match self.client.once(&call)? {
            Sent::Reply(reply) => reply,
            Sent::Failed(failed) if failed.slow && size > 1 => {
                return Ok(PageOutcome::TooMuch(size, failed));
            }
            Sent::Failed(failed) => return Ok(PageOutcome::Again(call.what, failed)),
        };
        if reply.status == 413 && size > 1 {
            let failed = Failed::content("HTTP 413", Status::Refused);
            return Ok(PageOutcome::TooMuch(size, failed));
        }
        if !(200..300).contains(&reply.status) {
            return Err(refusal::of(&call.what, &mut reply));
        }
        if reply.is_html() {
            let failed = client::other_reply(&reply, "calls");
            return Ok(PageOutcome::Again(call.what, failed));
        }
        let mut page = PageSummary {
            count: 0,
            size,
            whole: true,
        };
        let mut counting = |call: &_, body: wire::RawCall<'_>| {
            let flow = each(call, body)?;
            page.count += 1;
            Ok(flow)
        };
        let read = match wire {
            WireFormat::Json => wire::read_json(reply.reader(), &mut counting),
            WireFormat::Csv => wire::read_csv(reply.reader(), &self.dates, &mut counting),
        };
        let failed = match read {
            Ok(()) => return Ok(PageOutcome::Page(page)),
            Err(PageError::Final(e)) => return Err(e),
            Err(PageError::Net(e)) => e.into_failed()?,
            Err(PageError::Content(text)) => Failed::content(text, Status::Refused),
        };
        // A connection that a signal has shut is no failure of the network.
        self.retry().stop().check()?;
        if page.count > 0 && !matches!(purpose, PageUse::Look(_)) {
            let (what, why) = (&call.what, &failed.why);
            log::info!("{what}: {why}; going on after {} calls", page.count);
            if failed.slow {
                self.halve(size, why);
            }
            page.whole = false;
            return Ok(PageOutcome::Page(page));
        }
        Ok(match failed.slow && size > 1 {
            true => PageOutcome::TooMuch(size, failed),
            false => PageOutcome::Again(call.what, failed),
        })
    }

    /// Looks at the times of the walk's next page, as they are spelled in CSV.
    pub fn sample(&self, cursor: u64, each: &mut dyn FnMut(&str, &str)) -> anyhow::Result<()> {
        let place = PagePosition::After(cursor);
        let url = self.scope.page(place, self.size.get(), WireFormat::Csv);
        let call = ApiCall::get(url, accept(WireFormat::Csv));
        self.client.fetch(&call, |reply| {
            if reply.status != 200 {
                return Err(refusal::of(&call.what, reply));
            }
            match wire::read_times(reply.reader(), each) {
                Ok(()) => Ok(Attempt::Done(())),
                Err(PageError::Final(e)) => Err(e),
                Err(PageError::Net(e)) => e.into_failed().map(Attempt::Again),
                Err(PageError::Content(text)) => {
                    Ok(Attempt::Again(Failed::content(text, Status::Refused)))
                }
            }
        })
    }

    /// Turns the pages of an order that is no walk, until one is empty or `each`
    /// page says that it is enough. The first one is of at most `glance` calls.
    /// What moves between two pages may come twice, or be missed until next time.
    pub fn scan(
        &self,
        place: impl Fn(u64) -> PagePosition,
        glance: u64,
        each: &mut CallVisitor<'_>,
        mut at_end: impl FnMut() -> anyhow::Result<Flow>,
    ) -> anyhow::Result<()> {
        let (mut skipped, mut most) = (0, glance);
        loop {
            let page = self.page(place(skipped), PageUse::Look(most), each)?;
            if page.count == 0 || at_end()? == Flow::Enough {
                return Ok(());
            }
            let at = skipped / page.size * page.size;
            if at == 0 {
                // The service may give less than it is asked for: then that is a page.
                most = match page.count < page.size {
                    true => page.count,
                    false => u64::MAX,
                };
                skipped = page.count;
            } else {
                skipped = at + page.size;
            }
        }
    }

    /// Smaller pages from now on: that this fails is no reason to give up, since
    /// the next run would begin with large ones again.
    fn halve(&self, size: u64, why: &str) {
        let half = (size / 2).max(1);
        self.full.set(0);
        if half < self.size.get() {
            log::warn!("{why}; asking for {half} calls at a time");
            self.size.set(half);
        }
    }

    /// Larger pages again, when small ones have gone well for a while.
    fn grow(&self, page: PageSummary) {
        let size = self.size.get();
        if size == self.most || !page.whole || page.count < size {
            return;
        }
        self.full.set(self.full.get() + 1);
        if self.full.get() >= SMALL_PAGES {
            self.full.set(0);
            self.size.set((size * 2).min(self.most));
        }
    }
}

fn accept(wire: WireFormat) -> &'static str {
    match wire {
        WireFormat::Json => "application/json",
        WireFormat::Csv => "text/csv",
    }
}
