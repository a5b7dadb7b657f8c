//! Remembers the exported calls, to find later changes of these calls. A file beside the state has
//! a line `id hash time` for each call, by rising id. Calls that are exported out of order are kept
//! in the state itself, until the file is rewritten with them.

use std::collections::VecDeque;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::call::Call;
use super::progress::{CallEntry, CallProgress, Exported};
use crate::error;
use crate::export::side_log::{SideLog, SideLogLines, SideLogMark};
use crate::json::surrogates;
use crate::os::digest;
use crate::time::Timestamp;

const NAME: &str = "exported";

/// A part of the SHA-256 of a call's content. The order of fields and the blanks between them do
/// not change it. If the content has a value that the parser cannot represent, such as 1e999, the
/// hash is that of the unchanged text.
fn hash_of(json: &str) -> String {
    let value = serde_json::from_str::<Value>(&surrogates::mended(json));
    let text = value.map_or_else(|_| json.to_owned(), |value| sorted(value).to_string());
    let mut hash = digest::sha256(text.as_bytes());
    hash.truncate(32);
    hash
}

/// Turns objects into lists of pairs, sorted by name.
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

impl CallEntry {
    pub(super) fn of(call: &Call, json: &str, now: Timestamp) -> CallEntry {
        CallEntry {
            id: call.id,
            hash: hash_of(json),
            time: call.start.unwrap_or(now),
        }
    }

    pub(super) fn line(&self) -> String {
        format!("{} {} {}", self.id, self.hash, self.time.millis())
    }

    fn parse(line: &str) -> Option<CallEntry> {
        let mut parts = line.splitn(3, ' ');
        Some(CallEntry {
            id: parts.next()?.parse().ok()?,
            hash: parts.next()?.to_owned(),
            time: Timestamp::from_millis(parts.next()?.parse().ok()?),
        })
    }
}

/// The exported calls.
#[derive(Debug)]
pub(super) struct CallMemory {
    log: SideLog,
    state: PathBuf,
    pub(super) exported: Exported,
    /// The generation of the side log when files that are not needed any more were last removed.
    tidied: u64,
}

impl CallMemory {
    /// Opens the file that the state names. If the state names no file, creates one if `begin` is
    /// true, and returns `None` if `begin` is false.
    pub(super) fn open(
        state: &Path,
        progress: &CallProgress,
        begin: bool,
    ) -> anyhow::Result<Option<CallMemory>> {
        let exported = match &progress.exported {
            Some(exported) => exported.clone(),
            None if begin => Exported {
                mark: SideLogMark::default(),
                after: progress.cursor,
                from: None,
                late: Vec::new(),
            },
            None => return Ok(None),
        };
        let kept = kept(exported.mark.generation);
        SideLog::remove_others(state, NAME, &kept).with_context(|| state.display().to_string())?;
        Ok(Some(CallMemory {
            log: SideLog::open(state, NAME, exported.mark)?,
            state: state.to_owned(),
            tidied: exported.mark.generation,
            exported,
        }))
    }

    /// Notes a call that is exported now. A call whose id is not above `cursor` is out of order.
    pub(super) fn note(
        &mut self,
        call: &Call,
        json: &str,
        cursor: u64,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let entry = CallEntry::of(call, json, now);
        match call.id > cursor {
            true => self.log.append(&entry.line()),
            false => {
                self.exported.late.push(entry);
                Ok(())
            }
        }
    }

    /// Syncs the file, and returns its entry for the state.
    pub(super) fn sync(&mut self) -> anyhow::Result<Exported> {
        self.exported.mark = self.log.sync()?;
        Ok(self.exported.clone())
    }

    /// Removes files that only an older state needed.
    pub(super) fn tidy(&mut self) -> anyhow::Result<()> {
        let generation = self.exported.mark.generation;
        if self.tidied != generation {
            SideLog::remove_others(&self.state, NAME, &kept(generation))
                .with_context(|| self.state.display().to_string())?;
            self.tidied = generation;
        }
        Ok(())
    }

    /// Creates an empty file that will replace this one.
    pub(super) fn begin_next(&self) -> anyhow::Result<SideLog> {
        SideLog::begin_next(&self.state, NAME, self.exported.mark)
    }

    /// Continues with `next`, which has the calls that began at `from` or later.
    pub(super) fn replace(&mut self, next: SideLog, from: Timestamp) {
        self.log = next;
        self.exported.late.clear();
        self.exported.from = Some(self.exported.from.map_or(from, |old| old.max(from)));
    }

    /// The exported calls, by rising id.
    pub(super) fn entries(&mut self) -> anyhow::Result<Entries> {
        let mut late = self.exported.late.clone();
        late.sort_by_key(|entry| entry.id);
        // If a call is in `late` twice, only its last entry is kept, which is the entry of its last
        // export.
        late.reverse();
        late.dedup_by_key(|entry| entry.id);
        late.reverse();
        Ok(Entries {
            lines: self.log.lines(0)?.peekable(),
            late: late.into(),
            name: self.state.display().to_string(),
        })
    }
}

/// The generations of the side log to keep: the current one, and the previous one for a user who
/// restores the previous state.
fn kept(generation: u64) -> [u64; 2] {
    [generation, generation.saturating_sub(1)]
}

/// The exported calls, by rising id.
pub(super) struct Entries {
    lines: Peekable<SideLogLines>,
    late: VecDeque<CallEntry>,
    name: String,
}

impl Entries {
    /// The next entry if its id is at most `limit`.
    pub(super) fn next_up_to(&mut self, limit: u64) -> anyhow::Result<Option<CallEntry>> {
        if let Some(Err(error)) = self.lines.next_if(Result::is_err) {
            return Err(error);
        }
        let first = match self.lines.peek() {
            Some(Ok(line)) => Some(CallEntry::parse(line).ok_or_else(|| {
                error::bad_input(format!(
                    "{}.{NAME}: '{line}' is not an exported call",
                    self.name
                ))
            })?),
            _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_compared_not_spelling() {
        let hash = |json: &str| hash_of(json);
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

    fn entry(id: u64, hash: &str) -> CallEntry {
        CallEntry {
            id,
            hash: hash.to_owned(),
            time: Timestamp::from_millis(5),
        }
    }

    #[test]
    fn what_came_late_is_merged_in_and_counts_more() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("S");
        let mut memory = CallMemory::open(&state, &CallProgress::default(), true)
            .unwrap()
            .unwrap();
        for id in [2, 5, 9] {
            memory.log.append(&entry(id, "a").line()).unwrap();
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
