//! Asking the service: every request waits for the quota, is let in by the token,
//! and is repeated when it failed for a passing reason. A page that is too much
//! for the service or for the network is asked for in smaller ones.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::dates::Dates;
use super::query::{CallScope, PagePosition};
use super::quota::Quota;
use super::refusal;
use super::wire::{self, CallVisitor, Flow, PageError, WireFormat};
use crate::error::{self, Status};
use crate::net::attempts::{Attempt, Attempts, Trouble};
use crate::net::http::{self, Http, Reply, Request, Url};
use crate::net::secret::Secret;

/// After so many full pages of a reduced size the next ones are twice as large.
const SMALL_PAGES: u32 = 4;

/// The API of one project.
#[derive(Debug)]
pub struct VoicegainApi {
    http: Http,
    attempts: Attempts,
    scope: CallScope,
    token: Secret,
    quota: Quota,
    wire: WireFormat,
    dates: Dates,
    /// Calls in a page, at most.
    most: u64,
    /// Calls in a page now: fewer when that proved too much.
    size: Cell<u64>,
    /// Full pages since the size was last changed.
    full: Cell<u32>,
    requests: Cell<u64>,
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
    TooMuch(u64, String),
}

/// What came of a request, by what it means for the next one.
pub(super) enum ReplyOrRetry {
    Reply(Box<Reply>),
    /// It may pass; and asking for less may help.
    Again(Trouble, bool),
}

impl VoicegainApi {
    /// Everything that asking takes.
    #[allow(clippy::too_many_arguments, reason = "each is a thing of its own")]
    pub fn new(
        http: Http,
        attempts: Attempts,
        scope: CallScope,
        token: Secret,
        quota: Quota,
        wire: WireFormat,
        dates: Dates,
        size: u64,
    ) -> VoicegainApi {
        VoicegainApi {
            http,
            attempts,
            scope,
            token,
            quota,
            wire,
            dates,
            most: size,
            size: Cell::new(size),
            full: Cell::new(0),
            requests: Cell::new(0),
        }
    }

    /// The clock, the jitter and the request to stop.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// How times in CSV are read.
    pub fn dates(&self) -> &Dates {
        &self.dates
    }

    /// The form that the walk asks for.
    pub fn wire(&self) -> WireFormat {
        self.wire
    }

    /// Requests sent so far.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Hands every call of one page to `each`, as it arrives.
    pub fn page(
        &self,
        place: PagePosition,
        purpose: PageUse,
        each: &mut CallVisitor<'_>,
    ) -> anyhow::Result<PageSummary> {
        let what = format!("GET {}", http::show(self.scope.url()));
        loop {
            let once = || self.page_once(&what, place, purpose, each);
            match self.attempts.run(&what, once)? {
                PageOutcome::Page(page) => {
                    if purpose == PageUse::Walk {
                        self.grow(page);
                    }
                    return Ok(page);
                }
                PageOutcome::TooMuch(size, why) => {
                    self.halve(size, &format!("{what}: {why}"));
                    let pause = self.attempts.wait(1).unwrap_or_default();
                    self.attempts.stop().sleep(pause)?;
                }
            }
        }
    }

    fn page_once(
        &self,
        what: &str,
        place: PagePosition,
        purpose: PageUse,
        each: &mut CallVisitor<'_>,
    ) -> anyhow::Result<Attempt<PageOutcome>> {
        let (size, wire) = match purpose {
            PageUse::Walk => (self.size.get(), self.wire),
            PageUse::One => (1, self.wire),
            PageUse::Look(most) => (self.size.get().min(most), WireFormat::Json),
        };
        let url = self.scope.page(place, size, wire);
        let mut reply = match self.ask(what, &url, accept(wire), &[], 1)? {
            ReplyOrRetry::Reply(reply) => reply,
            ReplyOrRetry::Again(trouble, true) if size > 1 => {
                return Ok(Attempt::Done(PageOutcome::TooMuch(size, trouble.why)));
            }
            ReplyOrRetry::Again(trouble, _) => return Ok(Attempt::Again(trouble)),
        };
        if reply.status == 413 && size > 1 {
            return Ok(Attempt::Done(PageOutcome::TooMuch(
                size,
                "HTTP 413".to_owned(),
            )));
        }
        if !(200..300).contains(&reply.status) {
            return Err(self.refusal(what, &mut reply));
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
        let (why, status, timed_out) = match read {
            Ok(()) => return Ok(Attempt::Done(PageOutcome::Page(page))),
            Err(PageError::Final(e)) => return Err(e),
            Err(PageError::Net(e)) => (e.to_string(), Status::TryLater, e.timed_out),
            Err(PageError::Content(text)) => (text, Status::Refused, false),
        };
        // A connection that a signal has shut is no trouble of the network.
        self.attempts.stop().check()?;
        if page.count > 0 && !matches!(purpose, PageUse::Look(_)) {
            log::info!("{what}: {why}; going on after {} calls", page.count);
            if timed_out {
                self.halve(size, &format!("{what}: {why}"));
            }
            page.whole = false;
            return Ok(Attempt::Done(PageOutcome::Page(page)));
        }
        if timed_out && size > 1 {
            return Ok(Attempt::Done(PageOutcome::TooMuch(size, why)));
        }
        Ok(again(&why, status))
    }

    /// Looks at the times of the walk's next page, as they are spelled in CSV.
    pub fn sample(&self, cursor: u64, each: &mut dyn FnMut(&str, &str)) -> anyhow::Result<()> {
        let what = format!("GET {}", http::show(self.scope.url()));
        self.attempts.run(&what, || {
            let url = self.scope.page(
                PagePosition::After(cursor),
                self.size.get(),
                WireFormat::Csv,
            );
            let mut reply = match self.ask(&what, &url, accept(WireFormat::Csv), &[], 1)? {
                ReplyOrRetry::Reply(reply) => reply,
                ReplyOrRetry::Again(trouble, _) => return Ok(Attempt::Again(trouble)),
            };
            if reply.status != 200 {
                return Err(self.refusal(&what, &mut reply));
            }
            match wire::read_times(reply.reader(), each) {
                Ok(()) => Ok(Attempt::Done(())),
                Err(PageError::Final(e)) => Err(e),
                Err(PageError::Net(e)) => e.into_attempt(),
                Err(PageError::Content(text)) => Ok(again(&text, Status::Refused)),
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

    /// A GET, once, when the quota allows it. The status of the reply is neither
    /// 401, 403 nor a passing one.
    pub(super) fn ask(
        &self,
        what: &str,
        url: &Url,
        accept: &str,
        headers: &[(String, String)],
        units: usize,
    ) -> anyhow::Result<ReplyOrRetry> {
        self.quota.wait(units, self.attempts.stop())?;
        self.requests.set(self.requests.get() + 1);
        let credential = http::bearer(&self.token);
        let sent = self.http.send(&Request {
            url: url.clone(),
            accept,
            credentials: std::slice::from_ref(&credential),
            headers,
            body: None,
        });
        let mut reply = match sent {
            Ok(reply) => reply,
            Err(e) => {
                if !e.unsent {
                    self.quota.count(units, Instant::now());
                }
                // Only a reply that was begun for was too much.
                let too_much = e.timed_out && !e.unsent;
                return match e.into_attempt::<()>()? {
                    Attempt::Again(trouble) => Ok(ReplyOrRetry::Again(trouble, too_much)),
                    Attempt::Done(()) => Err(error::refused(what)),
                };
            }
        };
        self.quota.count(units, reply.began);
        self.quota.learn(&reply);
        if let Some(mut trouble) = self.attempts.trouble_of(&mut reply) {
            if reply.status == 429 {
                let reset = reply.header("ratelimit-reset").and_then(|s| s.parse().ok());
                trouble.asked = trouble.asked.or(reset.map(Duration::from_secs));
                let until = trouble
                    .asked
                    .and_then(|asked| reply.began.checked_add(asked));
                if let Some(until) = until {
                    self.quota.close_until(until);
                }
            }
            let is_gateway = matches!(reply.status, 502 | 504);
            let too_much = is_gateway && trouble.asked.is_none();
            return Ok(ReplyOrRetry::Again(trouble, too_much));
        }
        match reply.status {
            401 | 403 => Err(self.refusal(what, &mut reply)),
            _ => Ok(ReplyOrRetry::Reply(Box::new(reply))),
        }
    }

    /// What a reply that is none says, as an error.
    pub(super) fn refusal(&self, what: &str, reply: &mut Reply) -> anyhow::Error {
        refusal::of(what, reply, &self.token)
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

fn again<T>(why: &str, status: Status) -> Attempt<T> {
    Attempt::Again(Trouble {
        why: why.to_owned(),
        asked: None,
        status,
    })
}
