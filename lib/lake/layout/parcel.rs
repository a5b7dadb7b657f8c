//! A file that contains records of a ZIP and does not have its final name yet.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::partition::{Partition, PartitionContents, PartitionKey};
use crate::os::path_segment::safe;
use crate::time::Timestamp;

/// The name for unknown values in Hive, DuckDB and Spark.
const UNKNOWN: &str = "__HIVE_DEFAULT_PARTITION__";

/// The number of digits of the content hash in a file name.
const DIGITS: usize = 16;

/// The line about a file, without the field `source`.
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
pub(super) enum PublishStatus {
    Written,
    Kept,
}

/// The complete line about a file.
#[derive(Serialize)]
pub(crate) struct FileLine<'a> {
    #[serde(flatten)]
    pub(crate) file: &'a Published,
    pub(crate) source: &'a str,
}

impl Published {
    /// Whether the file is listed as `written`, and not as `kept`.
    pub(crate) fn is_new(&self) -> bool {
        self.status == PublishStatus::Written
    }
}

/// The directory name for a type of records: the T in `message_type=T`. An empty `kind` means that
/// the type is unknown.
pub(crate) fn type_directory(kind: &str) -> String {
    match kind {
        "" => UNKNOWN.to_owned(),
        kind => safe(kind),
    }
}

/// A file that does not have its final name yet.
pub(super) struct Parcel {
    key: PartitionKey<String>,
    pub(super) partition: Partition,
    contents: PartitionContents,
    /// The directory of the file, relative to the root of the lake.
    directory: String,
    /// The name of the file, without the extension for compression.
    name: String,
    /// The path of the complete file in the staging directory; `None` if it is not complete.
    pub(super) staged: Option<PathBuf>,
}

impl Parcel {
    pub(super) fn new(stem: &str, key: PartitionKey<String>, mut partition: Partition) -> Parcel {
        let contents = partition.contents();
        let kind = type_directory(&key.kind);
        let (date, hour) = match key.hour.map(Timestamp::date_and_hour) {
            Some((date, hour)) => (date, format!("{hour:02}")),
            None => (UNKNOWN.to_owned(), UNKNOWN.to_owned()),
        };
        Parcel {
            directory: format!("message_type={kind}/date={date}/hour={hour}"),
            name: format!("{stem}-{}.ndjson", &contents.sha256[..DIGITS]),
            staged: None,
            key,
            partition,
            contents,
        }
    }

    /// The directory of the file in the lake at `root`.
    pub(super) fn directory(&self, root: &Path) -> PathBuf {
        root.join(&self.directory)
    }

    /// The file's two possible paths, relative to the root of the lake. If `compresses` is true,
    /// the path of the compressed file is first, otherwise the path of the file without
    /// compression.
    pub(super) fn files(&self, compresses: bool) -> [String; 2] {
        [compresses, !compresses].map(|compressed| {
            let suffix = if compressed { ".zst" } else { "" };
            format!("{}/{}{suffix}", self.directory, self.name)
        })
    }

    pub(super) fn line(&self, path: String, status: PublishStatus) -> Published {
        let when = self.key.hour.map(Timestamp::date_and_hour);
        Published {
            path,
            message_type: Some(self.key.kind.clone()).filter(|kind| !kind.is_empty()),
            date: when.as_ref().map(|(date, _)| date.clone()),
            hour: when.map(|(_, hour)| hour),
            records: self.contents.records,
            bytes: self.contents.bytes,
            status,
        }
    }
}
