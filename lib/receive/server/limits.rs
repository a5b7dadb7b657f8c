//! The limits of a connection and a request.

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The limits of one server.
#[derive(Clone, Debug)]
pub(crate) struct ServerLimits {
    /// The time for the TLS handshake.
    pub(crate) handshake: Duration,
    /// The time for a complete head, from its first byte.
    pub(crate) head: Duration,
    /// The longest time between two requests. The vendor's connection pool has no idle limit, and a
    /// push fails if the server closes the connection at the moment when the push is sent.
    pub(crate) idle: Duration,
    /// How long a write is allowed to make no progress.
    pub(crate) write: Duration,
    /// The time for a complete JSON body, and the time window for its minimum rate.
    pub(crate) json: (Duration, Duration),
    /// The time for a complete recording, and the time window for its minimum rate.
    pub(crate) recording: (Duration, Duration),
    /// The minimum rate of a body, in bytes per second.
    pub(crate) least_rate: u64,
    /// How long a request waits for free capacity.
    pub(crate) room: Duration,
    /// How long a request waits for its commit.
    pub(crate) commit: Duration,
    /// How long, and how many bytes, the server reads after a reply that closes the connection.
    pub(crate) linger: (Duration, usize),
    /// The most connections.
    pub(crate) connections: usize,
    /// The most connections without a valid token.
    pub(crate) unauthenticated: usize,
    /// The most bytes of a JSON body.
    pub(crate) max_push: u64,
    /// The most bytes of a recording.
    pub(crate) max_recording: u64,
    /// The most bytes of all JSON bodies in memory.
    pub(crate) in_flight: u64,
    /// At most this many recordings are received at the same time.
    pub(crate) recordings: usize,
    /// The most bytes of a request for a token.
    pub(crate) token_request: u64,
    /// The status of the reply if there is no room.
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
