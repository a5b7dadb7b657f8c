//! One request to the Metrics API, and the meaning of its reply.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use super::question::Question;
use super::reply::{MetricsReply, MetricsReplyError, error_text};
use crate::error::{self, Status};
use crate::export::window::Window;
use crate::net::client::{self, ApiCall, Client, Sent};
use crate::net::http::{Reply, RequestBody, Url, join_path};
use crate::net::retry::{Attempt, Failed, Retry};
use crate::time::{Timestamp, show_duration};

const JSON: &str = "application/json";

/// If the service's clock and our clock differ by more milliseconds than this, the program uses the
/// service's clock.
const SKEW_MS: i64 = 30_000;

/// The API of one environment.
#[derive(Debug)]
pub struct MetricsApi {
    client: Client,
    url: Url,
    has_each_metric: bool,
    /// How far the service's clock is ahead of our clock, in milliseconds; 0 if the difference is
    /// small.
    skew: Cell<i64>,
    /// Whether a reply has shown the service's time.
    has_date: Cell<bool>,
    /// Whether the first reply showed a time different from ours.
    clock_moved: Cell<bool>,
    temp_dir: PathBuf,
}

/// The result of a request.
#[derive(Debug)]
pub enum Answer {
    /// The whole reply.
    Whole(MetricsReply),
    /// The window is too large for the service.
    TooMuch(String),
    /// The service refused several metrics at once.
    AskEach(String),
}

impl MetricsApi {
    /// `url` is the address to which a version is appended. With `has_each_metric`, a reply 400 or
    /// 422 to a request for several metrics is not an error, but gives [`Answer::AskEach`]. Replies
    /// are stored in `temp_dir` until they are complete.
    pub fn new(client: Client, url: Url, has_each_metric: bool, temp_dir: PathBuf) -> MetricsApi {
        MetricsApi {
            client,
            url,
            has_each_metric,
            temp_dir,
            skew: Cell::new(0),
            has_date: Cell::new(false),
            clock_moved: Cell::new(false),
        }
    }

    /// The retry schedule, with the clock and the stop request.
    pub fn retry(&self) -> &Retry {
        self.client.retry()
    }

    /// The number of requests so far.
    pub fn requests(&self) -> u64 {
        self.client.requests()
    }

    /// The current time of the service's clock, rounded down to seconds because the header `Date`
    /// has no fractions. Before the first reply, it is the time of our clock.
    pub fn now(&self) -> Timestamp {
        let now = self.retry().now();
        Timestamp::from_millis(now.millis().saturating_add(self.skew.get())).floor_second()
    }

    /// Whether the first reply has corrected the clock since the last call of this method.
    pub(crate) fn clock_moved(&self) -> bool {
        self.clock_moved.take()
    }

    /// The URL of the request.
    pub(crate) fn request_url(&self, question: &Question) -> Url {
        join_path(&self.url, &question.path())
    }

    /// Sends the request, and retries after temporary failures. With `can_halve`, a request that is
    /// too large gives [`Answer::TooMuch`].
    pub fn ask(
        &self,
        question: &Question,
        window: Window,
        can_halve: bool,
    ) -> anyhow::Result<Answer> {
        let body = question.body(window)?;
        let body = RequestBody {
            content_type: JSON,
            bytes: &body,
        };
        let call = ApiCall {
            what: question.what(window),
            ..ApiCall::post(self.request_url(question), JSON, body)
        };
        let mut tries = self.retry().tries(&call.what);
        loop {
            let failed = match self.client.once(&call)? {
                Sent::Failed(failed) => failed,
                Sent::Reply(mut reply) => match self.read(&call.what, question, &mut reply)? {
                    Attempt::Done(answer) => return Ok(answer),
                    Attempt::Again(failed) => failed,
                },
            };
            // If a signal has closed the connection, the network did not fail. Then the run stops
            // here, and does not try again.
            self.retry().stop().check()?;
            if failed.slow && can_halve {
                return Ok(Answer::TooMuch(failed.why));
            }
            if failed.code == Some(413) {
                let text = format!(
                    "{}: HTTP 413 even for one bucket: ask for fewer metrics or fewer values",
                    call.what
                );
                return Err(error::try_later(text));
            }
            tries.again(failed)?;
        }
    }

    fn read(
        &self,
        what: &str,
        question: &Question,
        reply: &mut Reply,
    ) -> anyhow::Result<Attempt<Answer>> {
        let as_of = self.learn_time(reply);
        match reply.status {
            200..=299 if reply.is_html() => {
                Ok(Attempt::Again(client::other_reply(reply, "the reply")))
            }
            200..=299 => match MetricsReply::read(reply, question, as_of, &self.temp_dir) {
                Ok(reply) => Ok(Attempt::Done(Answer::Whole(reply))),
                Err(MetricsReplyError::Cut(why)) => Ok(Attempt::Again(Failed {
                    slow: true,
                    ..Failed::content(why, Status::TryLater)
                })),
                Err(MetricsReplyError::Net(e)) => e.into_failed().map(Attempt::Again),
                Err(MetricsReplyError::Said(said)) => Err(error::refused(format!(
                    "{what}: {}: check metrics, filters and group",
                    crate::net::http::shown(&said)
                ))),
                Err(MetricsReplyError::Other) => {
                    let other = client::other_reply(reply, "an array of series");
                    Ok(Attempt::Again(other))
                }
                Err(MetricsReplyError::Bad(e)) => Err(e.context(what.to_owned())),
            },
            413 => Ok(Attempt::Again(Failed {
                slow: true,
                code: Some(413),
                ..Failed::content("HTTP 413", Status::TryLater)
            })),
            400 | 422 if self.has_each_metric && question.metrics.len() > 1 => {
                Ok(Attempt::Done(Answer::AskEach(reply.said(error_text))))
            }
            status => {
                let said = reply.said(error_text);
                Err(refusal(what, question, status, &said))
            }
        }
    }

    /// Returns the time at which the service made the reply, and corrects the clock.
    fn learn_time(&self, reply: &Reply) -> Timestamp {
        let now = self.retry().now();
        let date = reply.date.as_deref().and_then(Timestamp::parse_http_date);
        let Some(date) = date else {
            return now;
        };
        let skew = date.millis() - now.millis();
        let skew = if skew.abs() > SKEW_MS { skew } else { 0 };
        self.skew.set(skew);
        if !self.has_date.replace(true) && skew != 0 {
            log::warn!(
                "the service's clock is {} {} ours: using the service's clock",
                show_duration(Duration::from_millis(skew.unsigned_abs() / 1000 * 1000)),
                if skew > 0 { "ahead of" } else { "behind" }
            );
            self.clock_moved.set(true);
        }
        date
    }
}

fn refusal(what: &str, question: &Question, status: u16, said: &str) -> anyhow::Error {
    let hint = match status {
        300..400 => "redirected: give the final URL as --api-url".to_owned(),
        403 => format!("the account may not see group {}", question.group),
        404 | 410 if question.api == "v2" => "v2 is retired, use --api v3".to_owned(),
        404 | 410 => {
            "check that --api-url is the analytics host, and that the host has this --api \
            version"
                .to_owned()
        }
        400 | 422 => format!(
            "it was asked for {}{}",
            question.metrics.join(", "),
            match question.metrics.len() {
                0 | 1 => "",
                _ => "; --each-metric requests each one separately",
            }
        ),
        _ => String::new(),
    };
    let failure = client::refusal(what, status, said, &hint);
    match status {
        // The account is possibly allowed to see other groups.
        403 => failure.narrow().into(),
        _ => failure.into(),
    }
}
