//! A push as the server hands it over.

use std::path::PathBuf;

use bytes::Bytes;

use crate::time::Timestamp;

/// One push as it came, complete and authenticated.
#[derive(Debug)]
pub(crate) struct Push {
    /// When its head was read.
    pub(crate) received_at: Timestamp,
    /// `<group>/<type>`: the last two segments of the callback.
    pub(crate) path: String,
    /// The client that its token names.
    pub(crate) client: String,
    /// `Client-Corelation-Id`, which is no key.
    pub(crate) correlation_id: Option<String>,
    /// `X-OML-ORN` of a recording.
    pub(crate) orn: Option<String>,
    /// What was pushed.
    pub(crate) content: PushContent,
}

/// The body of a push.
#[derive(Debug)]
pub(crate) enum PushContent {
    /// A body of JSON, whatever it says, decoded from gzip.
    Json(Bytes),
    /// A recording in a staged file that is complete and synced. The committer gives
    /// it its final name, syncs the directory, then journals its line.
    Recording {
        staged: PathBuf,
        bytes: u64,
        sha256: [u8; 32],
    },
}
