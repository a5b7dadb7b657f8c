//! Stores the messages of a slice until the slice is certainly complete. If the messages take more
//! than 1 MiB, they go to a temporary file, so memory does not depend on the size of a reply.

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::Context;

use super::message::{Message, MessageIdentity};
use crate::export::window::Window;
use crate::os::unnamed::{self, SpooledTempFile};

/// The most bytes of messages that are kept in memory.
const SMALL: usize = 1024 * 1024;

const NO_TIME: i64 = i64::MIN;

/// The messages of one or several replies.
#[derive(Debug)]
pub(super) struct SliceReading {
    file: BufWriter<SpooledTempFile>,
    /// The number of messages.
    pub(super) rows: u64,
    /// For each wrapper, its fields beside the array of messages, as JSON without braces.
    pub(super) wrappers: Vec<String>,
}

/// One message of a [`SliceReading`].
#[derive(Clone, Copy, Debug)]
pub(super) struct SpooledMessage<'a> {
    /// When the message was created, in milliseconds since the epoch.
    pub(super) ts: Option<i64>,
    /// The fields that the message's wrapper has beside its array of messages, as JSON without
    /// braces. Empty if the message has no wrapper.
    pub(super) beside: &'a str,
    /// The message with its original bytes.
    pub(super) json: &'a str,
}

impl SpooledMessage<'_> {
    /// Whether the message belongs to a window. Without a window, this is always true.
    pub(super) fn is_in(&self, window: Option<Window>) -> bool {
        match (window, self.ts) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(window), Some(ts)) => {
                (window.from().millis()..window.to().millis()).contains(&ts)
            }
        }
    }
}

impl SliceReading {
    /// An empty reading. Messages that do not fit into memory go to `temp_dir`.
    pub(super) fn new(temp_dir: &Path) -> SliceReading {
        SliceReading {
            file: BufWriter::with_capacity(64 * 1024, unnamed::spooled_in(temp_dir, SMALL)),
            rows: 0,
            wrappers: Vec::new(),
        }
    }

    /// Adds a message. `wrapper` is the number of its wrapper, if it has one.
    pub(super) fn push(
        &mut self,
        ts: Option<i64>,
        json: &str,
        wrapper: Option<u32>,
    ) -> anyhow::Result<()> {
        write(&mut self.file, ts, json, wrapper).context("writing a temporary file")?;
        self.rows += 1;
        Ok(())
    }

    /// Calls `each` with every message, in their original order.
    pub(super) fn each(
        &mut self,
        mut each: impl FnMut(SpooledMessage<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let place = "reading a temporary file";
        self.file.flush().context(place)?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0)).context(place)?;
        let mut input = BufReader::with_capacity(64 * 1024, file);
        let mut json = Vec::new();
        for _ in 0..self.rows {
            let mut head = [0; 16];
            input.read_exact(&mut head).context(place)?;
            let [ts, rest] = [&head[..8], &head[8..]];
            let ts = i64::from_le_bytes(ts.try_into()?);
            let wrapper = u32::from_le_bytes(rest[..4].try_into()?);
            json.resize(u32::from_le_bytes(rest[4..].try_into()?) as usize, 0);
            input.read_exact(&mut json).context(place)?;
            let beside = self.wrappers.get(wrapper as usize);
            each(SpooledMessage {
                ts: (ts != NO_TIME).then_some(ts),
                beside: beside.map_or("", String::as_str),
                json: std::str::from_utf8(&json)?,
            })?;
        }
        self.file.seek(SeekFrom::End(0)).context(place)?;
        Ok(())
    }

    /// Adds the messages of `other` whose times are in `window`; without a window, all of them.
    pub(super) fn append(
        &mut self,
        other: &mut SliceReading,
        window: Option<Window>,
    ) -> anyhow::Result<()> {
        let wrappers = &mut self.wrappers;
        let file = &mut self.file;
        let mut rows = 0;
        other.each(|row| {
            if row.is_in(window) {
                if !row.beside.is_empty() && wrappers.last().map(String::as_str) != Some(row.beside)
                {
                    wrappers.push(row.beside.to_owned());
                }
                let wrapper = (!row.beside.is_empty()).then(|| wrappers.len() as u32 - 1);
                write(file, row.ts, row.json, wrapper).context("writing a temporary file")?;
                rows += 1;
            }
            Ok(())
        })?;
        self.rows += rows;
        Ok(())
    }

    /// The times of all messages that have a time, sorted.
    pub(super) fn times(&mut self) -> anyhow::Result<Vec<i64>> {
        let mut times = Vec::new();
        self.each(|row| {
            times.extend(row.ts);
            Ok(())
        })?;
        times.sort_unstable();
        Ok(times)
    }

    /// The identity of each message in a window, sorted. Two equal messages give the same identity
    /// twice.
    pub(super) fn identities(
        &mut self,
        window: Option<Window>,
    ) -> anyhow::Result<Vec<MessageIdentity>> {
        let mut found = Vec::new();
        self.each(|row| {
            if row.is_in(window) {
                found.push(Message::parse(row.json)?.identity());
            }
            Ok(())
        })?;
        found.sort_unstable();
        Ok(found)
    }
}

fn write(
    file: &mut impl Write,
    ts: Option<i64>,
    json: &str,
    wrapper: Option<u32>,
) -> io::Result<()> {
    let mut head = [0; 16];
    head[..8].copy_from_slice(&ts.unwrap_or(NO_TIME).to_le_bytes());
    head[8..12].copy_from_slice(&wrapper.unwrap_or(u32::MAX).to_le_bytes());
    head[12..].copy_from_slice(&(json.len() as u32).to_le_bytes());
    file.write_all(&head)?;
    file.write_all(json.as_bytes())
}

/// How many of `these` are missing in `those`. Both are sorted. An identity that is twice in
/// `these` must be twice in `those`.
pub(super) fn lacking(these: &[MessageIdentity], those: &[MessageIdentity]) -> usize {
    let mut those = those.iter().peekable();
    let mut lacking = 0;
    for this in these {
        while those.next_if(|that| *that < this).is_some() {}
        if those.next_if_eq(&this).is_none() {
            lacking += 1;
        }
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn what_is_lacking_is_counted_with_its_number() {
        let ids = |numbers: &[u128]| {
            numbers
                .iter()
                .copied()
                .map(MessageIdentity)
                .collect::<Vec<_>>()
        };
        let lacks = |these: &[u128], those: &[u128]| lacking(&ids(these), &ids(those));
        assert_eq!(lacks(&[1, 2, 2, 3], &[1, 2, 2, 3, 4]), 0);
        assert_eq!(lacks(&[1, 2, 2, 3], &[2, 3]), 2);
        assert_eq!(lacks(&[1], &[]), 1);
        assert_eq!(lacks(&[], &[1]), 0);
    }

    #[test]
    fn a_reading_keeps_what_it_was_given_also_on_disk() {
        let mut all = SliceReading::new(&std::env::temp_dir());
        let mut odd = SliceReading::new(&std::env::temp_dir());
        odd.wrappers.push("\"a\":1".to_owned());
        let long = "x".repeat(3000);
        for ts in 0..1000 {
            let json = format!("{{\"ts\":{ts},\"text\":\"{long}\"}}");
            odd.push(Some(ts), &json, (ts % 2 == 1).then_some(0))
                .unwrap();
        }
        let window = Window::new(Timestamp::from_millis(10), Timestamp::from_millis(20));
        all.append(&mut odd, window).unwrap();
        all.append(&mut odd, window).unwrap();
        assert_eq!((odd.rows, all.rows), (1000, 20));
        let mut seen = Vec::new();
        all.each(|row| {
            seen.push((row.ts.unwrap(), row.beside.len(), row.json.len()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen[..2], [(10, 0, 3019), (11, 5, 3019)]);
        let (these, those) = (
            all.identities(None).unwrap(),
            odd.identities(window).unwrap(),
        );
        assert_eq!((lacking(&these, &those), lacking(&those, &these)), (10, 0));
    }
}
