//! Finds new records: decides on each record while a batch is read, and stores the keys of the new
//! records at the end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::lake::layout::type_directory;
use crate::receive::record_key::RecordId;
use crate::receive::store::keys::{Day, Key, NewKey, RecordKeys};
use crate::time::Timestamp;

/// The key of a record without a time can be stored under another day. So for such a record, this
/// many days before and after its day are searched, too.
const DAYS_AROUND: i64 = 3;

/// The type, the hour and the hashes of a record.
#[derive(Clone, Debug)]
pub(crate) struct PlacedRecord<'k> {
    pub(crate) id: RecordId,
    /// The type of the record; empty if unknown.
    pub(crate) kind: &'k str,
    pub(crate) hour: Timestamp,
    /// Whether the hour comes from the record itself.
    pub(crate) is_own_hour: bool,
}

/// Whether a record is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownRecord {
    /// The record is new and belongs in the files of this batch. `conflicts` is true if another
    /// record has the same type, id and time.
    New { conflicts: bool },
    /// An earlier batch contained the record.
    Before,
    /// An earlier part of this batch contained the record.
    InBatch,
}

/// Decides which records of one batch are new.
#[derive(Debug)]
pub(crate) struct RecordDecider<'k> {
    keys: &'k mut RecordKeys,
    batch: i64,
    /// Records from before this time are not looked up: they count as new.
    oldest: Timestamp,
    seen: HashSet<Key>,
    identities: HashSet<(Day, i64)>,
    new: BTreeMap<Day, Vec<NewKey>>,
    /// The directory names of types.
    directories: HashMap<String, Arc<str>>,
}

impl<'k> RecordDecider<'k> {
    /// A decider for the batch with the number `batch`, which began at `began`. Keys are kept for
    /// `keep`.
    pub(crate) fn new(
        keys: &'k mut RecordKeys,
        batch: i64,
        began: Timestamp,
        keep: Duration,
    ) -> RecordDecider<'k> {
        RecordDecider {
            keys,
            batch,
            oldest: began.minus(keep).floor_day(),
            seen: HashSet::new(),
            identities: HashSet::new(),
            new: BTreeMap::new(),
            directories: HashMap::new(),
        }
    }

    /// Whether a record is new. When a batch is read again after a crash, the answers are the
    /// same.
    pub(crate) fn decide(&mut self, record: &PlacedRecord<'_>) -> anyhow::Result<KnownRecord> {
        if record.hour < self.oldest {
            return Ok(KnownRecord::New { conflicts: false });
        }
        let key = record.id.key;
        let day = Day::of(record.hour);
        if self.seen.contains(&key) {
            return Ok(KnownRecord::InBatch);
        }
        let reach = if record.is_own_hour { 0 } else { DAYS_AROUND };
        for day in day.around(reach) {
            if let Some(batch) = self.keys.batch_of(day, &key)?
                && batch != self.batch
            {
                return Ok(KnownRecord::Before);
            }
        }
        self.seen.insert(key);
        let mut conflicts = false;
        if let Some(identity) = record.id.identity {
            let known = self.keys.batch_of_identity(day, identity)?;
            conflicts = known.is_some_and(|batch| batch != self.batch);
            conflicts |= !self.identities.insert((day, identity));
        }
        let kind = match self.directories.get(record.kind) {
            Some(kind) => Arc::clone(kind),
            None => {
                let kind: Arc<str> = type_directory(record.kind).into();
                let name = record.kind.to_owned();
                Arc::clone(self.directories.entry(name).or_insert(kind))
            }
        };
        self.new.entry(day).or_default().push(NewKey {
            key,
            identity: record.id.identity,
            kind,
            hour: record.hour,
        });
        Ok(KnownRecord::New { conflicts })
    }

    /// Stores the keys of all new records, one day at a time.
    pub(crate) fn commit(self) -> anyhow::Result<()> {
        for (day, new) in &self.new {
            self.keys.commit(*day, new, self.batch)?;
        }
        Ok(())
    }
}
