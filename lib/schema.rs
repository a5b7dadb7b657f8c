//! Describes records: the keys of each type of record, the types of their values, how often a key
//! occurs, and in which record it was first seen. The description never contains a value.
//!
//! A database that infers columns reads only the first records. This module reads all records, and
//! compares them with the last report, which also names the paths and types of earlier runs.

mod before;
mod line;
mod location;
mod tree;
mod type_survey;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::output::Output;
use crate::cli::run::Report;
use crate::error;
use before::Before;
use location::First;
use type_survey::TypeSurvey;

pub use location::RecordLocation;

/// The largest number of types of records in a report. If there are more, a warning says so. The
/// vendor has about ten types.
const TYPES: usize = 100;

/// DuckDB's default of `maximum_object_size`, in bytes. Larger records are counted.
const LARGEST: usize = 16 << 20;

/// The largest number of new keys that a warning names.
const NAMED: usize = 5;

/// The flag for the report.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Description of the records")]
pub struct SchemaArgs {
    /// Write a description of the records to FILE: a line for each message_type and path
    /// (`flow.type`, `kvps[].step`). A line has the number of records with this path, the types and
    /// lengths of its values, the shares of null and missing, and the place of the first record
    /// with this path. FILE never contains a value. The path "" is the record itself. A share is a
    /// part of all records of the message_type; for a path with `[]`, a part of all elements of the
    /// array.
    ///
    /// A path that was first seen after 20480 records is `late`, because DuckDB samples only that
    /// many records. If FILE exists, a path is `new` if FILE does not yet have it, or not yet with
    /// this type of value, and a message at the end names it. Paths that only earlier runs have
    /// seen stay in FILE. At most 2000 paths of each type are kept. Lines that are not valid JSON
    /// are counted.
    #[arg(long, value_name = "FILE")]
    pub schema_report: Option<PathBuf>,
}

/// Collects facts about records.
#[derive(Debug)]
pub struct Survey {
    path: PathBuf,
    file: Output,
    before: Before,
    /// The facts about each type of record. The key is the name of the type; it is empty for
    /// records without a type.
    kinds: HashMap<String, TypeSurvey>,
    /// The number of records and invalid lines that are not in the report, because their types came
    /// after the first 100 types.
    left_out: u64,
}

impl Survey {
    /// Reads the last report, and opens the new one. `None` without `--schema-report`. An error if
    /// the file with the last report is not a report.
    pub fn open(args: &SchemaArgs) -> anyhow::Result<Option<Survey>> {
        let Some(path) = &args.schema_report else {
            return Ok(None);
        };
        if path == Path::new("-") {
            let text = "--schema-report -: stdout carries the records; give a file";
            return Err(error::usage(text));
        }
        Ok(Some(Survey {
            before: Before::read(path)?,
            file: Output::file(path)?,
            path: path.clone(),
            kinds: HashMap::new(),
            left_out: 0,
        }))
    }

    /// Adds a record of the type `kind`. The record must be valid JSON.
    pub fn observe(&mut self, kind: Option<&str>, record: &str, place: &RecordLocation) {
        let Some(kind) = self.kind(kind) else {
            return;
        };
        kind.records += 1;
        if record.len() > LARGEST {
            kind.too_large += 1;
            let first = || First::new(place, kind.records);
            kind.first_too_large.get_or_insert_with(first);
        }
        kind.tree.add(record, kind.records, place);
    }

    /// Counts a line that is not valid JSON, under the type `kind`.
    pub fn invalid(&mut self, kind: Option<&str>, place: &RecordLocation) {
        if let Some(kind) = self.kind(kind) {
            kind.invalid += 1;
            let first = || First::new(place, kind.records + 1);
            kind.first_invalid.get_or_insert_with(first);
        }
    }

    fn kind(&mut self, name: Option<&str>) -> Option<&mut TypeSurvey> {
        let name = name.unwrap_or_default();
        if !self.kinds.contains_key(name) {
            if self.kinds.len() == TYPES {
                self.left_out += 1;
                return None;
            }
            self.kinds.insert(name.to_owned(), TypeSurvey::default());
        }
        self.kinds.get_mut(name)
    }

    /// Writes the schema report, adds its counts to `report`, and logs which paths and types are
    /// new.
    pub fn finish(mut self, report: &mut Report) -> anyhow::Result<()> {
        let lines = line::lines(&self.kinds, &self.before);
        for line in &lines {
            self.file.write_record(line)?;
        }
        self.file.finish()?;
        let new: Vec<String> = lines.iter().filter_map(line::PathLine::news).collect();
        let kinds = self.kinds.values();
        report.set("paths", lines.len());
        report.set("new_paths", new.len());
        report.set("invalid", kinds.map(|kind| kind.invalid).sum::<u64>());
        if self.left_out > 0 {
            log::warn!(
                "{}: the report has only {TYPES} types of records; {} records of other types are not in it",
                self.path.display(),
                self.left_out
            );
        }
        if !new.is_empty() {
            let (s, are) = if new.len() == 1 {
                ("", "is")
            } else {
                ("s", "are")
            };
            let more = if new.len() > NAMED { ", …" } else { "" };
            log::warn!(
                "{}: {} key{s} or type{s} {are} new since the last time: {}{more}",
                self.path.display(),
                new.len(),
                new[..new.len().min(NAMED)].join(", ")
            );
        }
        Ok(())
    }
}
