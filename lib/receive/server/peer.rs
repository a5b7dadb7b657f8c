//! The state of one connection, shared by its stream, its requests and the table of connections.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::os::mutex::lock;
use crate::receive::access::authenticator::KnownToken;

/// The phase of a connection. Each phase has its own deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No byte of a request was received.
    Idle,
    /// A part of a head was received.
    Head,
    /// A request is being answered; its body has its own deadlines.
    Request,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The address of the client.
    pub(crate) address: IpAddr,
    is_authenticated: AtomicBool,
    /// The last valid token on this connection.
    pub(crate) token: Mutex<Option<KnownToken>>,
    phase: Mutex<(Phase, Instant)>,
    close: Notify,
}

impl Peer {
    /// A new connection without data.
    pub(crate) fn new(address: IpAddr) -> Peer {
        Peer {
            address,
            is_authenticated: AtomicBool::new(false),
            token: Mutex::default(),
            phase: Mutex::new((Phase::Idle, Instant::now())),
            close: Notify::new(),
        }
    }

    /// Whether the client has shown a valid token or secret.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.is_authenticated.load(Ordering::Relaxed)
    }

    /// Call this when the client has shown a valid token or secret.
    pub(crate) fn set_authenticated(&self) {
        self.is_authenticated.store(true, Ordering::Relaxed);
    }

    /// The phase, and when it started.
    pub(crate) fn phase(&self) -> (Phase, Instant) {
        *lock(&self.phase)
    }

    /// Starts another phase.
    pub(crate) fn enter(&self, phase: Phase) {
        *lock(&self.phase) = (phase, Instant::now());
    }

    /// Makes the connection close.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Waits until the connection must close.
    pub(crate) async fn closed(&self) {
        self.close.notified().await;
    }
}
