//! The store as the admin listener sees it.

use std::collections::BTreeMap;

/// Facts of the store that are not in the counts of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreFigures {
    /// Published records, by type.
    pub(crate) records: BTreeMap<String, u64>,
    /// Records that were published before.
    pub(crate) duplicates: u64,
    /// Records and pushes that are not valid.
    pub(crate) rejected: u64,
    /// Records with the type, id and time of another one, but other contents.
    pub(crate) conflicts: u64,
    /// Bytes in the queue of the committer.
    pub(crate) queue_bytes: u64,
    /// Age of the oldest unpublished push, in seconds.
    pub(crate) oldest_unpublished: f64,
}

/// The store, as operators see it.
pub(crate) trait StoreView: Send + Sync {
    /// The usage: `{"uses":[…]}`, as JSON.
    fn usage(&self) -> anyhow::Result<String>;
    /// The coverage: a JSON array.
    fn coverage(&self) -> anyhow::Result<String>;
    /// The facts for the metrics.
    fn figures(&self) -> StoreFigures;
}
