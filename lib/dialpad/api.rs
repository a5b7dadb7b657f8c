//! Asking the service: at the pace that was set, with the key, and again when it
//! failed for a passing reason. A request is a read, so repeating it is safe.

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::time::Instant;

use super::query::{PageQuery, Service, Slice};
use super::reply::{self, ReplyError};
use super::settings::KeyPlacement;
use super::spool::SliceReading;
use crate::error::{self, Status};
use crate::net::attempts::{Attempt, Attempts, Trouble};
use crate::net::http::{self, Http, Reply, Request, RequestBody};
use crate::net::retry::{Rate, SlidingWindow};
use crate::net::secret::Secret;

/// The API for one provider.
#[derive(Debug)]
pub struct DialpadApi {
    http: Http,
    attempts: Attempts,
    service: Service,
    key: Secret,
    pace: RefCell<SlidingWindow>,
    requests: Cell<u64>,
    /// How often in a row something was too much.
    too_much: Cell<u32>,
    tries: u32,
    /// Whether what stands beside messages in a wrapper is kept.
    with_wrappers: bool,
}

/// What came of a question.
#[derive(Debug)]
pub enum SliceAnswer {
    /// These messages, some of the margin among them.
    Rows(SliceReading),
    /// The service or the network did not manage so much.
    TooMuch,
}

/// What came of one request.
enum SliceAttempt {
    Reply(Box<Reply>),
    Again(Trouble),
    TooMuch(Trouble),
}

impl DialpadApi {
    /// Everything that asking takes; `tries` is how often in a row less may be asked for.
    #[allow(clippy::too_many_arguments, reason = "each is a thing of its own")]
    pub fn new(
        http: Http,
        attempts: Attempts,
        service: Service,
        key: Secret,
        rate: Rate,
        tries: u32,
        with_wrappers: bool,
    ) -> DialpadApi {
        DialpadApi {
            http,
            attempts,
            service,
            key,
            pace: RefCell::new(SlidingWindow::new(rate)),
            requests: Cell::new(0),
            too_much: Cell::new(0),
            tries,
            with_wrappers,
        }
    }

    /// The clock, the jitter and the request to stop.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Who is asked.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Requests sent so far.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// The first page of a slice, with the settings as they are.
    pub fn first_page(&self) -> PageQuery {
        let args = &self.service.args;
        PageQuery {
            unit: args.epoch_unit,
            limit: args.limit,
            offset: 0,
        }
    }

    /// All messages of a page of a slice, whose times have been checked. Only where
    /// less `can` be asked for, the answer may be that it was too much.
    pub fn ask(
        &self,
        slice: &Slice<'_>,
        page: PageQuery,
        can_split: bool,
    ) -> anyhow::Result<SliceAnswer> {
        let what = self.what(slice);
        self.attempts.run(&what, || {
            let mut reply = match self.send(slice, page)? {
                SliceAttempt::Reply(reply) => reply,
                SliceAttempt::Again(trouble) => return Ok(Attempt::Again(trouble)),
                SliceAttempt::TooMuch(trouble) => return self.less(&what, trouble, can_split),
            };
            if !(200..300).contains(&reply.status) {
                return Err(self.refusal(&what, &mut reply));
            }
            if reply.status == 204 {
                return Ok(Attempt::Done(SliceAnswer::Rows(SliceReading::default())));
            }
            let trouble = match self.read(slice, page, &mut reply) {
                Ok(reading) => {
                    self.too_much.set(0);
                    return Ok(Attempt::Done(SliceAnswer::Rows(reading)));
                }
                Err(ReplyError::Final(e)) => return Err(e.context(what.clone())),
                Err(ReplyError::Net(e)) => {
                    // A connection that a signal has shut is no trouble of the network.
                    self.attempts.stop().check()?;
                    let trouble = passing(&e.to_string(), Status::TryLater);
                    if e.timed_out {
                        return self.less(&what, trouble, can_split);
                    }
                    trouble
                }
                Err(ReplyError::Content(text)) => passing(&text, Status::Refused),
            };
            Ok(Attempt::Again(trouble))
        })
    }

    fn read(
        &self,
        slice: &Slice<'_>,
        page: PageQuery,
        reply: &mut Reply,
    ) -> Result<SliceReading, ReplyError> {
        let is_html = |kind: &String| kind.trim_start().starts_with("text/html");
        if reply.content_type.as_ref().is_some_and(is_html) {
            return Err(ReplyError::Content(
                "an HTML page instead of messages".to_owned(),
            ));
        }
        let mut reading = SliceReading::default();
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
                    "a message of another session came: does the service know customersessionid by another name? (--param NAME=VALUE)",
                ));
            }
            let wrapper = wrapper.filter(|_| self.with_wrappers);
            reading.push(message.ts, json, wrapper)
        })?;
        reading.wrappers = wrappers;
        Ok(reading)
    }

    /// What came lies where it was asked for, or what was asked for was not what
    /// the service understood.
    fn check_time(
        &self,
        slice: &Slice<'_>,
        window: crate::export::window::Window,
        ts: Option<i64>,
        page: PageQuery,
    ) -> anyhow::Result<()> {
        let Some(ts) = ts else {
            return Err(error::bad_input(
                "a message has no ts, so that nobody can tell which window it belongs to",
            ));
        };
        if self.service.args.may_come(window, ts) {
            return Ok(());
        }
        Err(error::bad_input(format!(
            "a message of {} (ts {ts}) came for {}: does the service count in {}? check --epoch-unit, which is {}",
            crate::time::Timestamp::from_millis(ts),
            self.service.shown(slice),
            page.unit.other().word(),
            page.unit.word()
        )))
    }

    fn send(&self, slice: &Slice<'_>, page: PageQuery) -> anyhow::Result<SliceAttempt> {
        let wait = self.pace.borrow_mut().wait(Instant::now());
        self.attempts.stop().sleep(wait)?;
        self.requests.set(self.requests.get() + 1);
        let (url, body) = self.service.request(slice, page, &self.key);
        log::debug!(
            "{}: limit {}, offset {}, in {}",
            self.what(slice),
            page.limit,
            page.offset,
            page.unit.word()
        );
        let credential = match self.service.args.auth {
            KeyPlacement::Bearer => Some(http::bearer(&self.key)),
            KeyPlacement::Query => None,
        };
        // Documented for the GET, too.
        let kind = [("content-type".to_owned(), "application/json".to_owned())];
        let sent = self.http.send_directly(&Request {
            url,
            accept: "application/json",
            credentials: credential.as_slice(),
            headers: if body.is_none() { &kind } else { &[] },
            body: body.as_deref().map(|bytes| RequestBody {
                content_type: "application/json",
                bytes,
            }),
        });
        let mut reply = match sent {
            Ok(reply) => reply,
            Err(e) => {
                self.pace.borrow_mut().count(Instant::now());
                // Only a reply that was waited for was too much.
                let too_much = e.timed_out && !e.unsent;
                return match e.into_attempt::<()>()? {
                    Attempt::Again(trouble) if too_much => Ok(SliceAttempt::TooMuch(trouble)),
                    Attempt::Again(trouble) => Ok(SliceAttempt::Again(trouble)),
                    Attempt::Done(()) => Err(error::refused(self.what(slice))),
                };
            }
        };
        self.pace.borrow_mut().count(reply.began);
        if let Some(trouble) = self.attempts.trouble_of(&mut reply) {
            return Ok(match reply.status {
                // A gateway waited in vain.
                502 | 504 => SliceAttempt::TooMuch(trouble),
                _ => SliceAttempt::Again(trouble),
            });
        }
        Ok(match reply.status {
            413 => SliceAttempt::TooMuch(passing("HTTP 413", Status::Refused)),
            _ => SliceAttempt::Reply(Box::new(reply)),
        })
    }

    /// Less is to be asked for, unless that has not helped several times.
    fn less(
        &self,
        what: &str,
        trouble: Trouble,
        can_split: bool,
    ) -> anyhow::Result<Attempt<SliceAnswer>> {
        let times = self.too_much.get() + 1;
        let Some(wait) = self
            .attempts
            .wait(times)
            .filter(|_| can_split && times < self.tries)
        else {
            return Ok(Attempt::Again(trouble));
        };
        self.too_much.set(times);
        log::warn!("{what}: {}; asking for less at a time", trouble.why);
        self.attempts
            .stop()
            .sleep(wait.max(trouble.asked.unwrap_or_default()))?;
        Ok(Attempt::Done(SliceAnswer::TooMuch))
    }

    /// What a request is called; never its address, which may hold the key.
    fn what(&self, slice: &Slice<'_>) -> String {
        self.service.shown(slice)
    }

    /// What a reply that is none says, as an error.
    fn refusal(&self, what: &str, reply: &mut Reply) -> anyhow::Error {
        let said = self.said(reply);
        let status = reply.status;
        let text = match said.as_str() {
            "" => format!("{what}: HTTP {status}"),
            said => format!("{what}: HTTP {status}, {said}"),
        };
        match status {
            401 | 403 => error::auth(format!(
                "{text}: the key is not accepted: it is the one of Configure Digital Engagement, Admin, Profile, Integrations, not a company API key"
            )),
            300..=399 => error::refused(format!(
                "{text}: the service sends elsewhere ({}): check --base-url",
                reply.header("location").map_or("nowhere", host_of)
            )),
            404 | 405 => error::refused(format!("{text}: check --base-url and --provider-id")),
            400 => error::refused(format!(
                "{text}: check --epoch-unit, --provider-id and --limit"
            )),
            _ => error::refused(text),
        }
    }

    /// What the body of an error says, for one line of a log and without the key.
    fn said(&self, reply: &mut Reply) -> String {
        let mut bytes = Vec::new();
        // Enough for what is shown; that it broke off is no matter.
        let _ = reply.reader().take(64 * 1024).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        if text.trim_start().starts_with('<') {
            return "an HTML page".to_owned();
        }
        let text = text.replace(self.key.expose(), "[redacted]");
        text.chars().filter(|c| !c.is_control()).take(300).collect()
    }
}

/// The host of an address, as no more of it may be shown.
fn host_of(location: &str) -> &str {
    let rest = location
        .split_once("://")
        .map_or("another path", |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest[..end].rsplit('@').next().unwrap_or_default()
}

fn passing(why: &str, status: Status) -> Trouble {
    Trouble {
        why: why.to_owned(),
        asked: None,
        status,
    }
}
