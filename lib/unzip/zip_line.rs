//! Lines about ZIPs: input lines that name ZIPs, and output lines that follow the records of a ZIP.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::lines::explain;

/// The fields that are used from a line of `export-fetch`. All but `path` are printed again, to
/// name the export.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ZipLine {
    /// `None` if the export has no ZIP, or no ZIP yet.
    #[serde(skip_serializing)]
    pub(super) path: Option<String>,
    group: Option<Box<RawValue>>,
    types: Option<Box<RawValue>>,
    from: Option<Box<RawValue>>,
    to: Option<Box<RawValue>>,
    export_id: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page_number: Option<Box<RawValue>>,
    pages: Option<Box<RawValue>>,
}

/// The line about a ZIP that was read to its end, or about an export that has no ZIP.
#[derive(Serialize)]
pub(super) struct EndLine<'a> {
    pub(super) source: Option<&'a str>,
    /// The number of records that were printed from the ZIP.
    pub(super) records: u64,
    pub(super) export: &'a ZipLine,
}

impl ZipLine {
    /// Parses a line. The error is a text; it says that the line names neither a ZIP nor an export.
    pub(super) fn parse(line: &[u8]) -> Result<ZipLine, String> {
        let wrong =
            |why: &str| format!("neither a ZIP nor a JSON line with the path of a ZIP: {why}");
        let line: ZipLine = serde_json::from_slice(line).map_err(|e| wrong(&explain(&e)))?;
        let is_export = line.group.is_some() && line.from.is_some() && line.to.is_some();
        match line.path {
            None if !is_export => Err(wrong("it has no path")),
            _ => Ok(line),
        }
    }

    /// Whether the line has the id and the number of pages of an export.
    pub(super) fn tells_export(&self) -> bool {
        self.export_id.is_some() && self.pages.is_some()
    }

    /// Whether the line is about an export that has no ZIP and will never have one.
    pub(super) fn is_empty(&self) -> bool {
        self.path.is_none() && self.pages.as_ref().is_some_and(|pages| pages.get() == "0")
    }
}
