//! The store as the admin listener sees it.

use std::collections::BTreeMap;

/// Figures for the metrics that [`super::counters`] does not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreFigures {
    /// The number of records that this process published, by type.
    pub(crate) records: BTreeMap<String, u64>,
    /// The number of repeated records and recordings in all runs. They are not published again.
    pub(crate) duplicates: u64,
    /// The number of records and pushes that were not valid, in all runs.
    pub(crate) rejected: u64,
    /// The number of records with the type, id and time of another record but different content, in
    /// all runs.
    pub(crate) conflicts: u64,
    /// The bytes in the queue of the committer.
    pub(crate) queue_bytes: u64,
    /// The age of the oldest unpublished push, in seconds.
    pub(crate) oldest_unpublished: f64,
}

/// The store, as operators see it.
pub(crate) trait StoreView: Send + Sync {
    /// The usage: `{"uses":[…]}`, as JSON.
    fn usage(&self) -> anyhow::Result<String>;
    /// The coverage: a JSON array.
    fn coverage(&self) -> anyhow::Result<String>;
    /// The figures for the metrics.
    fn figures(&self) -> StoreFigures;
}
