//! The requests that the simulator saw, by which tests judge a client. No header and no body is ever kept, so
//! that stats can be printed anywhere.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde::Serialize;

use super::http::Request;
use super::lock;
use super::reply::{Delivery, Reply};

#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// By role, faulted ones included.
    pub requests: BTreeMap<&'static str, u64>,
    pub creates_accepted: u64,
    pub exports: u64,
    /// SUBMITTED or PROCESSING now.
    pub running: u64,
    /// READY with files that nobody has asked for.
    pub orphans: u64,
    /// ZIPs sent, by export id and page number.
    pub downloads: BTreeMap<String, BTreeMap<u64, u64>>,
    /// Data requests that came too fast and got 429.
    pub rate_violations: u64,
    pub logins: u64,
    pub refreshes: u64,
    pub logouts: u64,
    pub live_sessions: u64,
    /// Requests that followed a redirect to the other origin and still carried a token or password.
    pub leaked_credentials: u64,
    /// Replies with status 401.
    pub unauthorised: u64,
    /// Bugs of the simulator.
    pub panics: u64,
    /// The last thousand, oldest first.
    pub recent: Vec<Seen>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    pub method: String,
    pub target: String,
    /// `None` where the connection was closed without a reply.
    pub status: Option<u16>,
}

const KEPT: usize = 1000;

/// The part of the stats that no other module keeps already.
#[derive(Clone, Default)]
pub struct Log {
    pub creates_accepted: u64,
    pub leaked_credentials: u64,
    pub unauthorised: u64,
    pub recent: VecDeque<Seen>,
}

impl Log {
    pub fn record(log: &Mutex<Log>, request: &Request, reply: &Reply) {
        let mut log = lock(log);
        let is_sent = reply.delivery != Delivery::Nothing;
        log.unauthorised += u64::from(is_sent && reply.status == 401);
        if log.recent.len() == KEPT {
            log.recent.pop_front();
        }
        log.recent.push_back(Seen {
            method: request.method.clone(),
            target: request.target.clone(),
            status: is_sent.then_some(reply.status),
        });
    }
}
