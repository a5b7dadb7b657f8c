//! Writes records to files that DuckDB finds by their directories:
//! `DIR/message_type=T/date=YYYY-MM-DD/hour=HH/NAME.ndjson`.
//!
//! The files of a ZIP are in a staging directory until all of the ZIP was read without an error.
//! Then the files get their names. Each name contains a hash of the contents. So a ZIP is unpacked
//! completely or not at all, and unpacking it again changes nothing.

mod bucket_notes;
mod directory_notes;
mod parcel;
mod partition;
mod publish;
mod unlisted;
mod upload;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::service::BucketService;
use crate::format::zstandard::Frames;
use crate::os::deferred_signals::DeferredSignals;
use crate::os::files;
use crate::os::path_segment::safe;
use crate::time::Timestamp;
use directory_notes::DirectoryNotes;
use parcel::Parcel;
use partition::{Partition, PartitionKey, Spill};
use unlisted::{NotedZip, UnlistedZips};
use upload::LakeBucket;

pub(crate) use parcel::{FileLine, Published, type_directory};

/// The most bytes of a ZIP's records in memory.
const IN_MEMORY: usize = 32 << 20;

/// The most bytes of records in memory for a program that also has other work, such as a server.
const IN_MEMORY_BESIDE: usize = 4 << 20;

/// The flags for writing records into files.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Files instead of lines")]
pub struct LayoutArgs {
    /// Write the records to files below --out-dir, and print a line about each file. The line has
    /// path, message_type, date, hour, records, bytes (not compressed), source and status. The
    /// status is `written`, or `kept` if an earlier run has listed the file.
    ///
    /// A file is `kept` only after a run that listed it as `written` has ended with status 0. So if
    /// a run is killed or fails, the next run lists its files as `written` again.
    ///
    /// `duckdb`: the files are DIR/message_type=T/date=YYYY-MM-DD/hour=HH/NAME.ndjson. The type
    /// comes from `message_type` of the record; date and hour, in UTC, come from its `time`
    /// (`voiceprint.creation_ts` of a vb_enrolment). If the record lacks them, they come from the
    /// path of its member in the ZIP, else they are __HIVE_DEFAULT_PARTITION__, which DuckDB reads
    /// as NULL. NAME is the name of the ZIP (`stdin` for a ZIP from a pipe) and a hash of the
    /// contents, so unpacking a ZIP again changes nothing. A ZIP with a damaged member gives no
    /// files. A ZIP with bad lines gives files without these lines. A line that is not valid JSON
    /// is bad, because DuckDB would not read the file.
    #[arg(long, value_name = "LAYOUT", requires = "out_dir")]
    pub layout: Option<LayoutKind>,

    /// The directory for the files of --layout. It may be an address s3://BUCKET/KEY: then the
    /// files of a ZIP are in --spool-dir until they are uploaded. If a run ends during the upload,
    /// the next run uploads the missing files, and lists all files of the ZIP as `written`.
    #[arg(long, value_name = "DIR", value_parser = FileOrObject::parser(), requires = "layout")]
    pub out_dir: Option<FileOrObject>,

    /// Compress the files of --layout; their names then end with .zst.
    #[arg(long, value_name = "CODEC", requires = "layout")]
    pub compress: Option<Codec>,
}

/// The layout of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayoutKind {
    /// By type, date and hour, so that DuckDB reads only the files that it needs.
    Duckdb,
}

/// How files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// Zstandard, with checksums.
    Zstd,
}

/// Writes the records of ZIPs to files, one ZIP after the other.
#[derive(Debug)]
pub(crate) struct Layout {
    root: LakeRoot,
    spill: Spill,
    /// Defers signals while files get their names; `None` if the program handles signals itself.
    deferred: Option<DeferredSignals>,
    /// The partitions of the current ZIP, by type and hour.
    partitions: HashMap<String, HashMap<Option<Timestamp>, Partition>>,
    in_memory: usize,
    most_in_memory: usize,
}

/// Where the files of a lake are.
#[derive(Debug)]
enum LakeRoot {
    /// A directory, with notes if a later run can unpack the same ZIPs. Without notes, the caller
    /// repeats a batch until the caller has recorded that the lines about the batch's files were
    /// printed. So all files of a batch count as new.
    Directory(PathBuf, Option<UnlistedZips<DirectoryNotes>>),
    Bucket(LakeBucket),
}

impl Layout {
    /// Opens the lake that these flags name; `None` if they do not name a lake. Creates the
    /// directory, and removes the leftovers of killed runs. From now on SIGINT and SIGTERM wait
    /// while files get their names. If the lake is in a bucket, `service` is called, and files are
    /// in `spool_dir` until they are uploaded.
    pub(crate) fn open(
        args: &LayoutArgs,
        spool_dir: &Path,
        service: impl FnOnce() -> anyhow::Result<Arc<BucketService>>,
    ) -> anyhow::Result<Option<Layout>> {
        let mut layout = match &args.out_dir {
            None => return Ok(None),
            Some(FileOrObject::File(directory)) => {
                let mut layout = Layout::in_directory(directory, args.compress)?;
                let notes = Some(UnlistedZips::new(DirectoryNotes::new(directory)));
                layout.root = LakeRoot::Directory(directory.clone(), notes);
                layout
            }
            Some(FileOrObject::Object(url)) => {
                let lake = LakeBucket::open(service()?, url.clone())?;
                Layout::new(LakeRoot::Bucket(lake), spool_dir, args.compress)?
            }
        };
        let deferred = DeferredSignals::on_signals().context("listening for signals")?;
        layout.deferred = Some(deferred);
        layout.most_in_memory = IN_MEMORY;
        Ok(Some(layout))
    }

    /// Like [`Layout::open`] for a directory, for a program that handles signals itself. The layout
    /// keeps at most 4 MiB of records in memory. Every file counts as `written`: the program must
    /// repeat a batch of records until it has printed the lines about the batch's files.
    pub(crate) fn in_directory(
        directory: &Path,
        compress: Option<Codec>,
    ) -> anyhow::Result<Layout> {
        files::create_directory(directory)?;
        let root = LakeRoot::Directory(directory.to_owned(), None);
        Layout::new(root, directory, compress)
    }

    fn new(root: LakeRoot, staging: &Path, compress: Option<Codec>) -> anyhow::Result<Layout> {
        let frames = compress.map(|Codec::Zstd| Frames::new());
        Ok(Layout {
            root,
            spill: Spill::new(staging, frames.transpose()?)?,
            deferred: None,
            partitions: HashMap::new(),
            in_memory: 0,
            most_in_memory: IN_MEMORY_BESIDE,
        })
    }

    /// Adds a record to the current ZIP; `line` is the record with its newline.
    pub(crate) fn add(
        &mut self,
        kind: Option<&str>,
        hour: Option<Timestamp>,
        line: &[u8],
    ) -> anyhow::Result<()> {
        let kind = kind.unwrap_or_default();
        if !self.partitions.contains_key(kind) {
            self.partitions.insert(kind.to_owned(), HashMap::new());
        }
        let Some(hours) = self.partitions.get_mut(kind) else {
            return Ok(());
        };
        let spill = &mut self.spill;
        let partition = hours.entry(hour).or_insert_with(|| spill.partition());
        let before = partition.in_memory();
        partition.add(line, spill)?;
        self.in_memory = self.in_memory + partition.in_memory() - before;
        if self.in_memory > self.most_in_memory {
            let all = self.partitions.values_mut().flat_map(HashMap::values_mut);
            for partition in all {
                partition.empty(spill)?;
            }
            self.in_memory = 0;
        }
        Ok(())
    }

    /// Drops the records of the current ZIP, and returns their number.
    pub(crate) fn discard(&mut self) -> u64 {
        self.take()
            .into_iter()
            .map(|(_, partition)| {
                self.spill.remove(&partition);
                partition.records()
            })
            .sum()
    }

    /// Gives each file of the current ZIP its name, unless the lake already has the file. Returns
    /// the line about each file.
    pub(crate) fn publish(&mut self, source: &str) -> anyhow::Result<Vec<Published>> {
        let stem = Path::new(source).file_stem().unwrap_or_default();
        self.publish_as(&safe(&stem.to_string_lossy()))
    }

    /// Like [`Layout::publish`], but the names of the files begin with `stem`.
    pub(crate) fn publish_as(&mut self, stem: &str) -> anyhow::Result<Vec<Published>> {
        let partitions = self.take().into_iter();
        let parcels = partitions.map(|(key, partition)| Parcel::new(stem, key, partition));
        let parcels: Vec<Parcel> = parcels.collect();
        let zip = NotedZip::new(stem, &parcels);
        let (spill, deferred) = (&mut self.spill, self.deferred.as_ref());
        match &mut self.root {
            LakeRoot::Directory(root, notes) => publish::publish(
                root,
                parcels,
                notes.as_mut().map(|notes| (notes, zip)),
                spill,
                deferred,
            ),
            LakeRoot::Bucket(lake) => lake.publish(parcels, zip, spill, deferred),
        }
    }

    /// Call this when the lines about all files were printed and the run has succeeded. Later runs
    /// then list these files as `kept`.
    pub(crate) fn listed(self) {
        let Layout { root, spill, .. } = self;
        // The notes are removed last, after the staging directory.
        drop(spill);
        match root {
            LakeRoot::Directory(_, Some(mut notes)) => notes.remove(),
            LakeRoot::Directory(_, None) => {}
            LakeRoot::Bucket(mut lake) => lake.remove_notes(),
        }
    }

    /// Takes the partitions of the current ZIP, in a fixed order.
    fn take(&mut self) -> Vec<(PartitionKey<String>, Partition)> {
        self.in_memory = 0;
        let mut all = Vec::new();
        for (kind, hours) in self.partitions.drain() {
            let key = |hour| PartitionKey {
                kind: kind.clone(),
                hour,
            };
            all.extend(hours.into_iter().map(|(hour, file)| (key(hour), file)));
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_a_server_records_of_many_hours_take_little_memory() {
        let place = tempfile::tempdir().unwrap();
        let mut layout = Layout::in_directory(place.path(), None).unwrap();
        let line = [b'x'; 1 << 10];
        let mut most = 0;
        for number in 0..8192 {
            let hour = Timestamp::from_millis(number % 64 * 3_600_000);
            layout.add(Some("a"), Some(hour), &line).unwrap();
            most = most.max(layout.in_memory);
        }
        assert!((1 << 20..=4 << 20).contains(&most), "{most}");
        let files = layout.publish_as("s").unwrap();
        assert_eq!(files.len(), 64);
    }

    fn statuses(layout: &mut Layout) -> Vec<bool> {
        layout.add(Some("a"), None, b"{}\n").unwrap();
        let files = layout.publish("x.zip").unwrap();
        files.iter().map(Published::is_new).collect()
    }

    /// The receiver repeats a batch if it was killed before it printed the batch's lines.
    #[test]
    fn a_batch_that_is_repeated_is_written_again() {
        let place = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut layout = Layout::in_directory(place.path(), None).unwrap();
            assert_eq!(statuses(&mut layout), [true]);
        }
    }

    #[test]
    fn a_zip_is_kept_when_a_run_has_listed_it() {
        let place = tempfile::tempdir().unwrap();
        let args = LayoutArgs {
            out_dir: Some(FileOrObject::File(place.path().to_owned())),
            ..LayoutArgs::default()
        };
        let open = || {
            let opened = Layout::open(&args, place.path(), || unreachable!());
            opened.unwrap().unwrap()
        };
        for is_new in [true, true] {
            // This run ends without success.
            assert_eq!(statuses(&mut open()), [is_new]);
        }
        let mut layout = open();
        assert_eq!(statuses(&mut layout), [true]);
        layout.listed();
        assert_eq!(statuses(&mut open()), [false]);
        let names = std::fs::read_dir(place.path()).unwrap();
        assert_eq!(names.count(), 1, "no note is left");
    }
}
