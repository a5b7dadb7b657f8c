//! Compares records of exports with the keys, and adds the missing records to the lake.

use std::collections::HashSet;

use super::{Candidate, Reconciler, batch_of};
use crate::lake::layout::{Layout, type_directory};
use crate::receive::envelope::{self, Piece};
use crate::receive::known::{KnownRecord, PlacedRecord, RecordDecider};
use crate::receive::record_key::record_id;
use crate::receive::store::batches::BatchTotals;
use crate::receive::store::keys::Key;

impl Reconciler {
    /// Compares the collected records with the keys, and adds the missing records to the lake.
    pub(super) fn compare(&mut self) -> anyhow::Result<()> {
        let candidates = std::mem::take(&mut self.candidates);
        self.bytes = 0;
        if candidates.is_empty() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut lacking = Vec::new();
        for one in candidates {
            let tally = self
                .hours
                .entry((type_directory(&one.kind), one.hour))
                .or_default();
            tally.lines += 1;
            tally.kind.clone_from(&one.kind);
            match batch_of(&mut self.keys, one.hour, one.is_own_hour, &one.id.key)? {
                None => lacking.push(one),
                Some(batch) if self.own_batches.contains(&batch) => {}
                Some(_) => {
                    tally.matched.insert(half(&one.id.key));
                }
            }
        }
        self.leave_unpublished(&mut lacking)?;
        match lacking.is_empty() {
            true => Ok(()),
            false => self.fill(&lacking),
        }
    }

    /// Removes from `lacking` the records that are acknowledged but not published yet: the stream
    /// has them.
    fn leave_unpublished(&mut self, lacking: &mut Vec<Candidate>) -> anyhow::Result<()> {
        if lacking.is_empty() {
            return Ok(());
        }
        let wanted: HashSet<Key> = lacking.iter().map(|one| one.id.key).collect();
        let mut found = HashSet::new();
        let mut after = self.store.published_through()?;
        while let Some(push) = self.store.push_after(after, i64::MAX)? {
            after = push.number;
            let body = push.body.unwrap_or_default();
            for piece in envelope::split(&body).pieces {
                if let Piece::Record(record) = piece
                    && self.reader.read(&record).is_ok()
                    && let Ok(id) = record_id(&record)
                    && wanted.contains(&id.key)
                {
                    found.insert(id.key);
                }
            }
        }
        for one in lacking.extract_if(.., |one| found.contains(&one.id.key)) {
            let hour = (type_directory(&one.kind), one.hour);
            let tally = self.hours.entry(hour).or_default();
            tally.matched.insert(half(&one.id.key));
            tally.unpublished.insert(one.id.key, one.is_own_hour);
        }
        Ok(())
    }

    fn fill(&mut self, lacking: &[Candidate]) -> anyhow::Result<()> {
        let now = self.options.clock.now();
        let batch = self.store.begin_export(&self.options.instance, now)?;
        self.own_batches.insert(batch.number);
        let mut layout = Layout::in_directory(&self.directory.lake(), self.options.compress)?;
        let keep = self.options.dedupe_keep;
        let mut decider = RecordDecider::new(&mut self.keys, batch.number, now, keep);
        let mut totals = BatchTotals::default();
        for one in lacking {
            let placed = PlacedRecord {
                id: one.id,
                kind: &one.kind,
                hour: one.hour,
                is_own_hour: one.is_own_hour,
            };
            let KnownRecord::New { conflicts } = decider.decide(&placed)? else {
                continue;
            };
            totals.records += 1;
            totals.conflicts += i64::from(conflicts);
            let named = Some(one.kind.as_str()).filter(|kind| !kind.is_empty());
            let line = format!("{}\n", one.record);
            layout.add(named, Some(one.hour), line.as_bytes())?;
            let key = (type_directory(&one.kind), one.hour);
            self.hours.entry(key).or_default().missing += 1;
        }
        let stem = format!("batch-{}-{}", batch.instance, batch.number);
        layout.publish_as(&stem)?;
        decider.commit()?;
        self.store.end(&batch, &[], totals, now)?;
        Ok(())
    }
}

/// Half of a key: it is enough to distinguish the records of an hour.
fn half(key: &Key) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|at| key[at]))
}
