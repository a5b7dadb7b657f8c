//! A file that is being written: one part of the file is in memory, the other part on the disk.
//!
//! No file stays open between two writes. No file needs a compressor of its own, because a
//! compressed file is a series of frames that do not depend on each other. So there can be any
//! number of files.

use std::io::{self, Sink, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::format::zstandard::Frames;
use crate::os::digest::Hashing;
use crate::os::staging::Staging;
use crate::os::unsynced;
use crate::time::Timestamp;

/// The type and the hour of the records in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PartitionKey<T> {
    /// The type; empty if it is unknown.
    pub(super) kind: T,
    pub(super) hour: Option<Timestamp>,
}

/// The most bytes of records that are collected before they are written to the disk, and the most
/// bytes of records in one frame of a compressed file. A record that is longer than this is not
/// collected: it is written at once.
const PIECE: usize = 512 << 10;

/// Records of one type and hour.
#[derive(Debug)]
pub(super) struct Partition {
    number: u64,
    buffer: Vec<u8>,
    hash: Hashing<Sink>,
    records: u64,
    bytes: u64,
    is_on_disk: bool,
}

/// The counts and the hash of all records of a partition.
#[derive(Debug)]
pub(super) struct PartitionContents {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Writes partitions from memory to disk.
#[derive(Debug)]
pub(super) struct Spill {
    staging: Staging,
    frames: Option<Frames>,
    partitions: u64,
    /// The context of a write error. This text names the directory.
    writing: String,
}

impl Partition {
    /// Adds a record; `line` is the record with its newline.
    pub(super) fn add(&mut self, line: &[u8], spill: &mut Spill) -> anyhow::Result<()> {
        self.records += 1;
        self.bytes += line.len() as u64;
        self.hash.write_all(line)?;
        if self.buffer.len() + line.len() > PIECE {
            self.empty(spill)?;
        }
        if line.len() > PIECE {
            self.is_on_disk = true;
            return spill.append(self.number, line);
        }
        self.buffer.extend_from_slice(line);
        Ok(())
    }

    /// The number of bytes in memory.
    pub(super) fn in_memory(&self) -> usize {
        self.buffer.len()
    }

    /// The number of records.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Writes the bytes in memory to the disk.
    pub(super) fn empty(&mut self, spill: &mut Spill) -> anyhow::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.is_empty() {
            return Ok(());
        }
        self.is_on_disk = true;
        spill.append(self.number, &buffer)
    }

    /// The counts and the hash. Call this after the last record.
    pub(super) fn contents(&mut self) -> PartitionContents {
        let hash = std::mem::replace(&mut self.hash, Hashing::new(io::sink()));
        PartitionContents {
            records: self.records,
            bytes: self.bytes,
            sha256: hash.finish().1,
        }
    }
}

impl Spill {
    /// Creates a staging directory in `directory`, to which partitions are written. The partitions
    /// are compressed if there are `frames`.
    pub(super) fn new(directory: &Path, frames: Option<Frames>) -> anyhow::Result<Spill> {
        Ok(Spill {
            staging: Staging::new(directory)?,
            frames,
            partitions: 0,
            writing: format!("writing files in {}", directory.display()),
        })
    }

    /// A new partition.
    pub(super) fn partition(&mut self) -> Partition {
        self.partitions += 1;
        Partition {
            number: self.partitions,
            buffer: Vec::new(),
            hash: Hashing::new(io::sink()),
            records: 0,
            bytes: 0,
            is_on_disk: false,
        }
    }

    /// Whether the files of the lake are compressed.
    pub(super) fn compresses(&self) -> bool {
        self.frames.is_some()
    }

    /// Writes the rest of a partition to the disk, and returns the path of its file.
    pub(super) fn complete(&mut self, partition: &mut Partition) -> anyhow::Result<PathBuf> {
        partition.empty(self)?;
        Ok(self.path(partition.number))
    }

    /// Removes the file of a partition from the disk. If that fails, the file is removed later,
    /// with the staging directory.
    pub(super) fn remove(&self, partition: &Partition) {
        if partition.is_on_disk {
            let _ = unsynced::remove(&self.path(partition.number));
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.staging.path().join(number.to_string())
    }

    fn append(&mut self, number: u64, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path(number);
        let mut append = || -> io::Result<()> {
            let mut file = unsynced::append(&path)?;
            let Some(frames) = &mut self.frames else {
                return file.write_all(bytes);
            };
            for piece in bytes.chunks(PIECE) {
                file.write_all(frames.frame(piece)?)?;
            }
            Ok(())
        };
        append().with_context(|| self.writing.clone())
    }
}
