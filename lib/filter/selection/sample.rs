//! A sample: N of the records, each with the same probability.
//!
//! Each record gets a random number, and the records with the N lowest numbers are the sample. The
//! number depends only on the seed and on the record's position, so that a run can be repeated.

use std::collections::BinaryHeap;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::os::unnamed::{self, SpooledTempFile};
use crate::time::Timestamp;

/// The most bytes of records in memory. If there are more, all records are in a file.
const IN_MEMORY: usize = 8 * 1024 * 1024;

/// Chooses a sample while the records are read.
#[derive(Debug)]
pub struct Sample {
    size: usize,
    seed: u64,
    offered: u64,
    /// The candidates. The first one has the highest random number, and is replaced first.
    chosen: BinaryHeap<Chosen>,
    /// All records that are or were candidates.
    records: SpooledTempFile,
    directory: PathBuf,
    length: u64,
}

/// A candidate. Candidates are compared by their random number, which is the first field.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Chosen {
    lot: u64,
    number: u64,
    offset: u64,
    length: usize,
    time: Option<Timestamp>,
}

impl Sample {
    /// An empty sample for `size` records. If the candidates do not fit into memory, they are in a
    /// file without a name in `directory`.
    pub fn new(size: usize, seed: u64, directory: &Path) -> Sample {
        Sample {
            size,
            seed,
            offered: 0,
            chosen: BinaryHeap::new(),
            records: unnamed::spooled_in(directory, IN_MEMORY),
            directory: directory.to_owned(),
            length: 0,
        }
    }

    /// Makes a record a candidate, or ignores it. A later record can replace a candidate.
    pub(super) fn offer(&mut self, record: &[u8], time: Option<Timestamp>) -> anyhow::Result<()> {
        self.offered += 1;
        let lot = lot(self.seed, self.offered);
        if self.chosen.len() >= self.size {
            match self.chosen.peek() {
                Some(highest) if lot < highest.lot => self.chosen.pop(),
                _ => return Ok(()),
            };
        }
        let written = self.records.write_all(record);
        written.with_context(|| waiting(&self.directory))?;
        self.chosen.push(Chosen {
            lot,
            number: self.offered,
            offset: self.length,
            length: record.len(),
            time,
        });
        self.length += record.len() as u64;
        Ok(())
    }

    /// Passes the records of the sample to `write`, in the order of the input.
    pub fn write(
        mut self,
        mut write: impl FnMut(&[u8], Option<Timestamp>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut chosen = self.chosen.into_vec();
        chosen.sort_unstable_by_key(|one| one.number);
        let mut record = Vec::new();
        let place = || waiting(&self.directory);
        for one in chosen {
            let start = SeekFrom::Start(one.offset);
            self.records.seek(start).with_context(place)?;
            record.resize(one.length, 0);
            self.records.read_exact(&mut record).with_context(place)?;
            write(&record, one.time)?;
        }
        Ok(())
    }
}

fn waiting(directory: &Path) -> String {
    format!("keeping a sample in a file in {}", directory.display())
}

/// The output of SplitMix64 after `number` steps from `seed`. The algorithm never changes, so the
/// same seed gives the same sample in every version.
fn lot(seed: u64, number: u64) -> u64 {
    let mut lot = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    lot = (lot ^ (lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    lot = (lot ^ (lot >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    lot ^ (lot >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(size: usize, seed: u64, count: u64) -> Vec<u64> {
        let mut sample = Sample::new(size, seed, &std::env::temp_dir());
        for number in 0..count {
            let record = format!("{number}");
            sample
                .offer(record.as_bytes(), Some(Timestamp::from_millis(0)))
                .unwrap();
        }
        let mut chosen = Vec::new();
        sample
            .write(|bytes, _| {
                chosen.push(std::str::from_utf8(bytes)?.parse()?);
                Ok(())
            })
            .unwrap();
        chosen
    }

    #[test]
    fn so_many_records_leave_in_their_order() {
        for (size, count) in [(0, 9), (1, 9), (9, 9), (10, 9), (5, 1000), (3, 0)] {
            let chosen = sample(size, 1, count);
            assert_eq!(chosen.len() as u64, count.min(size as u64));
            assert!(chosen.is_sorted());
        }
        assert_eq!(sample(5, 1, 1000), sample(5, 1, 1000));
        assert_ne!(sample(5, 1, 1000), sample(5, 2, 1000));
    }

    #[test]
    fn every_record_has_the_same_chance() {
        let mut counts = [0_u32; 20];
        for seed in 0..4000 {
            for number in sample(5, seed, 20) {
                counts[usize::try_from(number).unwrap()] += 1;
            }
        }
        // The expected count is 1000, with a standard deviation of 27.
        assert!(
            counts.iter().all(|count| (870..1130).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_lots_are_those_of_the_published_algorithm() {
        assert_eq!(lot(1_234_567, 1), 6_457_827_717_110_365_317);
        assert_eq!(lot(1_234_567, 2), 3_203_168_211_198_807_973);
    }
}
