//! A push, as the server passes it to the committer.

use std::path::PathBuf;

use bytes::Bytes;

use crate::time::Timestamp;

/// One complete, authenticated push.
#[derive(Debug)]
pub(crate) struct Push {
    /// When the head of the request was received.
    pub(crate) received_at: Timestamp,
    /// The path `<group>/<type>`: the last two segments of the callback.
    pub(crate) path: String,
    /// The client that the token names.
    pub(crate) client: String,
    /// The header `Client-Corelation-Id`. It is not unique.
    pub(crate) correlation_id: Option<String>,
    /// The header `X-OML-ORN` of a recording.
    pub(crate) orn: Option<String>,
    /// The records or the recording.
    pub(crate) content: PushContent,
}

/// The body of a push.
#[derive(Debug)]
pub(crate) enum PushContent {
    /// A JSON body with any content, inflated if it was gzip.
    Json(Bytes),
    /// A recording in a staged file, complete and synced. The committer renames the file, syncs the
    /// directory, and then commits the push.
    Recording {
        staged: PathBuf,
        bytes: u64,
        sha256: [u8; 32],
    },
}
