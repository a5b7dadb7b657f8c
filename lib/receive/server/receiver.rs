//! Answers requests: the token endpoint and the callbacks.

mod push;
mod token;

use std::error::Error;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Method, Request};

use crate::os::clock::Clock;
use crate::receive::access::authenticator::Authenticator;
use crate::receive::access::networks::Network;
use crate::receive::inbox::{CoverageNote, Inbox};
use crate::receive::server::capacity::Capacity;
use crate::receive::server::condition::Condition;
use crate::receive::server::counters::Counters;
use crate::receive::server::head::{self, Announced, Route};
use crate::receive::server::limits::ServerLimits;
use crate::receive::server::peer::Peer;
use crate::receive::server::refusal::{self, PushRefusal, WholeResponse};

/// The parts that all replies need.
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
    /// The prefix of the callback paths.
    pub(crate) push_prefix: String,
    /// The directory for recordings that are being received.
    pub(crate) recordings: PathBuf,
    /// Whether a proxy adds the address of the client.
    pub(crate) is_proxied: bool,
    /// The allowed networks; empty allows all.
    pub(crate) allowed: Vec<Network>,
    /// Whether a GET request to a callback has been logged.
    pub(crate) has_seen_get: AtomicBool,
}

/// A push with a valid head.
struct AcceptedPush {
    stream: String,
    client: String,
    announced: Announced,
    is_gzip: bool,
    is_recording: bool,
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
                "{what}: answered 413, too large; the vendor repeats the push and then drops it: raise \
                 --max-push or --max-recording"
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
                    return Err(PushRefusal::MethodNotAllowed("POST, GET"));
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

    /// The address of the client. Behind a proxy, this is the last address in `X-Forwarded-For`,
    /// which the proxy added.
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
            log::warn!("{path}: a GET on a callback path was answered with 200");
        }
        let at = self.clock.now();
        self.inbox.note(CoverageNote::Used { at, client, path });
        refusal::acknowledged()
    }
}
