//! The moment when the files of a ZIP get their names.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::partition::{Partition, PartitionContents, PartitionKey, Spill};
use crate::os::deferred_signals::DeferredSignals;
use crate::os::files;
use crate::os::path_segment::safe;
use crate::os::unsynced;
use crate::time::Timestamp;

/// The name for unknown values in Hive, DuckDB and Spark.
const UNKNOWN: &str = "__HIVE_DEFAULT_PARTITION__";

/// The directory of a file and its parents, up to the output directory.
const LEVELS: usize = 4;

/// The number of digits of the content hash in a name.
const DIGITS: usize = 16;

/// The line about a file, but for its source.
#[derive(Debug, Serialize)]
pub(crate) struct Published {
    path: String,
    message_type: Option<String>,
    date: Option<String>,
    hour: Option<u32>,
    records: u64,
    bytes: u64,
    status: PublishStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum PublishStatus {
    Written,
    Kept,
}

/// The line about a file.
#[derive(Serialize)]
pub(crate) struct FileLine<'a> {
    #[serde(flatten)]
    pub(crate) file: &'a Published,
    pub(crate) source: &'a str,
}

impl Published {
    /// Whether it was not there before.
    pub(crate) fn is_new(&self) -> bool {
        self.status == PublishStatus::Written
    }
}

/// A file on its way to its name.
struct Parcel {
    key: PartitionKey<String>,
    partition: Partition,
    contents: PartitionContents,
    directory: PathBuf,
    /// Without the extension for compression.
    name: String,
    /// The path of the complete file, if there is one.
    staged: Option<PathBuf>,
}

/// Gives all of them their names, or none.
pub(super) fn publish(
    directory: &Path,
    stem: &str,
    partitions: Vec<(PartitionKey<String>, Partition)>,
    spill: &mut Spill,
    deferred: Option<&DeferredSignals>,
) -> anyhow::Result<Vec<Published>> {
    let mut parcels: Vec<Parcel> = partitions
        .into_iter()
        .map(|(key, partition)| Parcel::new(directory, stem, key, partition))
        .collect();
    stage(&mut parcels, spill)?;
    let mut name_them = || {
        // Of two runs that unpack the same ZIP one is first. Where the file system
        // knows no locks they are merely unlikely to do it in the same moment.
        let lock = File::open(directory);
        let _ = lock.as_ref().map(File::lock);
        let mut new = Vec::new();
        let named = name_all(&mut parcels, spill, &mut new);
        if named.is_err() {
            for path in new {
                let _ = unsynced::remove(&path);
            }
        }
        named
    };
    match deferred {
        Some(deferred) => deferred.hold(name_them),
        None => name_them(),
    }
}

/// The name of a type in `message_type=T`; empty if it is not known.
pub(crate) fn type_directory(kind: &str) -> String {
    match kind {
        "" => UNKNOWN.to_owned(),
        kind => safe(kind),
    }
}

fn name_all(
    parcels: &mut [Parcel],
    spill: &mut Spill,
    new: &mut Vec<PathBuf>,
) -> anyhow::Result<Vec<Published>> {
    // What may fail for want of room comes before any file has its name.
    stage(parcels, spill)?;
    let mut changed = BTreeSet::new();
    for parcel in parcels
        .iter()
        .filter(|parcel| parcel.present(spill).is_none())
    {
        let place = || format!("creating {}", parcel.directory.display());
        unsynced::create_directories(&parcel.directory).with_context(place)?;
        changed.extend(
            parcel
                .directory
                .ancestors()
                .take(LEVELS)
                .map(Path::to_owned),
        );
    }
    let mut published = Vec::new();
    for parcel in parcels {
        let (path, status) = match (parcel.present(spill), &parcel.staged) {
            (None, Some(staged)) => {
                let path = parcel.path(spill.compresses());
                unsynced::rename(staged, &path)
                    .with_context(|| format!("writing {}", path.display()))?;
                new.push(path.clone());
                (path, PublishStatus::Written)
            }
            (path, _) => {
                spill.remove(&parcel.partition);
                let path = path.with_context(|| format!("{} vanished", parcel.name))?;
                (path, PublishStatus::Kept)
            }
        };
        published.push(parcel.line(&path, status));
    }
    let changed: Vec<&Path> = changed.iter().map(PathBuf::as_path).collect();
    files::sync_each(&changed)?;
    Ok(published)
}

/// Writes the missing files to the disk, without their names.
fn stage(parcels: &mut [Parcel], spill: &mut Spill) -> anyhow::Result<()> {
    let mut staged = Vec::new();
    for parcel in parcels {
        if parcel.staged.is_none() && parcel.present(spill).is_none() {
            let path = spill.complete(&mut parcel.partition)?;
            staged.push(&**parcel.staged.insert(path));
        }
    }
    files::sync_each(&staged)
}

impl Parcel {
    fn new(root: &Path, stem: &str, key: PartitionKey<String>, mut partition: Partition) -> Parcel {
        let contents = partition.contents();
        let kind = type_directory(&key.kind);
        let (date, hour) = match key.hour.map(Timestamp::date_and_hour) {
            Some((date, hour)) => (date, format!("{hour:02}")),
            None => (UNKNOWN.to_owned(), UNKNOWN.to_owned()),
        };
        Parcel {
            directory: root
                .join(format!("message_type={kind}"))
                .join(format!("date={date}"))
                .join(format!("hour={hour}")),
            name: format!("{stem}-{}.ndjson", &contents.sha256[..DIGITS]),
            staged: None,
            key,
            partition,
            contents,
        }
    }

    fn path(&self, compressed: bool) -> PathBuf {
        let suffix = if compressed { ".zst" } else { "" };
        self.directory.join(format!("{}{suffix}", self.name))
    }

    /// The same contents, as an earlier run left them, compressed or not.
    fn present(&self, spill: &Spill) -> Option<PathBuf> {
        let compresses = spill.compresses();
        let paths = [compresses, !compresses].map(|compressed| self.path(compressed));
        paths.into_iter().find(|path| path.exists())
    }

    fn line(&self, path: &Path, status: PublishStatus) -> Published {
        let when = self.key.hour.map(Timestamp::date_and_hour);
        Published {
            path: path.to_string_lossy().into_owned(),
            message_type: Some(self.key.kind.clone()).filter(|kind| !kind.is_empty()),
            date: when.as_ref().map(|(date, _)| date.clone()),
            hour: when.map(|(_, hour)| hour),
            records: self.contents.records,
            bytes: self.contents.bytes,
            status,
        }
    }
}
