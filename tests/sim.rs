//! The vendors' clouds on loopback, written apart from the suite so that the two can disagree:
//! Omilia's, that is Keycloak's token endpoint, the batch Exports API and the Metrics API
//! (`metrics`), Voicegain's list of calls (`voicegain`), and Dialpad's messages (`dialpad`).
//!
//! Of Omilia's, taken from the vendor's public documentation: the grants and their replies, the life of an
//! export, every limit (hours, two days, two months, two hours, one running export a group, 24
//! hours, five ZIPs a minute), paging, and the ZIPs' layout. A guess, because the endpoint
//! reference is not public: paths, the names of fields in bodies, which status code refuses what,
//! and `page_number` in the query (`dialect` has it spelled otherwise). A simplification: roles inside a group, deactivated accounts,
//! and the unknown limit on all requests of a group are left out. The subscription endpoints
//! (`subscriptions`) are a guess throughout.
//!
//! Durations are real. `fault` has the faults on demand, `stats` the numbers by which a client is
//! judged.

#![forbid(unsafe_code)]
#![allow(
    dead_code,
    unused_imports,
    reason = "compiled into the tests and into the example, which use different parts"
)]

mod clock;
mod config;
mod control;
pub mod dialect;
mod dialog;
pub mod dialpad;
mod export;
mod exports;
mod fault;
pub mod http;
pub mod json;
mod keycloak;
pub mod metrics;
mod order;
pub mod prng;
mod record;
mod refusal;
pub mod reply;
mod role;
pub mod server;
pub mod spelling;
mod stats;
pub mod subscriptions;
pub mod truth;
pub mod voicegain;
mod wav;
mod world;
mod zips;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use clock::Hour;
pub use config::{Config, User};
pub use fault::Fault;
pub use stats::Stats;

use server::Server;
use world::{Origin, World};

/// A running simulator, which ends when it is dropped.
pub struct Sim {
    world: Arc<World>,
    front: Server,
    _elsewhere: Server,
}

impl Sim {
    pub fn start(config: Config) -> io::Result<Sim> {
        let port = config.port;
        let world = Arc::new(World::new(config));
        let listen = |port, origin| {
            let serving = Arc::clone(&world);
            let panics = Arc::clone(&world.panics);
            Server::start(port, panics, move |request| serving.answer(request, origin))
        };
        let elsewhere = listen(0, Origin::Elsewhere)?;
        world.elsewhere.set(elsewhere.url()).expect("set only here");
        Ok(Sim {
            front: listen(port, Origin::Front)?,
            world,
            _elsewhere: elsewhere,
        })
    }

    /// Both the IAM's and the API's, without a slash at the end.
    pub fn url(&self) -> String {
        self.front.url()
    }

    /// One more fault from now on.
    ///
    /// # Panics
    ///
    /// If it is misspelt.
    pub fn fault(&self, spec: &str) {
        match spec.parse() {
            Ok(fault) => self.world.faults.add(fault),
            Err(error) => panic!("{error}"),
        }
    }

    /// What the front answers, for who passes its replies on in another form.
    pub fn answer(&self, request: &http::Request) -> reply::Reply {
        self.world.answer(request, Origin::Front)
    }

    /// The calls of Voicegain's project, to be changed while a client walks over them.
    pub fn voicegain(&self) -> &voicegain::Voicegain {
        &self.world.voicegain
    }

    /// The messages of Dialpad's provider.
    pub fn dialpad(&self) -> &dialpad::Dialpad {
        &self.world.dialpad
    }

    /// The counts of Omilia's Metrics API.
    pub fn metrics(&self) -> &metrics::Metrics {
        &self.world.metrics
    }

    /// The subscriptions as the service's pushes use them.
    pub fn feeds(&self) -> Vec<subscriptions::Feed> {
        self.world.subscriptions.feeds()
    }

    pub fn stats(&self) -> Stats {
        self.world.stats()
    }

    pub fn reset(&self) {
        self.world.reset();
    }

    /// The records that an export of these types (as in a plan, `ALL` included) must yield, line
    /// for line and in the order of its files; times in RFC 3339.
    ///
    /// # Panics
    ///
    /// If a type or time is misspelt.
    pub fn truth(&self, group: &str, types: &[&str], from: &str, to: &str) -> Vec<String> {
        let hour = |text| Hour::floor(spelling::instant(text).expect("a time"));
        let types = order::expand(types).unwrap_or_else(|_| panic!("unknown type in {types:?}"));
        self.world
            .config
            .truth
            .range(group, &types, hour(from), hour(to))
    }
}

/// A lock that still opens after a panic: that one has been counted, and stats have to stay
/// readable to show it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
