//! The API of one project: opens pages of calls, and requests smaller pages if large ones are too
//! much for the service or the network.

use std::cell::Cell;
use std::io::{self, Read};

use serde::Deserialize;

use super::call::Call;
use super::dates::Dates;
use super::query::{CallScope, PagePosition};
use super::table::{CsvPage, RawCall, read_times};
use super::wire::{JsonPage, PageError, WireFormat};
use crate::error::Status;
use crate::net::client::{self, ApiCall, Client, Sent};
use crate::net::http::{self, Reply};
use crate::net::retry::{Failed, Retry, Tries};

/// After this many full pages of a reduced size, the size doubles.
const SMALL_PAGES: u32 = 4;

/// The API of one project.
#[derive(Debug)]
pub struct VoicegainApi {
    client: Client,
    scope: CallScope,
    wire: WireFormat,
    dates: Dates,
    /// The most calls in a page.
    most: u64,
    /// The most calls in a page now: fewer after a page was too large.
    size: Cell<u64>,
    /// The number of full pages since `size` last changed.
    full: Cell<u32>,
}

/// The purpose of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageUse {
    /// The walk or a listing: as many calls as a page may have.
    Walk,
    /// One call, which an earlier walk skipped.
    One,
}

/// Reads the calls of one page.
#[derive(Debug)]
pub(super) enum PageReader<R: Read> {
    Json(Box<JsonPage<R>>),
    Csv(Box<CsvPage<R>>),
}

impl<R: Read> PageReader<R> {
    /// Reads the calls in `body`. `is_delimited` says whether the reply declares its end.
    pub(super) fn new(form: WireFormat, body: R, is_delimited: bool) -> PageReader<R> {
        match form {
            WireFormat::Json => PageReader::Json(Box::new(JsonPage::new(body))),
            WireFormat::Csv => PageReader::Csv(Box::new(CsvPage::new(body, is_delimited))),
        }
    }

    /// The next call; `None` after the last. An error names the call.
    pub(super) fn next_call(
        &mut self,
        dates: &Dates,
    ) -> Result<Option<(Call, RawCall<'_>)>, PageError> {
        match self {
            PageReader::Json(page) => {
                let call = page.advance()?;
                Ok(call.map(|call| (call, RawCall::Json(page.json()))))
            }
            PageReader::Csv(page) => page.next_call(dates),
        }
    }
}

/// A page that is being received.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) reader: PageReader<ReplyBody>,
    /// The number of calls that were requested.
    pub(super) size: u64,
}

/// The body of a reply as bytes. This type owns the reply, because it reads from the connection of
/// the reply.
#[derive(Debug)]
pub(super) struct ReplyBody(Box<Reply>);

impl ReplyBody {
    pub(super) fn new(reply: Box<Reply>) -> ReplyBody {
        ReplyBody(reply)
    }
}

impl Read for ReplyBody {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.reader().read(into)
    }
}

impl VoicegainApi {
    /// An API that requests the calls of a scope, at most `size` in a page.
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

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The retry schedule, with the clock, the jitter and the stop signal.
    pub(super) fn retry(&self) -> &Retry {
        self.client.retry()
    }

    /// How times in CSV are read.
    pub(super) fn dates(&self) -> &Dates {
        &self.dates
    }

    /// The format that the walk requests.
    pub(super) fn wire(&self) -> WireFormat {
        self.wire
    }

    /// The name of a page request in errors and logs: `GET` and the address.
    fn what(&self) -> String {
        format!("GET {}", http::show(self.scope.url()))
    }

    /// Starts a series of attempts to get one page.
    pub(super) fn tries(&self) -> Tries<'_> {
        self.retry().tries(&self.what())
    }

    /// Opens a page. `tries` limits the attempts, except those that request a smaller page.
    pub(super) fn open(
        &self,
        tries: &mut Tries<'_>,
        place: PagePosition,
        purpose: PageUse,
    ) -> anyhow::Result<Page> {
        let most = match purpose {
            PageUse::Walk => u64::MAX,
            PageUse::One => 1,
        };
        let (reply, size) = self.reply(tries, place, most, self.wire)?;
        let is_delimited = reply.is_delimited();
        let reader = PageReader::new(self.wire, ReplyBody::new(reply), is_delimited);
        Ok(Page { reader, size })
    }

    /// Requests a page of at most `most` calls. Returns a reply with status 2xx, and the number of
    /// calls that were requested.
    pub(super) fn reply(
        &self,
        tries: &mut Tries<'_>,
        place: PagePosition,
        most: u64,
        form: WireFormat,
    ) -> anyhow::Result<(Box<Reply>, u64)> {
        loop {
            let size = self.size.get().min(most);
            let accept = match form {
                WireFormat::Json => "application/json",
                WireFormat::Csv => "text/csv",
            };
            let call = ApiCall::get(self.scope.page(place, size, form), accept);
            let failed = match self.client.once(&call)? {
                Sent::Reply(reply) if (200..300).contains(&reply.status) => {
                    return Ok((reply, size));
                }
                Sent::Reply(reply) if reply.status == 413 && size > 1 => Failed {
                    slow: true,
                    ..Failed::content("HTTP 413", Status::Refused)
                },
                Sent::Reply(mut reply) => return Err(refusal(&call.what, &mut reply)),
                Sent::Failed(failed) => failed,
            };
            self.again(tries, failed, size)?;
        }
    }

    /// Waits before another attempt to get a page of `size` calls. If the failure can come from the
    /// size of the page, the next page is smaller.
    pub(super) fn again(
        &self,
        tries: &mut Tries<'_>,
        failed: Failed,
        size: u64,
    ) -> anyhow::Result<()> {
        if !failed.slow || size <= 1 {
            return tries.again(failed);
        }
        self.halve(size, &failed.why);
        self.retry().sleep(self.retry().wait(1).unwrap_or_default())
    }

    /// Requests the page after `cursor` as CSV, and passes the times of each call to `each`,
    /// unchanged.
    pub(super) fn sample(
        &self,
        cursor: u64,
        each: &mut dyn FnMut(&str, &str),
    ) -> anyhow::Result<()> {
        let mut tries = self.tries();
        loop {
            let place = PagePosition::After(cursor);
            let (mut reply, size) = self.reply(&mut tries, place, u64::MAX, WireFormat::Csv)?;
            match read_times(reply.reader(), each) {
                Ok(()) => return Ok(()),
                Err(PageError::Final(e)) => return Err(e),
                Err(PageError::Passing(failed)) => self.again(&mut tries, failed, size)?,
            }
        }
    }

    /// Requests smaller pages from now on. A page that is too large does not end the run, because
    /// the next run would start with large pages again.
    pub(super) fn halve(&self, size: u64, why: &str) {
        let half = (size / 2).max(1);
        self.full.set(0);
        if half < self.size.get() {
            log::warn!("{}: {why}; requesting {half} calls at a time", self.what());
            self.size.set(half);
        }
    }

    /// Counts a complete page with `count` calls, when `size` calls were requested. After several
    /// full pages, larger pages are requested again.
    pub(super) fn grow(&self, count: u64, size: u64) {
        if size == self.most || count < size {
            return;
        }
        self.full.set(self.full.get() + 1);
        if self.full.get() >= SMALL_PAGES {
            self.full.set(0);
            self.size.set((size * 2).min(self.most));
        }
    }
}

/// Turns a refusal into an error with a hint: 401 and 403 concern the token, 404 and 405 the
/// address.
pub(super) fn refusal(what: &str, reply: &mut Reply) -> anyhow::Error {
    let hint = match reply.status {
        401 => {
            "the token is not accepted: has it been regenerated, or is it for another environment?"
        }
        403 => "the token's user may not do this",
        404 | 405 => "check --base-url",
        _ => "",
    };
    client::refusal(what, reply.status, &reply.said(reason), hint).into()
}

/// The reason in the body of an error. Its documented form is `{"error":{"reason","detail"}}`.
fn reason(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
        detail: Option<String>,
    }
    #[derive(Deserialize)]
    struct ErrorBody {
        error: Reason,
    }
    let error = serde_json::from_str::<ErrorBody>(body).ok()?.error;
    Some(match error.detail {
        None => error.reason,
        Some(detail) => format!("{}: {detail}", error.reason),
    })
}
