//! The API for one provider: requests the messages of a slice (a period, a session, or both), and
//! reads them into a temporary file. Requests change nothing, so they can be repeated.

use std::cell::Cell;
use std::path::PathBuf;

use super::query::{PageQuery, Service, Slice};
use super::reply::{self, ReplyError};
use super::settings::ServiceArgs;
use super::spool::SliceReading;
use crate::cli::probe::ProbeRequest;
use crate::error::{self, Status};
use crate::net::client::{self, ApiCall, Client, Sent};
use crate::net::http::{self, Method, Reply, RequestBody};
use crate::net::retry::{Failed, Retry};
use crate::net::secret::Secret;

const JSON: &str = "application/json";

/// The API for one provider.
#[derive(Debug)]
pub struct DialpadApi {
    client: Client,
    service: Service,
    key: Secret,
    /// How many replies in a row were too large.
    too_much: Cell<u32>,
    /// Whether a request with these settings has given a message.
    proven: Cell<bool>,
    /// The HTTP status of the last reply.
    status: Cell<Option<u16>>,
    tries: u32,
    /// Whether to keep the fields that a wrapper (an object with an array of messages) has beside
    /// this array.
    with_wrappers: bool,
    temp_dir: PathBuf,
}

/// The answer to a request for a slice.
#[derive(Debug)]
pub(super) enum SliceAnswer {
    /// The messages of the slice, and the messages in the margins around its window.
    Rows(SliceReading),
    /// The reply is too large for the service or the network.
    TooMuch,
}

impl DialpadApi {
    /// An API that sends requests to `service` with `client`. If replies are too large, at most
    /// `tries` - 1 requests in a row are made smaller. Messages that do not fit into memory are
    /// stored in `temp_dir`.
    pub fn new(
        client: Client,
        service: Service,
        key: Secret,
        tries: u32,
        with_wrappers: bool,
        temp_dir: PathBuf,
    ) -> DialpadApi {
        DialpadApi {
            client,
            service,
            key,
            too_much: Cell::new(0),
            proven: Cell::new(false),
            status: Cell::new(None),
            tries,
            with_wrappers,
            temp_dir,
        }
    }

    /// The retry schedule, with the clock, the jitter and the stop signal.
    pub(super) fn retry(&self) -> &Retry {
        self.client.retry()
    }

    /// An empty reading, to which messages can be added.
    pub(super) fn new_reading(&self) -> SliceReading {
        SliceReading::new(&self.temp_dir)
    }

    /// The service and its settings.
    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// Whether a request with these settings has given a message, in this run or (as the state
    /// says) in an earlier run. If so, an empty reply means that there are no messages.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.get()
    }

    pub(super) fn set_proven(&self) {
        self.proven.set(true);
    }

    /// Replaces the settings for all later requests.
    pub(super) fn respell(&mut self, args: ServiceArgs) {
        self.service.args = args;
    }

    /// The HTTP status of the reply to the last request. `None` if there was no reply, or if the
    /// reply means a temporary failure, such as 503.
    pub(super) fn last_status(&self) -> Option<u16> {
        self.status.get()
    }

    /// The request for a page, as a probe shows it to people: without the key.
    pub(super) fn shown_request(&self, slice: &Slice<'_>, page: PageQuery) -> ProbeRequest {
        let (url, body) = self
            .service
            .request(slice, page, &Secret::new("[redacted]"));
        ProbeRequest {
            method: body.as_ref().map_or("GET", |_| "POST").to_owned(),
            url: url.to_string(),
            headers: Vec::new(),
            body: body.map(|body| String::from_utf8_lossy(&body).into_owned()),
        }
    }

    /// The number of requests sent so far.
    pub(super) fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// The query for the first page of a slice, with the current settings.
    pub(super) fn first_page(&self) -> PageQuery {
        let args = &self.service.args;
        PageQuery {
            unit: args.epoch_unit,
            limit: args.limit,
            offset: 0,
        }
    }

    /// Requests a page of a slice, and checks the times of its messages. If the reply is too large
    /// and `can_split` is true, the answer can be `TooMuch`: the caller then splits the slice. If
    /// `can_split` is false, a reply that is too large is an error after the last try.
    pub(super) fn ask(
        &self,
        slice: &Slice<'_>,
        page: PageQuery,
        can_split: bool,
    ) -> anyhow::Result<SliceAnswer> {
        let mut tries = self.retry().tries(&self.what(slice));
        loop {
            let failed = match self.send(slice, page)? {
                Ok(reading) => {
                    self.too_much.set(0);
                    let ours = self.first_page();
                    if reading.rows > 0 && (page.unit, page.limit) == (ours.unit, ours.limit) {
                        self.set_proven();
                    }
                    return Ok(SliceAnswer::Rows(reading));
                }
                Err(failed) => failed,
            };
            // A connection that was closed because of a signal is not a network failure.
            self.retry().stop().check()?;
            let is_too_much = failed.slow || failed.code == Some(413);
            if is_too_much && can_split && self.may_ask_for_less(slice, &failed)? {
                return Ok(SliceAnswer::TooMuch);
            }
            tries.again(failed)?;
        }
    }

    fn read(
        &self,
        slice: &Slice<'_>,
        page: PageQuery,
        reply: &mut Reply,
    ) -> Result<SliceReading, ReplyError> {
        if reply.is_html() {
            return Err(ReplyError::Passing(client::other_reply(reply, "messages")));
        }
        let mut reading = self.new_reading();
        let mut wrappers = Vec::new();
        let keep = self.with_wrappers.then_some(&mut wrappers);
        reply::read(reply.reader(), keep, &mut |message, json, wrapper| {
            if let Some(window) = slice.window {
                self.check_time(slice, window, message.ts, page)?;
            }
            if slice
                .session
                .is_some_and(|session| !message.may_be_of(session))
            {
                return Err(error::bad_input(
                    "the service sent a message of another session. If its parameter customersessionid has \
                     another name, give --param NAME=VALUE",
                ));
            }
            let wrapper = wrapper.filter(|_| self.with_wrappers);
            reading.push(message.ts, json, wrapper)
        })?;
        reading.wrappers = wrappers;
        Ok(reading)
    }

    /// Checks that a message has a time, and that this time lies in the requested period or its
    /// margins. A message of another period means that a setting is wrong.
    fn check_time(
        &self,
        slice: &Slice<'_>,
        window: crate::export::window::Window,
        ts: Option<i64>,
        page: PageQuery,
    ) -> anyhow::Result<()> {
        let Some(ts) = ts else {
            return Err(error::bad_input(
                "a message has no ts, so its window is not known",
            ));
        };
        if self.service.args.may_come(window, ts) {
            return Ok(());
        }
        Err(error::bad_input(format!(
            "the service sent a message of {} (ts {ts}) for {}: does it count in {}? Check \
             --epoch-unit, which is {}",
            crate::time::Timestamp::from_millis(ts),
            self.service.shown(slice),
            page.unit.other().word(),
            page.unit.word()
        )))
    }

    /// Sends one request and reads its reply.
    fn send(
        &self,
        slice: &Slice<'_>,
        page: PageQuery,
    ) -> anyhow::Result<Result<SliceReading, Failed>> {
        let (url, body) = self.service.request(slice, page, &self.key);
        log::debug!(
            "{}: limit {}, offset {}, in {}",
            self.what(slice),
            page.limit,
            page.offset,
            page.unit.word()
        );
        // The vendor documents the content type for the GET, too.
        let kind = [("content-type".to_owned(), JSON.to_owned())];
        let call = ApiCall {
            method: match body {
                Some(_) => Method::Post,
                None => Method::Get,
            },
            what: self.what(slice),
            headers: if body.is_none() { &kind } else { &[] },
            body: body.as_deref().map(|bytes| RequestBody {
                content_type: JSON,
                bytes,
            }),
            follows: false,
            ..ApiCall::get(url, JSON)
        };
        self.status.set(None);
        let mut reply = match self.client.once(&call)? {
            Sent::Reply(reply) => {
                self.status.set(Some(reply.status));
                reply
            }
            Sent::Failed(failed) => return Ok(Err(failed)),
        };
        match reply.status {
            204 => return Ok(Ok(self.new_reading())),
            200..300 => {}
            413 => {
                return Ok(Err(Failed {
                    code: Some(413),
                    ..Failed::content("HTTP 413", Status::Refused)
                }));
            }
            _ => return Err(refusal(&call.what, &mut reply)),
        }
        match self.read(slice, page, &mut reply) {
            Ok(reading) => Ok(Ok(reading)),
            Err(ReplyError::Final(e)) => Err(e.context(call.what)),
            Err(ReplyError::Passing(failed)) => Ok(Err(failed)),
        }
    }

    /// Whether to continue with a smaller request; waits before it returns true. False after too
    /// many failures in a row.
    fn may_ask_for_less(&self, slice: &Slice<'_>, failed: &Failed) -> anyhow::Result<bool> {
        let times = self.too_much.get() + 1;
        let wait = self.retry().wait(times);
        let Some(wait) = wait.filter(|_| times < self.tries) else {
            return Ok(false);
        };
        self.too_much.set(times);
        log::warn!(
            "{}: {}; requesting less at a time",
            self.what(slice),
            failed.why
        );
        self.retry()
            .sleep(wait.max(failed.asked.unwrap_or_default()))?;
        Ok(true)
    }

    /// The name of a request in errors and logs: not its URL, because a URL can contain the key.
    fn what(&self, slice: &Slice<'_>) -> String {
        self.service.shown(slice)
    }
}

/// Turns a reply with an error status into an error.
fn refusal(what: &str, reply: &mut Reply) -> anyhow::Error {
    let elsewhere = reply.location();
    let elsewhere = elsewhere.as_deref().map_or("nowhere", host_of);
    let hint = match reply.status {
        401 | 403 => {
            "the key is not accepted: use the key in Configure Digital Engagement, Admin, Profile, \
             Integrations, not a company API key"
                .to_owned()
        }
        300..=399 => format!(
            "the service redirects to {}: check --base-url",
            http::shown(elsewhere)
        ),
        404 | 405 => "check --base-url and --provider-id".to_owned(),
        400 => "check --epoch-unit, --provider-id and --limit".to_owned(),
        _ => String::new(),
    };
    client::refusal(what, reply.status, &reply.said(|_| None), &hint).into()
}

/// The host of a URL. The rest is left out, because it can contain the key.
fn host_of(location: &str) -> &str {
    let rest = location
        .split_once("://")
        .map_or("another path", |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest[..end].rsplit('@').next().unwrap_or_default()
}
