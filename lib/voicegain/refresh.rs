//! What changed in calls after they were exported: reviews, notes, tags and scores
//! come later, and a rerun of the analysis changes everything; the cursor never
//! returns to them.
//!
//! Beside the state lies a line for each exported call, `id hash time`, by rising
//! id. The last days are read again in the same order and compared as both pass
//! by, so that memory does not depend on how many there are; what was exported out
//! of order since the last time is in the state itself until it is merged in.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::export::Export;
use super::progress::{Exported, Progress};
use super::query::Place;
use super::wire::{Body, Flow};
use crate::time::Timestamp;
use crate::trail::{Mark, Trail};
use crate::{digest, error};

const NAME: &str = "exported";
const DAY: Duration = Duration::from_secs(86_400);

/// An exported call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: u64,
    /// What its content was.
    pub hash: String,
    /// When it began, or was exported if that is not known.
    pub time: Timestamp,
}

/// A part of the SHA-256 of a call's content, whatever the order of its fields and
/// the blanks between them.
fn hash_of(json: &str) -> anyhow::Result<String> {
    let value: Value = serde_json::from_str(json).map_err(|e| error::bad_input(e.to_string()))?;
    let mut hash = digest::sha256(sorted(value).to_string().as_bytes());
    hash.truncate(32);
    Ok(hash)
}

/// Objects as lists of pairs by name.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut pairs: Vec<_> = fields.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            let pairs = pairs.into_iter();
            Value::Array(
                pairs
                    .map(|(name, value)| Value::Array(vec![name.into(), sorted(value)]))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

impl Entry {
    fn of(call: &Call, json: &str, now: Timestamp) -> anyhow::Result<Entry> {
        Ok(Entry {
            id: call.id,
            hash: hash_of(json)?,
            time: call.start.unwrap_or(now),
        })
    }

    fn line(&self) -> String {
        format!("{} {} {}", self.id, self.hash, self.time.millis())
    }

    fn parse(line: &str) -> Option<Entry> {
        let mut parts = line.split(' ');
        Some(Entry {
            id: parts.next()?.parse().ok()?,
            hash: parts.next()?.to_owned(),
            time: Timestamp::from_millis(parts.next()?.parse().ok()?),
        })
    }
}

/// The exported calls.
#[derive(Debug)]
pub struct Memory {
    trail: Trail,
    state: PathBuf,
    exported: Exported,
    /// The generation beside which there is none that is not needed.
    tidied: u64,
}

impl Memory {
    /// Opens what the state has, or begins, if it is to.
    pub fn open(state: &Path, progress: &Progress, begin: bool) -> anyhow::Result<Option<Memory>> {
        let exported = match &progress.exported {
            Some(exported) => exported.clone(),
            None if begin => Exported {
                mark: Mark::default(),
                after: progress.cursor,
                from: None,
                late: Vec::new(),
            },
            None => return Ok(None),
        };
        let kept = kept(exported.mark.generation);
        Trail::remove_others(state, NAME, &kept).with_context(|| state.display().to_string())?;
        Ok(Some(Memory {
            trail: Trail::open(state, NAME, exported.mark)?,
            state: state.to_owned(),
            tidied: exported.mark.generation,
            exported,
        }))
    }

    /// Notes a call that is exported now; `cursor` is where the walk stands.
    pub(super) fn note(
        &mut self,
        call: &Call,
        json: &str,
        cursor: u64,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let entry = Entry::of(call, json, now)?;
        match call.id > cursor {
            true => self.trail.append(&entry.line()),
            false => {
                self.exported.late.push(entry);
                Ok(())
            }
        }
    }

    /// Brings it onto the disk, and says what the state has to say.
    pub(super) fn sync(&mut self) -> anyhow::Result<Exported> {
        self.exported.mark = self.trail.sync()?;
        Ok(self.exported.clone())
    }

    /// Removes what an older state needed.
    pub(super) fn tidy(&mut self) -> anyhow::Result<()> {
        let generation = self.exported.mark.generation;
        if self.tidied != generation {
            Trail::remove_others(&self.state, NAME, &kept(generation))
                .with_context(|| self.state.display().to_string())?;
            self.tidied = generation;
        }
        Ok(())
    }

    fn entries(&mut self) -> anyhow::Result<Entries<impl Read + use<>>> {
        let mut late = self.exported.late.clone();
        late.sort_by_key(|entry| entry.id);
        // Of one that came late twice the last is the one that was exported.
        late.reverse();
        late.dedup_by_key(|entry| entry.id);
        late.reverse();
        Ok(Entries {
            lines: self.trail.reader(0)?.lines().peekable(),
            late: late.into(),
            name: self.state.display().to_string(),
        })
    }
}

/// Beside the one that counts the one before it stays, for whoever puts back the
/// state of the run before.
fn kept(generation: u64) -> [u64; 2] {
    [generation, generation.saturating_sub(1)]
}

/// What was exported, by rising id.
struct Entries<R: Read> {
    lines: Peekable<std::io::Lines<BufReader<R>>>,
    late: VecDeque<Entry>,
    name: String,
}

impl<R: Read> Entries<R> {
    /// The next entry if its id is at most `limit`.
    fn next_up_to(&mut self, limit: u64) -> anyhow::Result<Option<Entry>> {
        let first = match self.lines.peek() {
            None => None,
            Some(Ok(line)) => Some(Entry::parse(line).ok_or_else(|| {
                error::bad_input(format!(
                    "{}.{NAME}: '{line}' is no exported call",
                    self.name
                ))
            })?),
            Some(Err(e)) => {
                return Err(std::io::Error::new(e.kind(), e.to_string()))
                    .with_context(|| format!("{}.{NAME}", self.name));
            }
        };
        let is_late = match (&first, self.late.front()) {
            (Some(entry), Some(late)) => late.id <= entry.id,
            (first, late) => first.is_none() && late.is_some(),
        };
        if is_late {
            let id = self.late.front().map_or(u64::MAX, |late| late.id);
            if first.is_some_and(|entry| entry.id == id) && id <= limit {
                self.lines.next();
            }
            return Ok(match id <= limit {
                true => self.late.pop_front(),
                false => None,
            });
        }
        let next = first.filter(|entry| entry.id <= limit);
        if next.is_some() {
            self.lines.next();
        }
        Ok(next)
    }
}

/// What a call that is read again is.
enum Seen {
    /// As it was.
    Same(Entry),
    /// Other than it was.
    Changed(Entry),
    /// Not exported yet: it came late, with a low id.
    Late(Entry),
    /// From before anything was noted.
    Unknown(Entry),
    /// Not to be exported now.
    Unfinished,
}

impl Export<'_> {
    /// Reads the last `days` again and exports what changed.
    pub(super) fn refresh(&mut self, days: u64) -> anyhow::Result<()> {
        let Some(mut memory) = self.memory.take() else {
            return Ok(());
        };
        let api = self.api;
        let now = api.attempts().now();
        let from = now.minus(DAY * u32::try_from(days).unwrap_or(u32::MAX));
        // What the service counts to the window by another time than ours stays known.
        let forgotten = from.minus(DAY * 2);
        let mut known = memory.entries()?;
        let mut next = Trail::begin_next(&memory.state, NAME, memory.exported.mark)?;
        let keep = |next: &mut Trail, entry: &Entry| match entry.time >= forgotten {
            true => next.append(&entry.line()),
            false => Ok(()),
        };
        let mut last = 0;
        let (mut read, mut repeated) = (0_u64, 0_u64);
        let done = std::cell::Cell::new(false);
        let each = &mut |call: &Call, body: Body<'_>| {
            let Body::Json(json) = body else {
                return Ok(Flow::Enough);
            };
            if call.id <= last {
                repeated += 1;
                return Ok(Flow::On);
            }
            if call.id > self.progress.cursor {
                done.set(true);
                return Ok(Flow::Enough);
            }
            last = call.id;
            read += 1;
            while let Some(entry) = known.next_up_to(call.id - 1)? {
                keep(&mut next, &entry)?;
            }
            let entry = known.next_up_to(call.id)?;
            match self.compare(&memory.exported, call, json, entry, from, now)? {
                Seen::Unfinished => {}
                Seen::Same(entry) => keep(&mut next, &entry)?,
                Seen::Unknown(entry) => {
                    self.counts.noted += 1;
                    keep(&mut next, &entry)?;
                }
                Seen::Changed(entry) => {
                    self.write(call, body)?;
                    self.counts.changed += 1;
                    keep(&mut next, &entry)?;
                }
                Seen::Late(entry) => {
                    log::info!("call {} has come late", call.id);
                    self.write(call, body)?;
                    self.queue_recording(call)?;
                    self.counts.late += 1;
                    keep(&mut next, &entry)?;
                }
            }
            Ok(Flow::On)
        };
        let at_end = || Ok(if done.get() { Flow::Enough } else { Flow::On });
        api.scan(
            |skipped| Place::Between(from, now.plus(DAY), skipped),
            u64::MAX,
            each,
            at_end,
        )?;
        while let Some(entry) = known.next_up_to(u64::MAX)? {
            keep(&mut next, &entry)?;
        }
        if repeated > read {
            log::warn!(
                "--refresh-days: the service does not sort by callId; changes may be missed"
            );
        }
        memory.trail = next;
        memory.exported.late.clear();
        let pruned = memory
            .exported
            .from
            .map_or(forgotten, |old| old.max(forgotten));
        memory.exported.from = Some(pruned);
        self.memory = Some(memory);
        self.commit()
    }

    fn compare(
        &self,
        exported: &Exported,
        call: &Call,
        json: &str,
        entry: Option<Entry>,
        from: Timestamp,
        now: Timestamp,
    ) -> anyhow::Result<Seen> {
        let is_pending = self
            .progress
            .pending
            .iter()
            .any(|waiting| waiting.call_id == call.id);
        let mut fresh = Entry::of(call, json, now)?;
        Ok(match entry {
            // One that is worked on anew is exported when that is done.
            Some(entry) if !call.is_final() || entry.hash == fresh.hash => Seen::Same(entry),
            Some(entry) => {
                fresh.time = call.start.unwrap_or(entry.time);
                Seen::Changed(fresh)
            }
            None if is_pending || !call.is_final() => Seen::Unfinished,
            None if call.id <= exported.after => Seen::Unknown(fresh),
            None if fresh.time < exported.from.unwrap_or(from).max(from) => Seen::Unknown(fresh),
            None => Seen::Late(fresh),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_compared_not_spelling() {
        let hash = |json: &str| hash_of(json).unwrap();
        let one = hash(r#"{"callId":"1","agent":{"name":"x","channel":"left"},"tags":["a","b"]}"#);
        assert_eq!(
            one,
            hash(r#"{ "tags":["a", "b"], "agent":{"channel":"left","name":"x"}, "callId":"1" }"#)
        );
        for other in [
            r#"{"callId":"1","agent":{"name":"x","channel":"left"},"tags":["b","a"]}"#,
            r#"{"callId":"1","agent":{"name":"y","channel":"left"},"tags":["a","b"]}"#,
            r#"{"callId":"1","agent":{"name":"x","channel":"left"},"tags":["a","b"],"x":null}"#,
        ] {
            assert_ne!(one, hash(other), "{other}");
        }
    }

    fn entry(id: u64, hash: &str) -> Entry {
        Entry {
            id,
            hash: hash.to_owned(),
            time: Timestamp::from_millis(5),
        }
    }

    #[test]
    fn what_came_late_is_merged_in_and_counts_more() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("S");
        let mut memory = Memory::open(&state, &Progress::default(), true)
            .unwrap()
            .unwrap();
        for id in [2, 5, 9] {
            memory.trail.append(&entry(id, "a").line()).unwrap();
        }
        memory.exported.late = vec![entry(7, "b"), entry(5, "c"), entry(12, "d"), entry(7, "e")];
        let mut entries = memory.entries().unwrap();
        assert_eq!(entries.next_up_to(1).unwrap(), None);
        let mut found = Vec::new();
        while let Some(entry) = entries.next_up_to(u64::MAX).unwrap() {
            found.push(format!("{}{}", entry.id, entry.hash));
        }
        assert_eq!(found, ["2a", "5c", "7e", "9a", "12d"]);
    }
}
