//! The limits of a connection and a request: times, bytes, places.

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The limits of one server.
#[derive(Clone, Debug)]
pub(crate) struct ServerLimits {
    /// For the TLS handshake.
    pub(crate) handshake: Duration,
    /// For a whole head, from its first byte.
    pub(crate) head: Duration,
    /// Between requests: the vendor's pool has no limit of its own, and a server that
    /// closes early makes a reset of a push.
    pub(crate) idle: Duration,
    /// For a write that makes no progress.
    pub(crate) write: Duration,
    /// For a whole body of JSON, and the stretch of time over which its rate counts.
    pub(crate) json: (Duration, Duration),
    /// For a whole recording, and the stretch of time over which its rate counts.
    pub(crate) recording: (Duration, Duration),
    /// Bytes per second that a body must have at least.
    pub(crate) least_rate: u64,
    /// How long a request waits for a place.
    pub(crate) room: Duration,
    /// How long a request waits for its commit.
    pub(crate) commit: Duration,
    /// What is still read after a reply that closes the connection.
    pub(crate) linger: (Duration, usize),
    /// Connections at once.
    pub(crate) connections: usize,
    /// Of those, without a valid token so far.
    pub(crate) unauthenticated: usize,
    /// Bytes of one body of JSON.
    pub(crate) max_push: u64,
    /// Bytes of one recording.
    pub(crate) max_recording: u64,
    /// Bytes of all bodies of JSON at once.
    pub(crate) in_flight: u64,
    /// Recordings at once.
    pub(crate) recordings: usize,
    /// Bytes of a request for a token.
    pub(crate) token_request: u64,
    /// The status where there is no room.
    pub(crate) overload_status: u16,
}

impl Default for ServerLimits {
    fn default() -> ServerLimits {
        ServerLimits {
            handshake: 10 * SECOND,
            head: 10 * SECOND,
            idle: 600 * SECOND,
            write: 10 * SECOND,
            json: (60 * SECOND, 5 * SECOND),
            recording: (1800 * SECOND, 30 * SECOND),
            least_rate: 4 * KIB,
            room: 2 * SECOND,
            commit: 8 * SECOND,
            linger: (2 * SECOND, 64 * 1024),
            connections: 1024,
            unauthenticated: 256,
            max_push: 64 * MIB,
            max_recording: 2 * KIB * MIB,
            in_flight: 256 * MIB,
            recordings: 16,
            token_request: 16 * KIB,
            overload_status: 429,
        }
    }
}
