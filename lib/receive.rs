//! The receiver of streamed records, which the vendor pushes over HTTP. It acknowledges a push when
//! the push is on disk, and publishes each record to the lake once.

pub(crate) mod access;
pub(crate) mod committer;
pub(crate) mod directory;
mod envelope;
pub(crate) mod figures;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
pub(crate) mod gaps;
pub(crate) mod inbox;
mod known;
pub(crate) mod listening;
pub(crate) mod lock;
pub(crate) mod publisher;
pub(crate) mod push;
mod read_exports;
pub(crate) mod reconcile;
mod reconcile_recordings;
mod record_key;
mod recordings;
pub(crate) mod reindex;
pub(crate) mod server;
pub(crate) mod store;
