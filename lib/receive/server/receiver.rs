//! Answers requests: the token endpoint and the callbacks.

use std::error::Error;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::os::clock::Clock;
use crate::receive::access::authenticator::Authenticator;
use crate::receive::access::networks::Network;
use crate::receive::access::token_request::TokenRefusal;
use crate::receive::inbox::{CommitFailure, CoverageNote, Inbox};
use crate::receive::push::{Push, PushContent};
use crate::receive::server::body;
use crate::receive::server::capacity::{Capacity, Reservation};
use crate::receive::server::condition::Condition;
use crate::receive::server::counters::Counters;
use crate::receive::server::head::{self, Announced, Route};
use crate::receive::server::limits::ServerLimits;
use crate::receive::server::peer::Peer;
use crate::receive::server::recording_stage::{self, StageFailure, StagedRecording};
use crate::receive::server::refusal::{self, PushRefusal, WholeResponse};

/// How often a full queue is tried again.
const QUEUE_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Everything that the answers need.
pub(crate) struct Receiver {
    pub(crate) authenticator: Authenticator,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) limits: Arc<ServerLimits>,
    pub(crate) capacity: Capacity,
    pub(crate) counters: Counters,
    pub(crate) condition: Arc<Condition>,
    pub(crate) clock: Clock,
    /// The path of the token endpoint.
    pub(crate) token_path: String,
    /// What the callbacks begin with.
    pub(crate) push_prefix: String,
    /// Where recordings are staged.
    pub(crate) recordings: PathBuf,
    /// Whether a proxy says where a request comes from.
    pub(crate) is_proxied: bool,
    /// Who may connect; empty for all.
    pub(crate) allowed: Vec<Network>,
    /// Whether a GET on a callback was logged.
    pub(crate) has_seen_get: AtomicBool,
}

/// A push whose head was accepted.
struct AcceptedPush {
    stream: String,
    client: String,
    announced: Announced,
    is_gzip: bool,
    is_recording: bool,
}

/// What must not be let go of before the commit.
struct HeldUntilCommit {
    _reservation: Option<Reservation>,
    _staged: Option<StagedRecording>,
}

impl Receiver {
    /// Whether an address may connect.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let mut allowed = self.allowed.iter();
        self.allowed.is_empty() || allowed.any(|network| network.contains(address))
    }

    /// Answers one request.
    pub(crate) async fn answer<B>(&self, peer: &Peer, request: Request<B>) -> WholeResponse
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let began = self.clock.instant();
        let (parts, mut body) = request.into_parts();
        let mut stream = None;
        let answered = self.route(peer, &parts, &mut body, &mut stream).await;
        let now = self.clock.now();
        let (word, response) = match answered {
            Ok(response) => ("ok", response),
            Err(refusal) => {
                self.note_refusal(refusal, stream.as_deref(), peer);
                (refusal.word(), refusal.response(!body.is_end_stream()))
            }
        };
        let took = self.clock.instant().saturating_duration_since(began);
        if parts.uri.path() != self.token_path {
            self.counters.answered(stream.as_deref(), word, took, now);
        }
        response
    }

    fn note_refusal(&self, refusal: PushRefusal, stream: Option<&str>, peer: &Peer) {
        let what = stream.unwrap_or("a request");
        let status = refusal.status().as_u16();
        match refusal {
            PushRefusal::TooLarge => log::error!(
                "{what}: answered 413, too large; it will come again, and is lost in the end: see --max-push and --max-recording"
            ),
            _ => log::info!(
                "{what}: answered {status}, {} ({})",
                refusal.word(),
                peer.address
            ),
        }
        if !refusal.loses_a_push() {
            return;
        }
        if matches!(
            refusal,
            PushRefusal::Overload(_) | PushRefusal::Unavailable(_)
        ) {
            self.condition.note_limited(self.clock.instant());
        }
        self.inbox.note(CoverageNote::Refused {
            at: self.clock.now(),
            path: stream.map(str::to_owned),
        });
    }

    async fn route<B>(
        &self,
        peer: &Peer,
        parts: &Parts,
        body: &mut B,
        stream: &mut Option<String>,
    ) -> Result<WholeResponse, PushRefusal>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let announced = head::check(parts)?;
        let address = self.address_of(peer, &parts.headers);
        if !self.allows(address) {
            return Err(PushRefusal::Forbidden);
        }
        let path = parts.uri.path();
        match Route::of(path, &self.token_path, &self.push_prefix) {
            None => Err(PushRefusal::NotFound),
            Some(Route::Token) => self.token(peer, address, parts, body).await,
            Some(Route::Callback { stream: name }) => {
                if !head::is_callback_method(&parts.method) {
                    return Err(PushRefusal::MethodNotAllowed);
                }
                let client = self.client_of(peer, &parts.headers)?;
                peer.set_authenticated();
                if !self.authenticator.may_use(&client, path) {
                    return Err(PushRefusal::Forbidden);
                }
                *stream = Some(name.clone());
                if parts.method == Method::GET {
                    return Ok(self.answer_get(client, name));
                }
                let accepted = AcceptedPush {
                    stream: name,
                    client,
                    announced,
                    is_gzip: head::is_gzip(&parts.headers)?,
                    is_recording: head::is_recording(&parts.headers),
                };
                self.push(accepted, &parts.headers, body).await
            }
        }
    }

    /// Where the request comes from: with a proxy in front, what that added last.
    fn address_of(&self, peer: &Peer, headers: &HeaderMap) -> IpAddr {
        let last = headers.get_all("x-forwarded-for").iter().next_back();
        let forwarded = last.filter(|_| self.is_proxied).and_then(|value| {
            let last = value.to_str().ok()?.rsplit(',').next()?;
            last.trim().parse().ok()
        });
        forwarded.unwrap_or(peer.address)
    }

    fn client_of(&self, peer: &Peer, headers: &HeaderMap) -> Result<String, PushRefusal> {
        let authorization = head::text(headers, header::AUTHORIZATION);
        authorization
            .and_then(|text| self.authenticator.client_of(text, &peer.token))
            .ok_or(PushRefusal::Unauthorized)
    }

    fn answer_get(&self, client: String, path: String) -> WholeResponse {
        if !self.has_seen_get.swap(true, Ordering::Relaxed) {
            log::warn!("{path}: a GET came on a callback and was answered 200");
        }
        let at = self.clock.now();
        self.inbox.note(CoverageNote::Used { at, client, path });
        refusal::acknowledged()
    }

    async fn token<B>(
        &self,
        peer: &Peer,
        address: IpAddr,
        parts: &Parts,
        body: &mut B,
    ) -> Result<WholeResponse, PushRefusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if parts.method != Method::POST {
            return Err(PushRefusal::MethodNotAllowed);
        }
        let until = Instant::now() + self.limits.room;
        let most = self.limits.token_request;
        let overload = PushRefusal::Overload(self.limits.overload_status);
        let reservation = self.capacity.reserve(most, until).await;
        let mut reservation = reservation.map_err(|_| overload)?;
        let text = body::whole(body, most, most, &mut reservation, &self.limits).await?;
        let authorization = head::text(&parts.headers, header::AUTHORIZATION);
        let has_several =
            authorization.is_none() && parts.headers.contains_key(header::AUTHORIZATION);
        let issued = match has_several {
            true => Err(TokenRefusal::InvalidRequest),
            false => self.authenticator.token(authorization, &text, address),
        };
        let mut response = match issued {
            Ok(token) => {
                peer.set_authenticated();
                self.inbox.note(CoverageNote::Used {
                    at: self.clock.now(),
                    client: token.client,
                    path: String::new(),
                });
                let body = serde_json::json!({
                    "access_token": token.text,
                    "token_type": "Bearer",
                    "expires_in": token.lifetime.as_secs(),
                });
                refusal::json(StatusCode::OK, body.to_string())
            }
            Err(refused) => token_refusal(refused, address),
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Takes a push: size, room, body, commit, reply.
    async fn push<B>(
        &self,
        accepted: AcceptedPush,
        headers: &HeaderMap,
        body: &mut B,
    ) -> Result<WholeResponse, PushRefusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let received_at = self.clock.now();
        let limits = &self.limits;
        let AcceptedPush { announced, .. } = accepted;
        if announced.length.is_none() && !announced.is_chunked {
            return Err(PushRefusal::LengthRequired);
        }
        let most = match accepted.is_recording {
            true => limits.max_recording,
            false => limits.max_push,
        };
        let length = announced.length.unwrap_or_default();
        if length > most {
            return Err(PushRefusal::TooLarge);
        }
        if let Some(why) = self.condition.refuses(length) {
            return Err(PushRefusal::Unavailable(why));
        }
        let until = Instant::now() + limits.room;
        let overload = PushRefusal::Overload(limits.overload_status);
        let (content, held, _place) = if accepted.is_recording {
            let place = self.capacity.reserve_recording(until).await;
            let place = place.map_err(|_| overload)?;
            let staged = self.stage(body, accepted.is_gzip).await?;
            let content = PushContent::Recording {
                staged: staged.file.path().to_owned(),
                bytes: staged.bytes,
                sha256: staged.sha256,
            };
            let held = HeldUntilCommit {
                _reservation: None,
                _staged: Some(staged),
            };
            (content, held, Some(place))
        } else {
            let reservation = self.capacity.reserve(length, until).await;
            let mut reservation = reservation.map_err(|_| overload)?;
            let mut text = body::whole(body, most, length, &mut reservation, limits).await?;
            if accepted.is_gzip {
                text = body::inflated(text, &mut reservation, limits).await?;
            }
            let held = HeldUntilCommit {
                _reservation: Some(reservation),
                _staged: None,
            };
            (PushContent::Json(text), held, None)
        };
        let one = |name: &str| head::text(headers, name).map(str::to_owned);
        let push = Push {
            received_at,
            path: accepted.stream,
            client: accepted.client,
            correlation_id: one("client-corelation-id").or_else(|| one("client-correlation-id")),
            orn: one("x-oml-orn"),
            content,
        };
        self.commit(push, held).await
    }

    async fn stage<B>(&self, body: &mut B, is_gzip: bool) -> Result<StagedRecording, PushRefusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let directory = self.recordings.clone();
        let staged = recording_stage::stage(body, directory, is_gzip, &self.limits).await;
        staged.map_err(|failure| match failure {
            StageFailure::Refused(refusal) => refusal,
            StageFailure::Disk(e) => {
                log::error!("writing a recording: {e}");
                PushRefusal::Unavailable("the disk failed")
            }
            StageFailure::Sync(e) => {
                self.condition.fail(&format!("syncing a recording: {e}"));
                PushRefusal::Unavailable("the disk failed")
            }
        })
    }

    /// Waits until the push is on the disk.
    async fn commit(
        &self,
        push: Push,
        held: HeldUntilCommit,
    ) -> Result<WholeResponse, PushRefusal> {
        let began = self.clock.instant();
        let until = Instant::now() + self.limits.room;
        let held = Arc::new(held);
        let mut push = push;
        let committed = loop {
            let (sender, committed) = oneshot::channel();
            let kept = Arc::clone(&held);
            let done = Box::new(move |result| {
                drop(kept);
                // Nobody waits any more after 8 s.
                let _ = sender.send(result);
            });
            match self.inbox.submit(push, done) {
                Ok(()) => break committed,
                Err(back) if Instant::now() < until => push = back,
                Err(_) => return Err(PushRefusal::Overload(self.limits.overload_status)),
            }
            sleep(QUEUE_PAUSE).await;
        };
        let result = timeout(self.limits.commit, committed).await;
        self.counters
            .committed(self.clock.instant().saturating_duration_since(began));
        match result {
            Ok(Ok(Ok(()))) => Ok(refusal::acknowledged()),
            Ok(Ok(Err(CommitFailure::Refused(why)))) => {
                log::error!("a push was not stored: {why}");
                Err(PushRefusal::Unavailable("not stored"))
            }
            Ok(Ok(Err(CommitFailure::Broken(why)))) => {
                self.condition.fail(&why);
                Err(PushRefusal::Unavailable("the disk failed"))
            }
            Ok(Err(_)) => Err(PushRefusal::Unavailable("stopping")),
            Err(_) => {
                log::error!("a commit takes longer than 8 s");
                Err(PushRefusal::Unavailable("the disk is slow"))
            }
        }
    }
}

fn token_refusal(refused: TokenRefusal, address: IpAddr) -> WholeResponse {
    let status = match refused {
        TokenRefusal::InvalidClient => StatusCode::UNAUTHORIZED,
        TokenRefusal::TooManyFailures => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_REQUEST,
    };
    log::warn!(
        "a request for a token from {address} was answered {}, {}",
        status.as_u16(),
        refused.word()
    );
    let body = serde_json::json!({"error": refused.word()});
    let mut response = refusal::json(status, body.to_string());
    let headers = response.headers_mut();
    match refused {
        TokenRefusal::InvalidClient => {
            let value = HeaderValue::from_static("Basic realm=\"ocp-receive\"");
            drop(headers.insert(header::WWW_AUTHENTICATE, value));
        }
        TokenRefusal::TooManyFailures => {
            drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("60")));
        }
        _ => {}
    }
    response
}
