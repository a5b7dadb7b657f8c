//! Signs and sends one request to a bucket, retries it, and interprets refusals.
//!
//! The retries are those of [`crate::net::client`], with these rules of S3 in addition. The numbers
//! in the column `reply` are HTTP statuses; the numbers in the column `result` are exit statuses.
//!
//! | reply | result |
//! |---|---|
//! | 404 for an object | the caller gets `None` |
//! | 404 for the bucket | 2 |
//! | a redirect to another region | 2 |
//! | 501 for an optional request | the caller gets `None` |
//! | 501 for another request | 2 |
//! | 412, or 416 for a range | the caller learns that a condition is not met |
//! | 429 at the end of a run | repeated for three seconds |
//! | 409 because two conditional writes collided | more attempts, finally 75 |
//! | 403 because our clock is wrong | another attempt with the service's time |
//! | 400, 401 or 403 because the credentials are not valid | one renewal, then 77 |

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bucket::address::BucketUrl;
use crate::bucket::dialect::{Dialect, HeaderLine};
use crate::bucket::keys::{BucketKeys, KeyChain};
use crate::bucket::reply;
use crate::bucket::settings::BucketSettings;
use crate::bucket::signing::{Signed, Unsigned};
use crate::error::{self, Status};
use crate::net::client::{ApiCall, Client, Sent, refusal};
use crate::net::connection::Connection;
use crate::net::http::{Method, Reply, RequestBody, shown};
use crate::net::retry::{Attempt, Failed, Retry};
use crate::os::mutex::lock;
use crate::time::Timestamp;

/// If the service refuses one of the last requests of a run with 429, the request is repeated at
/// most `LAST_PAUSES` times, each time after the wait `LAST_PAUSE`. Google allows one write of the
/// same object per second.
const LAST_PAUSES: u32 = 3;
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Our client for a service with buckets.
#[derive(Debug)]
pub struct BucketService {
    client: Client,
    /// The client for the end of a run: a signal stops `client`, but not this one.
    last_client: Client,
    is_ending: AtomicBool,
    settings: BucketSettings,
    dialect: Dialect,
    keys: KeyChain,
    /// The `Date` of the newest reply that had one, and the instant at which it was received.
    seen: Mutex<Option<(Timestamp, Instant)>>,
    /// Whether requests are signed with the service's time, because our clock is wrong.
    follows: AtomicBool,
    /// A number that is different in every process.
    seed: u64,
    /// The number of names created so far.
    names: AtomicU64,
}

/// A request for one object, or for a list of objects.
#[derive(Debug)]
pub(super) struct BucketRequest<'a> {
    pub(super) method: Method,
    /// The object. For a list, the key of this address is the prefix of the listed keys.
    pub(super) object: &'a BucketUrl,
    /// Whether the request is for the bucket itself, not for an object.
    pub(super) asks_bucket: bool,
    /// Whether some services do not support this request. If so, a reply 501 is
    /// [`Answered::Missing`].
    pub(super) is_optional: bool,
    /// The parameters, sorted by name.
    pub(super) query: Vec<(&'static str, String)>,
    /// The headers, with names in lower case; all are signed.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<&'a [u8]>,
}

impl<'a> BucketRequest<'a> {
    pub(super) fn new(method: Method, object: &'a BucketUrl) -> BucketRequest<'a> {
        BucketRequest {
            method,
            object,
            asks_bucket: false,
            is_optional: false,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
        }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> BucketRequest<'a> {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    pub(super) fn line(self, (name, value): HeaderLine) -> BucketRequest<'a> {
        self.header(name, value)
    }

    /// Adds the header line, if there is one.
    pub(super) fn lines(self, line: Option<HeaderLine>) -> BucketRequest<'a> {
        line.into_iter().fold(self, BucketRequest::line)
    }
}

/// The reply to a request.
#[derive(Debug)]
pub(super) enum Answered<T> {
    Done(T),
    Missing,
    /// A condition is not met. `is_doubtful`: the reply to an earlier attempt was lost, and that
    /// attempt may have changed the object.
    Changed {
        is_doubtful: bool,
    },
}

impl BucketService {
    /// The client for the service that the environment describes. Requests are sent over
    /// `connection`. `seed` must be different in every process. Returns an error with status 2 if
    /// settings or credentials are missing.
    pub fn from_env(
        connection: &Connection,
        seed: u64,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<BucketService> {
        let settings = BucketSettings::from_env(env)?;
        let keys = KeyChain::from_env(env, settings.region(), connection)?;
        Ok(BucketService {
            client: connection.client(&[], Box::new(None)),
            last_client: connection.last_client(Box::new(None)),
            is_ending: AtomicBool::new(false),
            dialect: settings.dialect(),
            settings,
            keys,
            seen: Mutex::new(None),
            follows: AtomicBool::new(false),
            seed,
            names: AtomicU64::new(0),
        })
    }

    /// The protocol of the service.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The retry schedule, with the clock and the stop request.
    pub(super) fn retry(&self) -> &Retry {
        self.client().retry()
    }

    fn client(&self) -> &Client {
        match self.is_ending.load(Ordering::Relaxed) {
            true => &self.last_client,
            false => &self.client,
        }
    }

    /// Call this at the end of a run. After this call, each request is sent once, even after a stop
    /// request. But if the service refuses a request with 429, the request is repeated for three
    /// seconds.
    pub fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// A new name that no other process creates.
    pub(crate) fn unique_name(&self) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number}", self.seed)
    }

    /// The time by the service's clock. Before the first reply, the time by our clock.
    pub(super) fn now(&self) -> Timestamp {
        match *lock(&self.seen) {
            Some((then, at)) => then.plus(self.retry().instant().saturating_duration_since(at)),
            None => self.retry().now(),
        }
    }

    /// Sends a request and retries it; `read` reads a 2xx reply.
    pub(super) fn ask<T>(
        &self,
        request: &BucketRequest<'_>,
        mut read: impl FnMut(&mut Reply) -> anyhow::Result<Attempt<T>>,
    ) -> anyhow::Result<Answered<T>> {
        let what = format!("{} {}", request.method, request.object);
        let mut tries = self.retry().tries(&what);
        let (mut is_doubtful, mut is_renewed) = (false, false);
        let (mut rejected, mut pauses) = (None, 0);
        loop {
            let keys = self.keys.current(self.retry(), rejected.take())?;
            let mut reply = match self.once(request, &keys, &what)? {
                Sent::Reply(reply) => reply,
                Sent::Failed(failed) => {
                    is_doubtful |= failed.sent;
                    let is_last = self.is_ending.load(Ordering::Relaxed);
                    match is_last && failed.code == Some(429) && pauses < LAST_PAUSES {
                        true => self.retry().sleep(LAST_PAUSE)?,
                        false => tries.again(failed)?,
                    }
                    pauses += 1;
                    continue;
                }
            };
            self.learn_clock(&reply);
            if matches!(reply.status, 200..=299) {
                match read(&mut reply)? {
                    Attempt::Done(value) => return Ok(Answered::Done(value)),
                    Attempt::Again(failed) => {
                        is_doubtful = true;
                        tries.again(failed)?;
                        continue;
                    }
                }
            }
            let xml = match reply.text() {
                Ok(xml) => xml,
                Err(e) => {
                    tries.again(e.into_failed()?)?;
                    continue;
                }
            };
            let code = reply::element(&xml, "Code").unwrap_or_default();
            match (reply.status, code.as_str()) {
                (404, "NoSuchBucket") => {
                    return Err(error::usage(format!(
                        "{what}: the bucket does not exist: create it, or check AWS_ENDPOINT_URL"
                    )));
                }
                (404, _) => return Ok(Answered::Missing),
                (501, _) if request.is_optional => return Ok(Answered::Missing),
                (412 | 416, _) => return Ok(Answered::Changed { is_doubtful }),
                (409, "ConditionalRequestConflict" | "OperationAborted")
                | (400, "RequestTimeout") => {
                    tries.again(Failed::content(
                        format!("HTTP {}, {code}", reply.status),
                        Status::TryLater,
                    ))?;
                }
                (403, "RequestTimeTooSkewed") if !self.follows.swap(true, Ordering::Relaxed) => {
                    log::warn!(
                        "{what}: the clock of this machine is wrong; requests are signed with the service's time"
                    );
                }
                (400 | 401 | 403, code)
                    if is_about_credentials(code) && self.keys.can_renew() && !is_renewed =>
                {
                    log::info!(
                        "{what}: HTTP {}, {code}; renewing the credentials",
                        reply.status
                    );
                    is_renewed = true;
                    rejected = Some(keys);
                }
                _ => return Err(refused(&what, &reply, &xml, &code)),
            }
        }
    }

    fn once(
        &self,
        request: &BucketRequest<'_>,
        keys: &BucketKeys,
        what: &str,
    ) -> anyhow::Result<Sent> {
        let Signed { url, headers } = self.signed(request, keys)?;
        self.client().once(&ApiCall {
            method: request.method,
            what: what.to_owned(),
            headers: &headers,
            body: request.body.map(|bytes| RequestBody {
                content_type: "application/octet-stream",
                bytes,
            }),
            units: 0,
            follows: false,
            ..ApiCall::get(url, "*/*")
        })
    }

    fn signed(&self, request: &BucketRequest<'_>, keys: &BucketKeys) -> anyhow::Result<Signed> {
        let bucket = self.settings.bucket(request.object.bucket())?;
        let url = match request.asks_bucket {
            true => bucket.base_url().clone(),
            false => bucket.object_url(request.object.key()),
        };
        let now = match self.follows.load(Ordering::Relaxed) {
            true => self.now(),
            false => self.retry().now(),
        };
        let unsigned = Unsigned {
            method: request.method,
            url,
            query: &request.query,
            headers: &request.headers,
            region: self.settings.region(),
        };
        unsigned.sign(self.dialect, keys, now)
    }

    fn learn_clock(&self, reply: &Reply) {
        let date = reply.date.as_deref().and_then(Timestamp::parse_http_date);
        if let Some(date) = date {
            *lock(&self.seen) = Some((date, self.retry().instant()));
        }
    }
}

/// Whether an S3 error code says that the credentials are not valid or have expired.
fn is_about_credentials(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "InvalidToken"
            | "InvalidAccessKeyId"
            | "InvalidSecurity"
            | "TokenRefreshRequired"
    )
}

/// The error for a refusal that is not retried.
fn refused(what: &str, reply: &Reply, xml: &str, code: &str) -> anyhow::Error {
    let status = reply.status;
    if matches!(status, 301 | 307 | 308) {
        let mut text = format!("{what}: HTTP {status}: the bucket is in another region");
        if let Some(region) = reply.header("x-amz-bucket-region") {
            let _ = write!(text, ": set AWS_REGION={}", shown(region));
        }
        return error::usage(text);
    }
    if status == 501 {
        return error::usage(format!(
            "{what}: HTTP 501, {}: the service does not support this request",
            shown(&reply::said(xml))
        ));
    }
    let hint = match (status, code) {
        (_, "SignatureDoesNotMatch") => "check AWS_SECRET_ACCESS_KEY and AWS_REGION",
        (_, code) if is_about_credentials(code) => "check the AWS credentials",
        (403, _) => "check the permissions of these credentials in the bucket",
        _ => "",
    };
    let failure = refusal(what, status, &shown(&reply::said(xml)), hint).wide();
    // S3 refuses expired credentials with HTTP 400.
    match is_about_credentials(code) {
        true => failure.with_status(Status::Auth).into(),
        false => failure.into(),
    }
}
