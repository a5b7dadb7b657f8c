//! The one loop that sends a request to a service.
//!
//! The caller sets the request, reads the reply, and handles special statuses. Everything else is
//! here: the rate budget, credentials and their renewal, `Retry-After` as the shortest wait before
//! every later request, a limit of tries, and one table of temporary and final failures:
//! | what happens | result |
//! |---|---|
//! | connection refused or cut, timeout, a body that is cut off | tried again, then 75 |
//! | 408, 429, 500, 502, 503, 504, from the service or from a proxy | tried again, then 75 |
//! | an HTML page in place of the reply | tried again, then 75 |
//! | a reply of another kind than expected | tried again, then 69 |
//! | a host that does not exist, if the service has never answered in this run | 69 |
//! | a host that does not exist, if the service has answered before | tried again, then 75 |
//! | a certificate that is not accepted, a redirect to plain HTTP | 69 |
//! | 401 | the token is renewed once, then 77 |
//! | 403 | 77 |
//! | any other 4xx, a proxy that answers 403 or 407 | 69 |

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{self, Failure, Status};
use crate::net::budget::Budget;
use crate::net::http::{self, Http, Method, NetError, Reply, Request, RequestBody, Url};
use crate::net::retry::{Attempt, Failed, Retry, is_passing, parse_retry_after};
use crate::net::secret::Secret;
use crate::time::Timestamp;

/// The name and the value of a header line that authenticates.
pub type Credential = (String, Secret);

/// Adds credentials to requests.
pub trait Access: Debug + Send + Sync {
    /// The header line for the next request; `None` for a request without credentials. `rejected`
    /// is the value that the service has just refused with 401. Returns an error with status 77 if
    /// that value cannot be replaced.
    fn credential(
        &self,
        rejected: Option<&Secret>,
        retry: &Retry,
    ) -> anyhow::Result<Option<Credential>>;

    /// Whether a refused credential can be replaced. If not, the caller gets the reply with
    /// status 401 and explains it.
    fn can_renew(&self) -> bool;
}

/// One credential for the whole run, or none.
impl Access for Option<Credential> {
    fn credential(&self, _: Option<&Secret>, _: &Retry) -> anyhow::Result<Option<Credential>> {
        Ok(self.clone())
    }

    fn can_renew(&self) -> bool {
        false
    }
}

/// A service, and everything that a request to it needs.
#[derive(Debug)]
pub struct Client {
    http: Http,
    retry: Retry,
    budget: Budget,
    access: Box<dyn Access>,
    /// The number of requests sent.
    requests: AtomicU64,
    /// Whether the service has answered at least once, which shows that its host name exists.
    is_reached: AtomicBool,
}

/// One request, as a vendor describes it.
#[derive(Debug)]
pub struct ApiCall<'a> {
    /// The HTTP method.
    pub method: Method,
    /// The name of the request in messages, without secrets: `GET https://…` or a window of time.
    pub what: String,
    /// The URL. Its query can contain a secret.
    pub url: Url,
    /// The value of `Accept`: the media type of the reply.
    pub accept: &'a str,
    /// More header lines.
    pub headers: &'a [(String, String)],
    /// The body, if the request has one.
    pub body: Option<RequestBody<'a>>,
    /// The number of requests that this call counts as in the rate budget. A call of 0 units waits
    /// only if the service asked for a pause.
    pub units: usize,
    /// The OCP group whose rate this call uses, if each group has its own rate.
    pub lane: &'a str,
    /// Whether redirects of a GET are followed. Another origin does not get the credentials.
    pub follows: bool,
}

impl<'a> ApiCall<'a> {
    /// A GET of `url` that follows redirects and counts as one request.
    pub fn get(url: Url, accept: &'a str) -> ApiCall<'a> {
        ApiCall {
            method: Method::Get,
            what: format!("GET {}", http::show(&url)),
            url,
            accept,
            headers: &[],
            body: None,
            units: 1,
            lane: "",
            follows: true,
        }
    }

    /// A POST of `body` that counts as one request.
    pub fn post(url: Url, accept: &'a str, body: RequestBody<'a>) -> ApiCall<'a> {
        ApiCall {
            method: Method::Post,
            what: format!("POST {}", http::show(&url)),
            body: Some(body),
            ..ApiCall::get(url, accept)
        }
    }
}

/// The result of one request.
#[derive(Debug)]
pub enum Sent {
    /// A reply with any status except the temporary ones.
    Reply(Box<Reply>),
    /// A temporary failure.
    Failed(Failed),
}

impl Client {
    /// A client that sends requests over `http`, with credentials of `access`, within `budget`.
    pub fn new(http: Http, retry: Retry, budget: Budget, access: Box<dyn Access>) -> Client {
        Client {
            http,
            retry,
            budget,
            access,
            requests: AtomicU64::new(0),
            is_reached: AtomicBool::new(false),
        }
    }

    /// The schedule, the clock, the jitter and the request to stop.
    pub fn retry(&self) -> &Retry {
        &self.retry
    }

    /// The rate budget of this client.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The number of requests sent so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Waits until a request of `lane` that counts as `units` is allowed. This is for a caller that
    /// must do something directly before it sends the request.
    pub fn wait(&self, units: usize, lane: &str) -> anyhow::Result<()> {
        self.budget.wait(units, lane, self.retry.stop())
    }

    /// Sends a request, and repeats it after temporary failures. `read` reads the reply and checks
    /// whether it is of the expected kind. Returns an error after a final failure, or if the last
    /// try fails.
    pub fn fetch<T>(
        &self,
        call: &ApiCall<'_>,
        mut read: impl FnMut(&mut Reply) -> anyhow::Result<Attempt<T>>,
    ) -> anyhow::Result<T> {
        let mut tries = self.retry.tries(&call.what);
        loop {
            let failed = match self.once(call)? {
                Sent::Failed(failed) => failed,
                Sent::Reply(mut reply) => match read(&mut reply)? {
                    Attempt::Done(value) => return Ok(value),
                    Attempt::Again(failed) => failed,
                },
            };
            tries.again(failed)?;
        }
    }

    /// Sends a request once, when the budget allows it. If the service refuses a token that can be
    /// renewed, sends the request a second time with a new token.
    pub fn once(&self, call: &ApiCall<'_>) -> anyhow::Result<Sent> {
        let mut rejected: Option<Secret> = None;
        loop {
            self.retry.stop().check()?;
            self.wait(call.units, call.lane)?;
            let credential = self.access.credential(rejected.as_ref(), &self.retry)?;
            // Wait again, because the login may have taken a while.
            self.wait(call.units, call.lane)?;
            self.requests.fetch_add(1, Ordering::Relaxed);
            let sent = self.send(call, credential.as_ref());
            let reply = match sent {
                Ok(reply) => reply,
                Err(e) => return self.failed(call, e).map(Sent::Failed),
            };
            self.is_reached.store(true, Ordering::Relaxed);
            self.budget.learn(&reply);
            match reply.status {
                429 => self.budget.give_back(call.units, call.lane),
                _ => self.budget.count(call.units, call.lane, reply.began),
            }
            if let Some(failed) = self.passing(call, &reply) {
                return Ok(Sent::Failed(failed));
            }
            match credential {
                Some((_, value)) if reply.status == 401 && self.access.can_renew() => {
                    if rejected.is_some() {
                        return Err(error::auth(format!(
                            "{}: HTTP 401, even with a new token: check that the login is for this environment",
                            call.what
                        )));
                    }
                    log::info!("{}: HTTP 401; renewing the token", call.what);
                    rejected = Some(value);
                }
                _ => return Ok(Sent::Reply(Box::new(reply))),
            }
        }
    }

    fn send(&self, call: &ApiCall<'_>, credential: Option<&Credential>) -> Result<Reply, NetError> {
        let request = Request {
            method: call.method,
            url: call.url.clone(),
            accept: call.accept,
            credentials: credential.map_or(&[], std::slice::from_ref),
            headers: call.headers,
            body: call.body,
        };
        match call.follows {
            true => self.http.send(&request),
            false => self.http.send_directly(&request),
        }
    }

    /// Turns the error of a request without a reply into a temporary failure. Returns an error if
    /// the failure is final.
    fn failed(&self, call: &ApiCall<'_>, e: NetError) -> anyhow::Result<Failed> {
        // A signal closes the connections. Then `check` returns the error of the signal, and no
        // failure of the network is reported.
        self.retry.stop().check()?;
        match e.unsent {
            true => self.budget.give_back(call.units, call.lane),
            // The service may have received the request at any time until now, so the present time
            // counts as the time of the request.
            false => (self.budget).count(call.units, call.lane, self.retry.instant()),
        }
        let is_mistyped = e.no_such_host && !self.is_reached.load(Ordering::Relaxed);
        if is_mistyped {
            let host = call.url.host_str().unwrap_or_default();
            // `misspelled` stops the whole run, because no other request would reach the host
            // either.
            return Err(error::misspelled(format!(
                "{}: the host {host} does not exist: check the address",
                call.what
            )));
        }
        e.into_failed().map_err(|e| e.context(call.what.clone()))
    }

    /// Returns the temporary failure for a reply with a temporary status; `None` for other
    /// statuses. If the reply asks for a pause, no thread sends a request until the pause ends.
    fn passing(&self, call: &ApiCall<'_>, reply: &Reply) -> Option<Failed> {
        if !is_passing(reply.status) {
            return None;
        }
        // A date in `Retry-After` is by the server's clock, so compare it with the header `Date`.
        let date = reply.date.as_deref().and_then(Timestamp::parse_http_date);
        let now = date.unwrap_or_else(|| self.retry.now());
        let retry_after = reply.retry_after.as_deref();
        let mut asked = retry_after.and_then(|value| parse_retry_after(value, now));
        if reply.status == 429 && asked.is_none() {
            asked = reply
                .header("ratelimit-reset")
                .and_then(|value| parse_retry_after(value, now));
        }
        if asked.is_some() || reply.status == 429 && call.units > 0 {
            (self.budget).close(call.units, call.lane, reply.began, asked);
        }
        Some(Failed {
            why: format!("HTTP {}", reply.status),
            slow: matches!(reply.status, 502 | 504) && asked.is_none(),
            asked,
            status: Status::TryLater,
            code: Some(reply.status),
            sent: true,
        })
    }
}

impl NetError {
    /// Returns the temporary failure. If the failure is final, returns an error: status 2 if this
    /// machine has no CA certificates, otherwise 69.
    pub fn into_failed(self) -> anyhow::Result<Failed> {
        if self.no_authorities {
            return Err(error::usage(self.to_string()));
        }
        if !self.passing {
            return Err(error::refused(self.to_string()));
        }
        Ok(Failed {
            why: self.to_string(),
            asked: None,
            status: Status::TryLater,
            code: None,
            sent: !self.unsent,
            slow: self.timed_out && !self.unsent,
        })
    }
}

/// The failure for a reply of another kind than expected. After the last try, the exit status is 75
/// for an HTML page, otherwise 69.
pub fn other_reply(reply: &Reply, what: &str) -> Failed {
    match reply.is_html() {
        true => Failed::content(format!("an HTML page instead of {what}"), Status::TryLater),
        false => Failed::content(format!("the reply is not {what}"), Status::Refused),
    }
}

/// The failure for a refused request: exit status 77 for HTTP 401 and 403, otherwise 69. `said` is
/// the service's message; `hint` tells the user what to do.
pub fn refusal(what: &str, status: u16, said: &str, hint: &str) -> Failure {
    let mut text = format!("{what}: HTTP {status}");
    for part in [(", ", said), (": ", hint)] {
        if !part.1.is_empty() {
            text = text + part.0 + part.1;
        }
    }
    let status = match status {
        401 | 403 => Status::Auth,
        _ => Status::Refused,
    };
    Failure::new(status, text)
}

#[cfg(test)]
mod tests;
