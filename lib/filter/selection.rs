//! Chooses which kept records are printed: the first record with each key, or a random sample. The
//! selection takes the records one after the other, in input order.

use std::io;
use std::path::Path;

use anyhow::Context;
use clap::Args;

use super::decided::{Decided, FilterCounts};
use crate::cli::output::Output;
use dedupe::{RecordHash, SeenKeys};
use sample::Sample;

pub mod dedupe;
pub mod sample;

/// The context of an error while writing the output.
pub(super) const WRITING: &str = "writing the records";

/// The flags that choose among kept records.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Output records")]
pub struct SelectionArgs {
    /// Of all matches with the same values in FIELDS (for example `id,time`), print only the first.
    /// Strings are compared after decoding their escapes, other values as written. A record that
    /// lacks one of the fields, or has null there, is always printed; a message at the end counts
    /// these records.
    #[arg(long, value_name = "FIELDS")]
    pub dedupe: Vec<String>,

    /// Keep N keys of --dedupe in memory, about 30 bytes each, and the other keys in a temporary
    /// file. N does not change the result.
    #[arg(long, value_name = "N", default_value_t = 200_000, requires = "dedupe")]
    pub dedupe_keys: usize,

    /// After reading all input, print a random sample of N matches, in input order. If there are
    /// fewer, print all. Up to 8 MiB of candidates are kept in memory. If there are more, all of
    /// them are kept in a temporary file.
    #[arg(long, value_name = "N", conflicts_with = "count")]
    pub sample: Option<usize>,

    /// Choose another sample. The same SEED and the same input give the same sample.
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "sample")]
    pub seed: u64,
}

impl SelectionArgs {
    /// Whether all kept records are printed.
    pub(super) fn takes_all(&self) -> bool {
        self.dedupe.is_empty() && self.sample.is_none()
    }
}

/// Chooses among kept records.
#[derive(Debug)]
pub struct Selection {
    seen: Option<SeenKeys>,
    sample: Option<Sample>,
    /// Records that were left out because an earlier record has the same key.
    pub duplicates: u64,
    /// Records that lack a field of the key, or have null there.
    pub without_key: u64,
}

impl Selection {
    /// The selection that the flags ask for; `None` if every kept record is printed. Keys and
    /// records that need too much memory go to files in `temp_dir`.
    pub fn new(args: &SelectionArgs, temp_dir: &Path) -> Option<Selection> {
        (!args.takes_all()).then(|| Selection {
            seen: (!args.dedupe.is_empty()).then(|| SeenKeys::new(args.dedupe_keys, temp_dir)),
            sample: args
                .sample
                .map(|size| Sample::new(size, args.seed, temp_dir)),
            duplicates: 0,
            without_key: 0,
        })
    }

    /// Takes the kept records of a block. Prints the first record of each key. But if a sample is
    /// wanted, nothing is printed before the end.
    pub fn take(
        &mut self,
        decided: &Decided,
        output: &mut Output,
        counts: &mut FilterCounts,
    ) -> anyhow::Result<()> {
        let mut start = 0;
        for each in &decided.each {
            let bytes = &decided.kept[start..each.end];
            start = each.end;
            if !self.is_first(each.key)? {
                self.duplicates += 1;
                continue;
            }
            match &mut self.sample {
                Some(sample) => sample.offer(bytes, each.time)?,
                None => {
                    io::Write::write_all(output, bytes).context(WRITING)?;
                    counts.keep(each.time);
                }
            }
        }
        Ok(())
    }

    /// Whether the record is the first one with this key. A record without a key counts as first.
    fn is_first(&mut self, key: Option<RecordHash>) -> anyhow::Result<bool> {
        match (&mut self.seen, key) {
            (None, _) => Ok(true),
            (Some(seen), Some(key)) => seen.insert(key),
            (Some(_), None) => {
                self.without_key += 1;
                Ok(true)
            }
        }
    }

    /// Prints the sample, if one is wanted.
    pub fn finish(&mut self, output: &mut Output, counts: &mut FilterCounts) -> anyhow::Result<()> {
        if let Some(sample) = self.sample.take() {
            sample.write(|bytes, time| {
                counts.keep(time);
                io::Write::write_all(output, bytes).context(WRITING)
            })?;
        }
        Ok(())
    }

    /// Says on stderr how many records had no key.
    pub(super) fn say_without_key(&self) {
        if self.without_key > 0 {
            let (records, them) = match self.without_key {
                1 => ("record lacks", "it"),
                _ => ("records lack", "all of them"),
            };
            log::warn!(
                "{} {records} a field of --dedupe: printed {them}",
                self.without_key
            );
        }
    }
}
