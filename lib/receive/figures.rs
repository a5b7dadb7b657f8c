//! Facts of the store for the admin listener.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::os::clock::Clock;
use crate::os::mutex::lock;
use crate::receive::committer::Committer;
use crate::receive::publisher::PublishCounts;
use crate::receive::server::store_view::{StoreFigures, StoreView};
use crate::receive::store::Store;

/// How far back `/v1/coverage` reaches.
const COVERAGE: Duration = Duration::from_secs(62 * 86_400);

/// The store as operators see it, with its own connection to the database.
pub(crate) struct StoreFacts {
    store: Mutex<Store>,
    committer: Arc<Committer>,
    clock: Clock,
    /// The number of records that this process published, by type.
    by_type: Mutex<BTreeMap<String, u64>>,
}

impl StoreFacts {
    /// The facts of `store`. This process has not published any record yet.
    pub(crate) fn new(store: Store, committer: Arc<Committer>, clock: Clock) -> StoreFacts {
        StoreFacts {
            store: Mutex::new(store),
            committer,
            clock,
            by_type: Mutex::default(),
        }
    }

    /// Adds the counts of published records.
    pub(crate) fn published(&self, counts: &PublishCounts) {
        let mut by_type = lock(&self.by_type);
        for (kind, count) in &counts.by_type {
            *by_type.entry(kind.clone()).or_default() += count.unsigned_abs();
        }
    }
}

impl StoreView for StoreFacts {
    fn usage(&self) -> anyhow::Result<String> {
        let uses = lock(&self.store).uses()?;
        Ok(json!({ "uses": uses }).to_string())
    }

    fn coverage(&self) -> anyhow::Result<String> {
        let since = self.clock.now().minus(COVERAGE);
        let rows = lock(&self.store).coverage(since)?;
        Ok(serde_json::to_string(&rows)?)
    }

    fn figures(&self) -> StoreFigures {
        let store = lock(&self.store);
        // A figure that cannot be read now is 0 until it is read again.
        let fact = |name: &str| {
            let fact = store.fact(name).ok().flatten();
            fact.unwrap_or_default().unsigned_abs()
        };
        let oldest = store.oldest_unpublished().ok().flatten();
        let age = oldest.map(|at| self.clock.now().since(at).as_secs_f64());
        StoreFigures {
            records: lock(&self.by_type).clone(),
            duplicates: fact("duplicates"),
            rejected: fact("rejected"),
            conflicts: fact("conflicts"),
            queue_bytes: u64::try_from(self.committer.queued_bytes()).unwrap_or(u64::MAX),
            oldest_unpublished: age.unwrap_or_default(),
        }
    }
}
