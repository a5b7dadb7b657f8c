//! Rebuilds keys from the files of the lake: all keys if `keys/` was deleted, or the keys of an
//! export whose publishing was interrupted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::error;
use crate::format::zstandard;
use crate::json::lines::Lines;
use crate::os::clock::Clock;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::record_key::record_id;
use crate::receive::store::Store;
use crate::receive::store::batches::{BatchKind, BatchTotals};
use crate::receive::store::keys::{Day, NewKey, RecordKeys};
use crate::time::Timestamp;

/// Keys are stored when this many are in memory.
const AT_ONCE: usize = 200_000;

/// The counts of a rebuild.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IndexCounts {
    pub(crate) files: u64,
    pub(crate) records: u64,
    /// Lines that are not records.
    pub(crate) bad: u64,
    /// Files that cannot be read completely.
    pub(crate) damaged: u64,
}

/// Makes sure that every record of the lake has its key. If `keys/` was deleted, reads the whole
/// lake if `rebuild` is true, and fails with status 2 if `rebuild` is false.
pub(crate) fn require_keys(
    directory: &ReceiveDirectory,
    store: &Store,
    keys: &mut RecordKeys,
    rebuild: bool,
) -> anyhow::Result<()> {
    if keys.are_complete() {
        return Ok(());
    }
    if !store.has_published()? && !has_files(&directory.lake())? {
        directory.create()?;
        return keys.set_complete();
    }
    if !rebuild {
        let text = format!(
            "{}: the keys of the lake's records are missing: give --reindex, or run ocp-receive \
             reindex",
            directory.keys().display()
        );
        return Err(error::usage(text));
    }
    log::warn!(
        "{}: the keys of the lake's records are missing: reading the lake",
        directory.keys().display()
    );
    rebuild_keys(directory, keys).map(drop)
}

/// Reads the whole lake and stores the keys of its records. The caller must hold the publisher's
/// lock.
pub(crate) fn rebuild_keys(
    directory: &ReceiveDirectory,
    keys: &mut RecordKeys,
) -> anyhow::Result<IndexCounts> {
    directory.create()?;
    keys.clear()?;
    let counts = index(&directory.lake(), keys, "")?;
    keys.set_complete()?;
    Ok(counts)
}

/// Completes exports whose publishing was interrupted: stores the keys of the records in the files
/// that have their final names. The caller must hold the publisher's lock.
pub(crate) fn finish_exports(
    directory: &ReceiveDirectory,
    store: &mut Store,
    keys: &mut RecordKeys,
    clock: &Clock,
) -> anyhow::Result<()> {
    while let Some(batch) = store.unfinished()? {
        if batch.kind != BatchKind::Export {
            break;
        }
        let prefix = format!("batch-{}-{}-", batch.instance, batch.number);
        let counts = index(&directory.lake(), keys, &prefix)?;
        log::warn!(
            "an earlier reconcile did not finish: {} records of its export are in the lake",
            counts.records
        );
        store.end(&batch, &[], BatchTotals::default(), clock.now())?;
    }
    Ok(())
}

/// Stores the keys of the records in all files whose name starts with `prefix`.
fn index(lake: &Path, keys: &mut RecordKeys, prefix: &str) -> anyhow::Result<IndexCounts> {
    let mut counts = IndexCounts::default();
    for (kind, path) in directories(lake, "message_type=")? {
        for (date, path) in directories(&path, "date=")? {
            for (hour, path) in directories(&path, "hour=")? {
                let time = Timestamp::parse_instant(&format!("{date}T{hour}:00:00Z"));
                for file in entries(&path)? {
                    let name = file.file_name().unwrap_or_default().to_string_lossy();
                    let is_data = name.ends_with(".ndjson") || name.ends_with(".ndjson.zst");
                    if !is_data || name.starts_with('.') || !name.starts_with(prefix) {
                        continue;
                    }
                    counts.files += 1;
                    let batch = batch_number(&name);
                    index_file(&file, keys, (&kind, time, batch), &mut counts)?;
                }
            }
        }
    }
    Ok(counts)
}

/// The batch number in a file name; 0 if another program wrote the file.
fn batch_number(name: &str) -> i64 {
    let mut parts = name.split('-');
    match parts.next() {
        Some("stream" | "batch") => parts.nth(1).and_then(|n| n.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

/// Stores the keys of the records in a file. A damaged file is logged and counted, and the keys of
/// its readable records are stored.
fn index_file(
    path: &Path,
    keys: &mut RecordKeys,
    (kind, hour, batch): (&str, Option<Timestamp>, i64),
    counts: &mut IndexCounts,
) -> anyhow::Result<()> {
    let kind: Arc<str> = kind.into();
    let mut new: BTreeMap<Day, Vec<NewKey>> = BTreeMap::new();
    let mut pending = 0;
    let mut lines = match open(path) {
        Ok(input) => Lines::new(input),
        Err(e) => {
            counts.tell_damaged(path, &e);
            return Ok(());
        }
    };
    loop {
        let line = match lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(e) => {
                counts.tell_damaged(path, &e);
                break;
            }
        };
        let record = line.record();
        if record.is_empty() {
            continue;
        }
        let id = str::from_utf8(record)
            .ok()
            .and_then(|text| record_id(text).ok());
        // A file that unzip-jsonl put into the lake can be without an hour.
        let (Some(id), Some(hour)) = (id, hour) else {
            counts.bad += 1;
            continue;
        };
        counts.records += 1;
        pending += 1;
        new.entry(Day::of(hour)).or_default().push(NewKey {
            key: id.key,
            identity: id.identity,
            kind: Arc::clone(&kind),
            hour,
        });
        if pending >= AT_ONCE {
            keep(keys, &mut new, batch)?;
            pending = 0;
        }
    }
    keep(keys, &mut new, batch)
}

impl IndexCounts {
    fn tell_damaged(&mut self, path: &Path, e: &io::Error) {
        log::error!(
            "{}: damaged ({e}); its readable records are used. Remove this file, run ocp-receive \
             reindex, and fill its hours with ocp-receive reconcile",
            path.display()
        );
        self.damaged += 1;
    }
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    match path.extension().is_some_and(|end| end == "zst") {
        true => zstandard::reader(file),
        false => Ok(Box::new(file)),
    }
}

fn keep(
    keys: &mut RecordKeys,
    new: &mut BTreeMap<Day, Vec<NewKey>>,
    batch: i64,
) -> anyhow::Result<()> {
    for (day, new) in std::mem::take(new) {
        keys.commit(day, &new, batch)?;
    }
    Ok(())
}

fn has_files(lake: &Path) -> anyhow::Result<bool> {
    Ok(!directories(lake, "message_type=")?.is_empty())
}

/// The entries of a directory, sorted; empty if it does not exist.
fn entries(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let place = || format!("reading {}", directory.display());
    let read = match fs::read_dir(directory) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(place)?,
    };
    let mut paths = Vec::new();
    for entry in read {
        paths.push(entry.with_context(place)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// The directories with the name `PREFIX<value>`, sorted by value.
fn directories(parent: &Path, prefix: &str) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let named = entries(parent)?.into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let value = name.strip_prefix(prefix)?.to_owned();
        path.is_dir().then_some((value, path))
    });
    Ok(named.collect())
}
