//! One connection, as its stream, its requests and the table of connections see it.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::os::mutex::lock;
use crate::receive::access::authenticator::KnownToken;

/// What a connection is doing, which says how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing of a request is there.
    Idle,
    /// A part of a head is there.
    Head,
    /// A request is being answered: its body has deadlines of its own.
    Request,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Where it comes from.
    pub(crate) address: IpAddr,
    is_authenticated: AtomicBool,
    /// The last valid token that came over it.
    pub(crate) token: Mutex<Option<KnownToken>>,
    phase: Mutex<(Phase, Instant)>,
    close: Notify,
}

impl Peer {
    /// Nothing has come yet.
    pub(crate) fn new(address: IpAddr) -> Peer {
        Peer {
            address,
            is_authenticated: AtomicBool::new(false),
            token: Mutex::default(),
            phase: Mutex::new((Phase::Idle, Instant::now())),
            close: Notify::new(),
        }
    }

    /// Whether a valid token or secret came over it.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.is_authenticated.load(Ordering::Relaxed)
    }

    /// A valid token or secret came over it.
    pub(crate) fn set_authenticated(&self) {
        self.is_authenticated.store(true, Ordering::Relaxed);
    }

    /// What it is doing, and since when.
    pub(crate) fn phase(&self) -> (Phase, Instant) {
        *lock(&self.phase)
    }

    /// From now on it does something else.
    pub(crate) fn enter(&self, phase: Phase) {
        *lock(&self.phase) = (phase, Instant::now());
    }

    /// Closes it.
    pub(crate) fn close(&self) {
        self.close.notify_one();
    }

    /// Waits until it is to be closed.
    pub(crate) async fn closed(&self) {
        self.close.notified().await;
    }
}
