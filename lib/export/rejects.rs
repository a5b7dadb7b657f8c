//! Writes bad records to `--rejects FILE` and counts them against `--max-bad N`.
//!
//! The file has one NDJSON object for each bad record,
//! `{"source","member","line","offset","error","raw"|"raw_base64"}`, so that a user can repair bad
//! records and read them again. `offset` counts uncompressed bytes from the start of the input or
//! of the ZIP member. Good records are output as usual. If there were too many bad records, the run
//! fails at its end.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Serialize;

use crate::cli::named_files::NamedFiles;
use crate::cli::output::Output;
use crate::error::{Failure, Status};

/// The flags of a program that can find bad records.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Bad records")]
pub struct RejectArgs {
    /// Write each bad record to FILE as NDJSON, with its location and the reason.
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,

    /// Tolerate N bad records. If there are more, the run still prints the good records, but exits
    /// with status 65.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_bad: u64,
}

impl RejectArgs {
    /// The files that these flags name.
    pub fn name_files(&self, files: &mut NamedFiles) {
        files.write("--rejects", &self.rejects);
    }
}

/// The location of a bad record and its error.
#[derive(Clone, Copy, Debug)]
pub struct Reject<'a> {
    /// The path of the input file, or `stdin`.
    pub source: &'a str,
    /// The name of the ZIP member that contains the record.
    pub member: Option<&'a str>,
    /// The number of the line, counted from 1; `None` if a whole member or file is bad.
    pub line: Option<u64>,
    /// The offset of the record in the file or member, in uncompressed bytes.
    pub offset: Option<u64>,
    /// The error text.
    pub error: &'a str,
    /// The record, without its line end.
    pub raw: Option<&'a [u8]>,
}

/// A line about a bad record, in `--rejects` or in the rejects of ocp-receive.
#[derive(Serialize)]
pub(crate) struct RejectEntry<'a> {
    source: &'a str,
    member: Option<&'a str>,
    line: Option<u64>,
    offset: Option<u64>,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_base64: Option<String>,
}

impl<'a> RejectEntry<'a> {
    /// The entry for record number `at` of `source`. If `raw` is empty, the entry has neither `raw`
    /// nor `raw_base64`.
    pub(crate) fn new(source: &'a str, at: u64, error: &'a str, raw: &'a [u8]) -> RejectEntry<'a> {
        let reject = Reject {
            source,
            member: None,
            line: Some(at),
            offset: None,
            error,
            raw: Some(raw).filter(|raw| !raw.is_empty()),
        };
        reject.into()
    }
}

impl<'a> From<Reject<'a>> for RejectEntry<'a> {
    fn from(reject: Reject<'a>) -> RejectEntry<'a> {
        let text = reject.raw.and_then(|raw| std::str::from_utf8(raw).ok());
        let bytes = reject.raw.filter(|_| text.is_none());
        RejectEntry {
            source: reject.source,
            member: reject.member,
            line: reject.line,
            offset: reject.offset,
            error: reject.error,
            raw: text,
            raw_base64: bytes.map(|bytes| STANDARD.encode(bytes)),
        }
    }
}

/// Counts bad records, and writes them to `--rejects`.
#[derive(Debug)]
pub struct Rejects {
    file: Option<Output>,
    max_bad: u64,
    count: u64,
    said: u64,
}

/// The largest number of bad records that are logged. More messages would hide the first ones.
const SAID_AT_MOST: u64 = 10;

impl Rejects {
    /// Opens the file of `--rejects`, if the flag was given.
    pub fn open(args: &RejectArgs) -> anyhow::Result<Rejects> {
        Ok(Rejects {
            file: args.rejects.as_deref().map(Output::file).transpose()?,
            max_bad: args.max_bad,
            count: 0,
            said: 0,
        })
    }

    /// Counts a bad record, and writes it to `--rejects`. Logs the location and the error of the
    /// first ten bad records.
    pub fn add(&mut self, reject: Reject<'_>) -> anyhow::Result<()> {
        self.count += 1;
        if self.said < SAID_AT_MOST {
            self.said += 1;
            let member = reject.member.map(|m| format!("{m}:")).unwrap_or_default();
            let line = reject.line.map(|n| format!("{n}:")).unwrap_or_default();
            log::warn!("{}:{member}{line} {}", reject.source, reject.error);
            if self.said == SAID_AT_MOST {
                log::warn!("more bad records are counted, not shown");
            }
        }
        if let Some(file) = &mut self.file {
            file.write_record(&RejectEntry::from(reject))?;
        }
        Ok(())
    }

    /// The number of bad records so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Gives the file of `--rejects` its name. Returns an error with status 65 if there were more
    /// bad records than `--max-bad`.
    pub fn finish(self) -> anyhow::Result<()> {
        let kept = self.file.is_some();
        if let Some(mut file) = self.file {
            file.finish()?;
        }
        if self.count <= self.max_bad {
            return Ok(());
        }
        let records = if self.count == 1 { "record" } else { "records" };
        let hint = if kept {
            ""
        } else {
            "; --rejects FILE keeps them"
        };
        let text = format!(
            "{} bad {records}, {} allowed (--max-bad){hint}",
            self.count, self.max_bad
        );
        Err(Failure::new(Status::BadInput, text).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(count: u64, max_bad: u64, file: Option<PathBuf>) -> Result<(), String> {
        let rejects = file;
        let mut rejects = Rejects::open(&RejectArgs { rejects, max_bad }).unwrap();
        for line in 1..=count {
            let raw: &[u8] = if line == 2 { b"\xff" } else { b"raw" };
            rejects
                .add(Reject {
                    source: "s",
                    member: None,
                    line: Some(line),
                    offset: None,
                    error: "bad",
                    raw: Some(raw),
                })
                .unwrap();
        }
        assert_eq!(rejects.count(), count);
        rejects.finish().map_err(|e| {
            assert_eq!(Status::of(&e), Status::BadInput);
            e.to_string()
        })
    }

    #[test]
    fn too_many_are_an_error_that_counts_them() {
        assert_eq!(finish(12, 12, None), Ok(()));
        let hint = "; --rejects FILE keeps them";
        assert_eq!(
            finish(1, 0, None),
            Err(format!("1 bad record, 0 allowed (--max-bad){hint}"))
        );
        assert_eq!(
            finish(3, 2, None),
            Err(format!("3 bad records, 2 allowed (--max-bad){hint}"))
        );
    }

    #[test]
    fn the_file_has_each_with_its_bytes_also_when_there_are_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("R");
        let ended = finish(2, 1, Some(file.clone()));
        assert_eq!(
            ended,
            Err("2 bad records, 1 allowed (--max-bad)".to_owned())
        );
        let line = |n, raw| {
            format!(
                "{{\"source\":\"s\",\"member\":null,\"line\":{n},\"offset\":null,\"error\":\"bad\",{raw}}}\n"
            )
        };
        let wanted = line(1, "\"raw\":\"raw\"") + &line(2, "\"raw_base64\":\"/w==\"");
        assert_eq!(std::fs::read_to_string(file).unwrap(), wanted);
    }

    #[test]
    fn an_entry_without_bytes_has_none() {
        let text = |raw| serde_json::to_string(&RejectEntry::new("s", 7, "bad", raw)).unwrap();
        assert!(!text(b"").contains("raw") && text(b"").contains("\"line\":7"));
        assert!(text(b"x").contains("\"raw\":\"x\""));
    }
}
