//! Reads a page of calls in the vendor's CSV, one row in memory at a time.
//!
//! The CSV has less than the JSON: 43 of its 68 fields, times without a zone, and lists whose
//! escaping is not documented. Columns are found by the header, so they may be in any order, and
//! new columns are kept.

use std::io::Read;

use super::call::{Call, not_an_id, parse_id};
use super::columns::{self, ColumnKind};
use super::dates::Dates;
use super::wire::{PageError, place};
use crate::error::{self, Status};
use crate::format::csv::{CsvError, Row, Rows};
use crate::json::lines::push_string;
use crate::net::retry::Failed;

/// A call as the service sent it.
#[derive(Clone, Copy, Debug)]
pub(super) enum RawCall<'a> {
    /// A JSON object on one line.
    Json(&'a str),
    /// A row of CSV, and the header of its page.
    Row(Row<'a>, &'a Header),
}

/// Reads the calls of one page.
#[derive(Debug)]
pub(super) struct CsvPage<R> {
    /// The body; `None` after the header has been read.
    body: Option<R>,
    table: Option<(Rows<R>, Header)>,
    is_delimited: bool,
    last: Option<u64>,
}

impl<R: Read> CsvPage<R> {
    /// Reads the calls in `body`. `is_delimited` says whether the reply declares its end. Without a
    /// declared end, a row that was cut off in its last cell looks complete.
    pub(super) fn new(body: R, is_delimited: bool) -> CsvPage<R> {
        CsvPage {
            body: Some(body),
            table: None,
            is_delimited,
            last: None,
        }
    }

    /// The next call; `None` after the last.
    pub(super) fn next_call(
        &mut self,
        dates: &Dates,
    ) -> Result<Option<(Call, RawCall<'_>)>, PageError> {
        if let Some(body) = self.body.take() {
            let rows = Rows::new(body).map_err(broken)?;
            if rows.header().is_empty() {
                return Ok(None);
            }
            let header = Header::new(rows.header(), rows.raw_header())?;
            if rows.is_at_end() && !self.is_delimited {
                return Err(PageError::cut_off("the reply is cut off in its header"));
            }
            self.table = Some((rows, header));
        }
        let Some((rows, header)) = &mut self.table else {
            return Ok(None);
        };
        let Some(row) = rows.next_row().map_err(broken)? else {
            return Ok(None);
        };
        if !row.has_line_end() && !self.is_delimited {
            return Err(PageError::cut_off("the reply is cut off in its last row"));
        }
        let call = header.call(row, dates);
        let call = call.map_err(|e| e.context(place(self.last)))?;
        self.last = Some(call.id);
        Ok(Some((call, RawCall::Row(row, header))))
    }
}

fn broken(e: CsvError) -> PageError {
    match e {
        CsvError::Read(e) => PageError::of_body(&e),
        CsvError::Bad(text) => PageError::Passing(Failed::content(
            format!("the CSV at {text}"),
            Status::Refused,
        )),
    }
}

/// Calls `each` with the start and end of every call of a page of CSV, unchanged.
pub(super) fn read_times(
    page: impl Read,
    each: &mut dyn FnMut(&str, &str),
) -> Result<(), PageError> {
    let mut rows = Rows::new(page).map_err(broken)?;
    let at = |name: &str| rows.header().iter().position(|known| known == name);
    let (start, end) = (at("startTime"), at("endTime"));
    while let Some(row) = rows.next_row().map_err(broken)? {
        let cell = |at: Option<usize>| at.map_or("", |at| row.cell(at));
        each(cell(start), cell(end));
    }
    Ok(())
}

/// The columns of a page of CSV, and the kinds of their cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The names of the columns as they were sent.
    pub(super) names: Vec<String>,
    /// The line of the header, unchanged.
    pub(super) raw: Vec<u8>,
    kinds: Vec<ColumnKind>,
    /// The name of each column as `"name":`, for a JSON object.
    keys: Vec<String>,
    id: usize,
    phase: Option<usize>,
    start: Option<usize>,
    context: Option<usize>,
    recording: Option<usize>,
}

impl Header {
    fn new(names: &[String], raw: &[u8]) -> Result<Header, PageError> {
        let at = |name: &str| names.iter().position(|known| known == name);
        let Some(id) = at("callId") else {
            let text = names.join(", ");
            return Err(match text.trim_start().starts_with(['<', '{', '[']) {
                true => PageError::other("CSV", &text),
                false => PageError::Final(error::bad_input(format!(
                    "the CSV has no column callId, only {}",
                    text.chars().take(60).collect::<String>()
                ))),
            });
        };
        if let Some(twice) = names
            .iter()
            .find(|name| at(name) != names.iter().rposition(|n| n == *name))
        {
            return Err(PageError::Final(error::bad_input(format!(
                "the CSV has the column {twice} twice"
            ))));
        }
        let kind =
            |name: &String| columns::find(name).map_or(ColumnKind::Text, |column| column.kind);
        Ok(Header {
            kinds: names.iter().map(kind).collect(),
            keys: names
                .iter()
                .map(|name| format!("{}:", serde_json::Value::from(name.as_str())))
                .collect(),
            phase: at("progressPhase"),
            start: at("startTime"),
            context: at("contextId"),
            recording: at("recording"),
            names: names.to_vec(),
            raw: raw.to_vec(),
            id,
        })
    }

    /// Appends a row as a JSON object. A cell becomes a number or a boolean if the documentation
    /// gives its column this type and the cell has this form. An empty cell becomes null, a time
    /// becomes RFC 3339, and any other cell becomes a string.
    pub(super) fn write_json(
        &self,
        row: Row<'_>,
        dates: &Dates,
        line: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        line.push(b'{');
        for (index, cell) in row.cells().enumerate() {
            if index > 0 {
                line.push(b',');
            }
            line.extend(self.keys[index].as_bytes());
            match self.kinds[index] {
                _ if cell.is_empty() => line.extend(b"null"),
                ColumnKind::Number if is_json_number(cell) => line.extend(cell.as_bytes()),
                ColumnKind::Bool if matches!(cell, "true" | "false") => {
                    line.extend(cell.as_bytes());
                }
                ColumnKind::Time => push_string(line, &dates.read(cell)?.rfc3339()),
                _ => push_string(line, cell),
            }
        }
        line.push(b'}');
        Ok(())
    }

    /// The cells of a row, with times in RFC 3339.
    pub(super) fn cells(&self, row: Row<'_>, dates: &Dates) -> anyhow::Result<Vec<String>> {
        row.cells()
            .zip(&self.kinds)
            .map(|(cell, kind)| match kind {
                ColumnKind::Time if !cell.is_empty() => Ok(dates.read(cell)?.rfc3339()),
                _ => Ok(cell.to_owned()),
            })
            .collect()
    }

    fn call(&self, row: Row<'_>, dates: &Dates) -> anyhow::Result<Call> {
        let text = |at: Option<usize>| {
            let text = row.cell(at?);
            (!text.is_empty()).then(|| text.to_owned())
        };
        let id = row.cell(self.id);
        let start = text(self.start).filter(|_| !dates.are_ignored());
        let start = start.map(|text| dates.read(&text)).transpose();
        let id = parse_id(id).ok_or_else(|| error::bad_input(not_an_id(id)))?;
        Ok(Call {
            id,
            phase: text(self.phase).unwrap_or_default(),
            start: start.map_err(|e| e.context(format!("call {id}")))?,
            context: text(self.context),
            merged_audio: None,
            recording: text(self.recording),
        })
    }
}

/// Whether a cell is a number in the form of JSON: it has no plus and no leading zero.
fn is_json_number(cell: &str) -> bool {
    let first = cell.trim_start_matches('-').as_bytes().first();
    first.is_some_and(u8::is_ascii_digit)
        && serde_json::from_str::<&serde_json::value::RawValue>(cell)
            .is_ok_and(|raw| raw.get() == cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voicegain::dates::{DateArgs, OrderArg};

    fn dates() -> Dates {
        Dates::new(&DateArgs {
            csv_date_order: Some(OrderArg::Dmy),
            csv_tz: Some(crate::time::zone::Zone::UTC),
        })
    }

    /// The rows that were read, as JSON, and how the page ended.
    fn read(page: &str, is_delimited: bool) -> (Vec<String>, String) {
        let mut lines = Vec::new();
        let mut page = CsvPage::new(page.as_bytes(), is_delimited);
        loop {
            match page.next_call(&dates()) {
                Ok(Some((_, RawCall::Row(row, header)))) => {
                    let mut line = Vec::new();
                    header.write_json(row, &dates(), &mut line).unwrap();
                    lines.push(String::from_utf8(line).unwrap());
                }
                Ok(_) => return (lines, "whole".to_owned()),
                Err(PageError::Passing(failed)) => {
                    return (lines, format!("{}: {}", failed.status.code(), failed.why));
                }
                Err(PageError::Final(e)) => return (lines, format!("{e:#}")),
            }
        }
    }

    fn csv(page: &str) -> (Vec<String>, String) {
        read(page, true)
    }

    #[test]
    fn a_table_without_an_id_is_no_page_of_calls() {
        assert_eq!(csv(""), (vec![], "whole".to_owned()));
        assert_eq!(csv("callId,x\n"), (vec![], "whole".to_owned()));
        for (page, end) in [
            ("<html>\nx", "75: an HTML page instead of calls"),
            (
                "{\"error\":1}",
                "69: the reply is not CSV: it begins '{\"error\":1}'",
            ),
            ("id,x\n1,2\n", "the CSV has no column callId, only id, x"),
            ("callId,x,x\n1,2,3\n", "the CSV has the column x twice"),
            (
                "x,callId\n1,a2\n",
                "the first call of the reply: callId 'a2' is not a whole number, so the calls cannot be sorted",
            ),
        ] {
            assert_eq!(csv(page), (vec![], end.to_owned()), "{page}");
        }
        let (lines, end) = csv("x,callId\n1,2\n\"a\nb\",3\n4\n");
        assert_eq!(lines.len(), 2);
        assert!(end.starts_with("69: the CSV at line 5: 1 fields"), "{end}");
    }

    #[test]
    fn a_row_without_its_line_end_is_believed_only_where_the_reply_has_an_end() {
        let page = "callId,progressPhase\n1,DONE\n2,DO";
        let first = r#"{"callId":"1","progressPhase":"DONE"}"#;
        let second = r#"{"callId":"2","progressPhase":"DO"}"#;
        assert_eq!(csv(page).0, [first, second]);
        let (lines, end) = read(page, false);
        assert_eq!(lines, [first]);
        assert_eq!(end, "75: the reply is cut off in its last row");
        let whole = format!("{page}\r\n");
        assert_eq!(read(&whole, false).1, "whole");
        let (_, end) = read("callId,progr", false);
        assert_eq!(end, "75: the reply is cut off in its header");
    }

    #[test]
    fn a_cell_becomes_what_its_column_is_documented_as() {
        let page = "callId,duration,sentiment,isCallResolved,externalEndpoint,startTime,x\n\
            7,0012,-0.50,true,+1995,05-12-2024 6:15:45 PM,\"a\"\"b\"\n\
            8,1e3,+1,maybe,,2024-12-05T18:15:45Z,\n";
        assert_eq!(
            csv(page).0,
            [
                r#"{"callId":"7","duration":"0012","sentiment":-0.50,"isCallResolved":true,"externalEndpoint":"+1995","startTime":"2024-12-05T18:15:45Z","x":"a\"b"}"#,
                r#"{"callId":"8","duration":1e3,"sentiment":"+1","isCallResolved":"maybe","externalEndpoint":null,"startTime":"2024-12-05T18:15:45Z","x":null}"#,
            ]
        );
    }
}
