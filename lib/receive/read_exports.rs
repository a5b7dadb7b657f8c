//! Finds the exports that were read completely. Only such an export proves that the hours of its
//! window are complete.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::export::window::Window;
use crate::ocp::export_request::ExportRequest;
use crate::os::path_segment::safe;

/// The line that `unzip-jsonl --with-source` prints at the end of a ZIP.
#[derive(Debug, Deserialize)]
pub(crate) struct ZipEnd {
    /// The ZIP; `None` for an export without ZIPs.
    source: Option<String>,
    records: u64,
    export: ReadExport,
}

#[derive(Debug, Deserialize)]
struct ReadExport {
    #[serde(flatten)]
    request: ExportRequest,
    export_id: String,
    page_number: Option<u64>,
    pages: u64,
}

/// The pages of an export.
#[derive(Debug, Default)]
struct Pages {
    wanted: u64,
    read: BTreeSet<u64>,
}

/// The exports and the pages that were read so far.
#[derive(Debug, Default)]
pub(crate) struct ReadExports {
    /// The ZIP that the last line came from, and the number of lines from this ZIP.
    source: String,
    lines: u64,
    /// The number of invalid lines since the last end of a ZIP. The ZIP of such a line is not
    /// known.
    bad: u64,
    exports: BTreeMap<(ExportRequest, String), Pages>,
}

impl ReadExports {
    /// Counts a line with a record of a ZIP.
    pub(crate) fn line(&mut self, source: &str) {
        if self.source != source {
            source.clone_into(&mut self.source);
            self.lines = 0;
        }
        self.lines += 1;
    }

    /// Counts an invalid line.
    pub(crate) fn bad_line(&mut self) {
        self.bad += 1;
    }

    /// Handles the end of a ZIP. The ZIP counts as read if all its lines arrived.
    pub(crate) fn end(&mut self, end: ZipEnd) {
        let (source, lines, bad) = (
            std::mem::take(&mut self.source),
            std::mem::take(&mut self.lines),
            std::mem::take(&mut self.bad),
        );
        let lines = if end.source.as_ref() == Some(&source) {
            lines
        } else {
            0
        };
        let (records, export) = (end.records, end.export);
        if lines > records || lines + bad < records {
            log::warn!(
                "{}: {lines} of its {records} records arrived, so {} counts as not compared",
                end.source.unwrap_or_default(),
                export.request
            );
            return;
        }
        let key = (export.request, export.export_id);
        let pages = self.exports.entry(key).or_default();
        pages.wanted = export.pages;
        pages.read.extend(export.page_number);
    }

    /// The exports of which all pages were read. Returns, for each export: the group as a path
    /// segment, the window, and the types.
    pub(crate) fn proven(&self) -> Vec<(String, Window, Vec<String>)> {
        let whole = self.exports.iter().filter(|(_, pages)| {
            let read = pages.read.range(1..=pages.wanted).count();
            read as u64 == pages.wanted
        });
        let proven = whole.map(|((request, _), _)| {
            let types = request.types.iter().cloned().collect();
            (safe(&request.group), request.window, types)
        });
        proven.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(source: &str, records: u64, page: u64, pages: u64) -> ZipEnd {
        let text = format!(
            r#"{{"source":"{source}","records":{records},"export":{{"group":"a b","types":["x","y"],
            "from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z","export_id":"e",
            "page_number":{page},"pages":{pages}}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn lines(read: &mut ReadExports, source: &str, count: u64) {
        (0..count).for_each(|_| read.line(source));
    }

    #[test]
    fn an_export_is_proven_when_all_its_pages_were_read() {
        let mut read = ReadExports::default();
        lines(&mut read, "1.zip", 3);
        read.end(end("1.zip", 3, 1, 2));
        assert!(read.proven().is_empty());
        lines(&mut read, "2.zip", 1);
        assert!(read.proven().is_empty(), "the second page is cut off");
        read.end(end("2.zip", 1, 2, 2));
        let proven = read.proven();
        assert_eq!(proven.len(), 1);
        assert_eq!(proven[0].0, "a%20b");
        assert_eq!(proven[0].2, ["x", "y"]);
    }

    #[test]
    fn an_export_without_pages_and_a_zip_without_records_prove_as_much() {
        let mut read = ReadExports::default();
        read.end(end("1.zip", 0, 1, 1));
        assert_eq!(read.proven().len(), 1);
        let mut read = ReadExports::default();
        lines(&mut read, "another.zip", 2);
        let none = r#"{"source":null,"records":0,"export":{"group":"a","types":["x"],
            "from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z","export_id":"e","pages":0}}"#;
        read.end(serde_json::from_str(none).unwrap());
        assert_eq!(read.proven().len(), 1);
    }

    #[test]
    fn lines_that_were_left_out_on_the_way_prove_nothing() {
        let mut read = ReadExports::default();
        lines(&mut read, "1.zip", 2);
        read.end(end("1.zip", 3, 1, 1));
        assert!(read.proven().is_empty());
        // A line that cannot be read counts, because it was reported as rejected.
        lines(&mut read, "1.zip", 2);
        read.bad_line();
        read.end(end("1.zip", 3, 1, 1));
        assert_eq!(read.proven().len(), 1);
    }
}
