//! The keys of all records so far. The first keys, up to a limit, are in memory; all further keys
//! are in a file.
//!
//! Only half of the SHA-256 digest of a key is stored. The probability that two of 10^12 keys have
//! the same half is 10^-15, even if somebody tries to make such keys.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::error;
use crate::json::fields::{Fields, Record, Slot, text};
use crate::json::path::{self, split};
use crate::os::{digest, unnamed};

/// The hash of a record's key. The hash is never all zeros, because zeros mark a free place in the
/// file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordHash([u8; KEY]);

const KEY: usize = 16;

/// The fields that are the key of a record.
#[derive(Debug)]
pub struct Keys(Vec<Slot>);

impl Keys {
    /// Parses lists of paths; `None` if they contain no path. An error with status 2 if a part of a
    /// list is not a path.
    pub fn new(lists: &[String], fields: &mut Fields) -> anyhow::Result<Option<Keys>> {
        let slot = |text: &str| {
            let steps = path::parse(text);
            let steps = steps.map_err(|e| error::usage(format!("--dedupe '{text}': {e}")))?;
            Ok(fields.want_steps(&steps))
        };
        let paths = lists.iter().flat_map(|list| split(list));
        let slots = paths.map(slot).collect::<anyhow::Result<Vec<Slot>>>()?;
        Ok((!slots.is_empty()).then_some(Keys(slots)))
    }

    /// The key of a record; `None` if the record lacks one of the fields, or has null there.
    pub fn of(&self, record: &Record<'_, '_>) -> Option<RecordHash> {
        let mut parts = Vec::new();
        for slot in &self.0 {
            let value = record.get(*slot)?.trim_ascii();
            if value == "null" {
                return None;
            }
            let text = text(value);
            // The kind distinguishes "1" from 1; the length distinguishes "ab", "c" from "a", "bc".
            parts.push(u8::from(value.starts_with('"')));
            parts.extend_from_slice(&text.len().to_le_bytes());
            parts.extend_from_slice(text.as_bytes());
        }
        let mut key = digest::sha256_half(&parts);
        key[KEY - 1] = key[KEY - 1].max(1);
        Some(RecordHash(key))
    }
}

/// The keys of all records so far.
#[derive(Debug)]
pub struct SeenKeys {
    memory: HashSet<RecordHash>,
    limit: usize,
    directory: PathBuf,
    disk: Option<Disk>,
}

impl SeenKeys {
    /// An empty set. It stores `limit` keys in memory, and further keys in a file without a name in
    /// `directory`.
    pub fn new(limit: usize, directory: &Path) -> SeenKeys {
        SeenKeys {
            memory: HashSet::new(),
            limit,
            directory: directory.to_owned(),
            disk: None,
        }
    }

    /// Stores a key. True if the key is new.
    pub fn insert(&mut self, key: RecordHash) -> anyhow::Result<bool> {
        if self.memory.contains(&key) {
            return Ok(false);
        }
        let directory = &self.directory;
        let place = || format!("remembering keys in a file in {}", directory.display());
        if self.disk.is_none() {
            if self.memory.len() < self.limit {
                return Ok(self.memory.insert(key));
            }
            self.disk = Some(Disk::new(FIRST_PAGES, directory).with_context(place)?);
        }
        match &mut self.disk {
            Some(disk) => disk.insert(key, directory).with_context(place),
            None => Ok(true),
        }
    }
}

/// A hash table in a file. The first bits of a key select its page. If that page is full, the key
/// is in the next page with room. So a look-up nearly always takes one read.
#[derive(Debug)]
struct Disk {
    file: File,
    pages: u64,
    keys: u64,
    page: Vec<u8>,
}

const PAGE: usize = 4096;
const KEYS_PER_PAGE: u64 = (PAGE / KEY) as u64;
const FIRST_PAGES: u64 = 1024;

impl Disk {
    fn new(pages: u64, directory: &Path) -> std::io::Result<Disk> {
        Ok(Disk {
            file: unnamed::create_zeros_in(directory, pages * PAGE as u64)?,
            pages,
            keys: 0,
            page: vec![0; PAGE],
        })
    }

    fn insert(&mut self, key: RecordHash, directory: &Path) -> std::io::Result<bool> {
        // As long as at most half of the table is used, few pages are full.
        if self.keys >= self.pages * KEYS_PER_PAGE / 2 {
            self.grow(directory)?;
        }
        let mut bits = [0; 8];
        bits.copy_from_slice(&key.0[..8]);
        let mut at = u64::from_le_bytes(bits) % self.pages;
        loop {
            let offset = at * PAGE as u64;
            self.file.read_exact_at(&mut self.page, offset)?;
            for (slot, there) in self.page.chunks_exact(KEY).enumerate() {
                if there == key.0 {
                    return Ok(false);
                }
                if there == [0; KEY] {
                    self.file
                        .write_all_at(&key.0, offset + (slot * KEY) as u64)?;
                    self.keys += 1;
                    return Ok(true);
                }
            }
            at = (at + 1) % self.pages;
        }
    }

    fn grow(&mut self, directory: &Path) -> std::io::Result<()> {
        let mut larger = Disk::new(self.pages * 4, directory)?;
        for at in 0..self.pages {
            self.file.read_exact_at(&mut self.page, at * PAGE as u64)?;
            for there in self.page.chunks_exact(KEY) {
                let mut key = [0; KEY];
                key.copy_from_slice(there);
                if key != [0; KEY] {
                    larger.insert(RecordHash(key), directory)?;
                }
            }
        }
        *self = larger;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::fields::Finds;

    fn key(lists: &[&str], line: &str) -> Option<RecordHash> {
        let lists: Vec<String> = lists.iter().map(|list| (*list).to_owned()).collect();
        let mut fields = Fields::default();
        let keys = Keys::new(&lists, &mut fields).unwrap().unwrap();
        let mut finds = Finds::default();
        keys.of(&fields.read(line, &mut finds).unwrap())
    }

    #[test]
    fn a_key_is_what_the_fields_say_in_their_order() {
        let same = [
            (
                r#"{"a":"x","b":{"c":1}}"#,
                r#"{ "b":{"c": 1 },"a" : "\u0078","d":2}"#,
                true,
            ),
            (r#"{"a":"1","b":{"c":1}}"#, r#"{"a":1,"b":{"c":1}}"#, false),
            (r#"{"a":1,"b":{"c":1}}"#, r#"{"a":1.0,"b":{"c":1}}"#, false),
            (
                r#"{"a":"xy","b":{"c":"z"}}"#,
                r#"{"a":"x","b":{"c":"yz"}}"#,
                false,
            ),
            (r#"{"a":1,"b":{"c":2}}"#, r#"{"a":2,"b":{"c":1}}"#, false),
        ];
        for (one, other, is_same) in same {
            let (one_key, other_key) = (key(&["a,b.c"], one), key(&["a", "b.c"], other));
            assert!(one_key.is_some());
            assert_eq!(one_key == other_key, is_same, "{one} {other}");
        }
        for line in [
            r#"{"a":1}"#,
            r#"{"a":null,"b":{"c":1}}"#,
            r#"{"a":1,"b":7}"#,
        ] {
            assert_eq!(key(&["a,b.c"], line), None, "{line}");
        }
        assert!(Keys::new(&["a,".to_owned()], &mut Fields::default()).is_err());
    }

    #[test]
    fn a_key_is_new_once_wherever_it_is_remembered() {
        let key = |number: u64| {
            let mut key = digest::sha256_half(&number.to_le_bytes());
            key[KEY - 1] |= 1;
            RecordHash(key)
        };
        for limit in [0, 1, 500, 10_000] {
            let mut seen = SeenKeys::new(limit, &std::env::temp_dir());
            for number in 0..2000 {
                assert!(seen.insert(key(number)).unwrap(), "{number} at {limit}");
                assert!(!seen.insert(key(number / 2)).unwrap());
            }
            assert_eq!(seen.disk.is_some(), limit < 2000);
        }
    }

    #[test]
    fn a_file_that_is_half_full_grows_and_a_full_page_runs_over() {
        let directory = std::env::temp_dir();
        let mut disk = Disk::new(1, &directory).unwrap();
        let key = |number: u64| {
            // The first bits are the same, so all keys belong to one page.
            let mut key = [7; KEY];
            key[8..].copy_from_slice(&number.to_le_bytes());
            RecordHash(key)
        };
        for number in 0..3 * KEYS_PER_PAGE {
            assert!(disk.insert(key(number), &directory).unwrap());
        }
        assert!(disk.pages > 4);
        for number in 0..3 * KEYS_PER_PAGE {
            assert!(!disk.insert(key(number), &directory).unwrap());
        }
    }
}
