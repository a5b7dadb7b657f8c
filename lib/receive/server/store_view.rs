//! What the admin listener asks the store.

use std::collections::BTreeMap;

/// What the store knows besides the counts of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreFigures {
    /// Published records by type.
    pub(crate) records: BTreeMap<String, u64>,
    /// Records that were known already.
    pub(crate) duplicates: u64,
    /// Records and pushes that could not be read.
    pub(crate) rejected: u64,
    /// Records of one type, id and time with other contents.
    pub(crate) conflicts: u64,
    /// Bytes that wait for a commit.
    pub(crate) queue_bytes: u64,
    /// Age of the oldest push that is not published, in seconds.
    pub(crate) oldest_unpublished: f64,
}

/// The store, as operators see it.
pub(crate) trait StoreView: Send + Sync {
    /// `{"uses":[…]}`, as JSON.
    fn usage(&self) -> anyhow::Result<String>;
    /// An array, as JSON.
    fn coverage(&self) -> anyhow::Result<String>;
    /// Counts.
    fn figures(&self) -> StoreFigures;
}
