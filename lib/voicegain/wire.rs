//! Reads a page of calls as it arrives, in either of the vendor's two forms, with one
//! call in memory at a time.
//!
//! JSON passes through as it came. CSV holds less: 43 of the JSON's 68 fields,
//! times without a zone, and lists whose escaping is not documented. It is read by
//! its header, so that columns may come in any order and new ones are kept.

use std::io::Read;

use clap::ValueEnum;

use super::call::{Call, CallReader, not_an_id, parse_id};
use super::columns::{self, ColumnKind};
use super::dates::Dates;
use crate::error::{self, Status};
use crate::format::csv::{CsvError, Row, Rows};
use crate::json::array_stream::{ArrayError, ArrayStream};
use crate::json::lines::push_string;
use crate::net::http::NetError;
use crate::net::retry::Failed;

/// The form that the service is asked to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WireFormat {
    /// `format=json`
    Json,
    /// `format=csv`
    Csv,
}

/// A call as it came.
#[derive(Clone, Copy, Debug)]
pub(super) enum RawCall<'a> {
    /// A JSON object on one line.
    Json(&'a str),
    /// A row of a table.
    Row(Row<'a>, &'a Header),
}

/// Why a page ended early. The calls before that are good.
#[derive(Debug)]
pub(super) enum PageError {
    /// It may pass.
    Passing(Failed),
    /// A repetition would not change it.
    Final(anyhow::Error),
}

impl PageError {
    /// The reply is not `what`. HTML or nothing is a proxy's or a maintenance window's,
    /// which passes.
    fn other(what: &str, head: &str) -> PageError {
        let failed = match head.trim_start().bytes().next() {
            Some(b'<') => Failed::content("an HTML page instead of calls", Status::TryLater),
            None => Failed::content("the reply is empty", Status::TryLater),
            Some(_) => {
                let head: String = head.chars().filter(|c| !c.is_control()).take(60).collect();
                let text = format!("the reply is not {what}: it begins '{head}'");
                Failed::content(text, Status::Refused)
            }
        };
        PageError::Passing(failed)
    }

    fn cut_off(text: &str) -> PageError {
        PageError::Passing(Failed::content(text, Status::TryLater))
    }

    fn of_body(e: &std::io::Error) -> PageError {
        match NetError::of_body(e).into_failed() {
            Ok(failed) => PageError::Passing(failed),
            Err(e) => PageError::Final(e),
        }
    }
}

impl From<anyhow::Error> for PageError {
    fn from(e: anyhow::Error) -> PageError {
        PageError::Final(e)
    }
}

/// Reads the calls of one page.
#[derive(Debug)]
pub(super) enum PageReader<R: Read> {
    Json(Box<JsonPage<R>>),
    Csv(Box<CsvPage<R>>),
}

impl<R: Read> PageReader<R> {
    /// `is_delimited` says whether the reply says where it ends. If not, a row of CSV
    /// that was cut off in its last cell looks whole.
    pub(super) fn new(form: WireFormat, body: R, is_delimited: bool) -> PageReader<R> {
        match form {
            WireFormat::Json => PageReader::Json(Box::new(JsonPage::new(body))),
            WireFormat::Csv => PageReader::Csv(Box::new(CsvPage {
                body: Some(body),
                table: None,
                is_delimited,
                last: None,
            })),
        }
    }

    /// The next call; `None` after the last. An error names the call.
    pub(super) fn next_call(
        &mut self,
        dates: &Dates,
    ) -> Result<Option<(Call, RawCall<'_>)>, PageError> {
        match self {
            PageReader::Json(page) => {
                let call = page.advance()?;
                Ok(call.map(|call| (call, RawCall::Json(page.json()))))
            }
            PageReader::Csv(page) => page.next_call(dates),
        }
    }
}

/// Says which call of a page an error is about.
fn place(last: Option<u64>) -> String {
    match last {
        None => "the first call of the reply".to_owned(),
        Some(id) => format!("the call after {id}"),
    }
}

#[derive(Debug)]
pub(super) struct JsonPage<R> {
    elements: ArrayStream<R>,
    calls: CallReader,
    line: String,
    last: Option<u64>,
}

impl<R: Read> JsonPage<R> {
    pub(super) fn new(body: R) -> JsonPage<R> {
        JsonPage {
            elements: ArrayStream::new(body),
            calls: CallReader::new(),
            line: String::new(),
            last: None,
        }
    }

    /// The text of the call that came last, on one line.
    pub(super) fn json(&self) -> &str {
        &self.line
    }

    /// Goes to the next call; `None` after the last.
    pub(super) fn advance(&mut self) -> Result<Option<Call>, PageError> {
        let element = self.elements.next_element().map_err(|e| match e {
            ArrayError::Read(e) => PageError::of_body(&e),
            ArrayError::Truncated => PageError::cut_off("the reply breaks off"),
            ArrayError::NotAnArray(head) => PageError::other("a JSON array", &head),
            ArrayError::Malformed(count) => PageError::Passing(Failed::content(
                format!("the reply is not a JSON array after {count} calls"),
                Status::Refused,
            )),
            ArrayError::TooLong => PageError::Passing(Failed::content(
                "a call in the reply does not end",
                Status::Refused,
            )),
        })?;
        let Some(element) = element else {
            return Ok(None);
        };
        let json = std::str::from_utf8(element)
            .map_err(|e| error::bad_input(format!("not UTF-8: {e}")).context(place(self.last)))?;
        let call = self.calls.read(json);
        let call = call.map_err(|e| e.context(place(self.last)))?;
        self.last = Some(call.id);
        self.line.clear();
        match json.contains(['\n', '\r']) {
            false => self.line.push_str(json),
            // A line end is a blank between tokens; within a string it is escaped.
            true => self
                .line
                .extend(json.chars().filter(|c| !matches!(c, '\n' | '\r'))),
        }
        Ok(Some(call))
    }
}

#[derive(Debug)]
pub(super) struct CsvPage<R> {
    /// Until the header is read.
    body: Option<R>,
    table: Option<(Rows<R>, Header)>,
    is_delimited: bool,
    last: Option<u64>,
}

impl<R: Read> CsvPage<R> {
    fn next_call(&mut self, dates: &Dates) -> Result<Option<(Call, RawCall<'_>)>, PageError> {
        if let Some(body) = self.body.take() {
            let rows = Rows::new(body).map_err(broken)?;
            if rows.header().is_empty() {
                return Ok(None);
            }
            let header = Header::new(rows.header())?;
            if rows.is_at_end() && !self.is_delimited {
                return Err(PageError::cut_off("the reply breaks off in its header"));
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
            return Err(PageError::cut_off("the reply breaks off in its last row"));
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

/// Hands the start and end of every call of a page of CSV to `each`, as they stand.
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

/// The columns of a page of CSV, and what they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The names as they were sent.
    pub(super) names: Vec<String>,
    kinds: Vec<ColumnKind>,
    /// `"name":`, ready for a JSON object.
    keys: Vec<String>,
    id: usize,
    phase: Option<usize>,
    start: Option<usize>,
    context: Option<usize>,
    recording: Option<usize>,
}

impl Header {
    fn new(names: &[String]) -> Result<Header, PageError> {
        let at = |name: &str| names.iter().position(|known| known == name);
        let Some(id) = at("callId") else {
            let text = names.join(", ");
            return Err(match text.trim_start().starts_with(['<', '{', '[']) {
                true => PageError::other("CSV", &text),
                false => PageError::Final(error::bad_input(format!(
                    "the CSV has no column callId, but {}",
                    text.chars().take(60).collect::<String>()
                ))),
            });
        };
        if let Some(twice) = names
            .iter()
            .find(|name| at(name) != names.iter().rposition(|n| n == *name))
        {
            return Err(PageError::Final(error::bad_input(format!(
                "the CSV has two columns {twice}"
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
            id,
        })
    }

    /// Appends a row as a JSON object: numbers where the column is documented as a
    /// number and the cell is one, null for an empty cell, times as RFC 3339, all else
    /// as strings.
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

    /// The cells of a row for another table: times as RFC 3339.
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
        let start = text(self.start).map(|text| dates.read(&text)).transpose();
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

/// Digits as JSON has them: no plus, no leading zero.
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
            csv_tz: Some(crate::time::Zone::UTC),
        })
    }

    /// What came before the page ended, and how it ended.
    fn read(form: WireFormat, page: &str, is_delimited: bool) -> (Vec<String>, String) {
        let mut lines = Vec::new();
        let mut page = PageReader::new(form, page.as_bytes(), is_delimited);
        loop {
            match page.next_call(&dates()) {
                Ok(Some((_, RawCall::Json(json)))) => lines.push(json.to_owned()),
                Ok(Some((_, RawCall::Row(row, header)))) => {
                    let mut line = Vec::new();
                    header.write_json(row, &dates(), &mut line).unwrap();
                    lines.push(String::from_utf8(line).unwrap());
                }
                Ok(None) => return (lines, "whole".to_owned()),
                Err(PageError::Passing(failed)) => {
                    return (lines, format!("{}: {}", failed.status.code(), failed.why));
                }
                Err(PageError::Final(e)) => return (lines, format!("{e:#}")),
            }
        }
    }

    fn csv(page: &str) -> (Vec<String>, String) {
        read(WireFormat::Csv, page, true)
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
            ("id,x\n1,2\n", "the CSV has no column callId, but id, x"),
            ("callId,x,x\n1,2,3\n", "the CSV has two columns x"),
            (
                "x,callId\n1,a2\n",
                "the first call of the reply: callId 'a2' is not a whole number, so calls cannot be put in order",
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
        let (lines, end) = read(WireFormat::Csv, page, false);
        assert_eq!(lines, [first]);
        assert_eq!(end, "75: the reply breaks off in its last row");
        let whole = format!("{page}\r\n");
        assert_eq!(read(WireFormat::Csv, &whole, false).1, "whole");
        let (_, end) = read(WireFormat::Csv, "callId,progr", false);
        assert_eq!(end, "75: the reply breaks off in its header");
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

    #[test]
    fn json_over_several_lines_becomes_one_and_an_error_names_its_call() {
        let page =
            "[\r\n  {\r\n    \"callId\": 1,\n    \"notes\": \"a\\nb\"\n  },{\"callId\":\"x\"}]";
        let (lines, end) = read(WireFormat::Json, page, false);
        assert_eq!(lines, [r#"{    "callId": 1,    "notes": "a\nb"  }"#]);
        assert!(
            end.starts_with("the call after 1: callId 'x' is not"),
            "{end}"
        );
        let (_, end) = read(WireFormat::Json, "[{\"callId\":1},{\"ca", false);
        assert_eq!(end, "75: the reply breaks off");
        let (_, end) = read(WireFormat::Json, "<html>", true);
        assert_eq!(end, "75: an HTML page instead of calls");
    }
}
