//! A page of calls as it arrives, in either of the vendor's two forms, one call in
//! memory at a time.
//!
//! JSON is passed through as it came. CSV is less: 43 of the JSON's 68 fields,
//! times without a zone, and lists whose escaping nobody documents. It is read by
//! its header, so that columns may come in any order and new ones are kept.

use std::io::Read;

use clap::ValueEnum;

use super::call::{Call, not_an_id, parse_id};
use super::columns::{self, ColumnKind};
use super::dates::Dates;
use crate::error;
use crate::format::csv::{self, Row, Rows};
use crate::json::array_stream::{self, ArrayStream};
use crate::json::lines::push_string;
use crate::net::http::NetError;

/// What the service is asked to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WireFormat {
    /// `format=json`
    Json,
    /// `format=csv`
    Csv,
}

/// A call as it came.
#[derive(Clone, Copy, Debug)]
pub enum RawCall<'a> {
    /// A JSON object.
    Json(&'a str),
    /// A row of a table.
    Row(Row<'a>, &'a Header),
}

/// Whether to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next call, please.
    On,
    /// What follows is not wanted.
    Enough,
}

/// Where a call goes.
pub type CallVisitor<'e> = dyn FnMut(&Call, RawCall<'_>) -> anyhow::Result<Flow> + 'e;

/// Why a page ended early. What came before is good.
#[derive(Debug)]
pub enum PageError {
    /// The network.
    Net(NetError),
    /// It is not, or not to its end, what was asked for; in words. May pass.
    Content(String),
    /// Nothing that a repetition would change.
    Final(anyhow::Error),
}

impl From<anyhow::Error> for PageError {
    fn from(e: anyhow::Error) -> PageError {
        PageError::Final(e)
    }
}

/// Hands every call of a page of JSON to `each`.
pub fn read_json(page: impl Read, each: &mut CallVisitor<'_>) -> Result<(), PageError> {
    let mut elements = ArrayStream::new(page);
    let mut line = String::new();
    let mut last = None;
    loop {
        let element = elements.next_element().map_err(|e| match e {
            array_stream::ArrayError::Read(e) => PageError::Net(NetError::of_body(&e)),
            array_stream::ArrayError::Truncated => {
                PageError::Content("the reply breaks off".to_owned())
            }
            array_stream::ArrayError::NotAnArray(head) => {
                PageError::Content(format!("the reply is no JSON array: {}", shown(&head)))
            }
            array_stream::ArrayError::Malformed(count) => {
                PageError::Content(format!("the reply is no JSON array after {count} calls"))
            }
            array_stream::ArrayError::TooLong => {
                PageError::Content("a call in the reply does not end".to_owned())
            }
        })?;
        let Some(element) = element else {
            return Ok(());
        };
        let place = |e: anyhow::Error| match last {
            None => e.context("the first call of the reply"),
            Some(id) => e.context(format!("the call after {id}")),
        };
        let json = std::str::from_utf8(element)
            .map_err(|e| place(error::bad_input(format!("not UTF-8: {e}"))))?;
        let call = Call::parse(json).map_err(place)?;
        // A line end is a blank between tokens; within a string it is escaped.
        let json = match json.contains(['\n', '\r']) {
            false => json,
            true => {
                line.clear();
                line.extend(json.chars().filter(|c| !matches!(c, '\n' | '\r')));
                &line
            }
        };
        last = Some(call.id);
        if each(&call, RawCall::Json(json))? == Flow::Enough {
            return Ok(());
        }
    }
}

/// The start of a body, for a message of one line.
fn shown(head: &str) -> String {
    let head: String = head.chars().filter(|c| !c.is_control()).take(60).collect();
    if head.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("it begins '{head}'")
    }
}

/// What the columns of a page mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// As they stand.
    pub names: Vec<String>,
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
                true => PageError::Content(format!("the reply is no CSV: {}", shown(&text))),
                false => PageError::Final(error::bad_input(format!(
                    "the CSV has no column callId: {}",
                    shown(&text)
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

    /// What a row says as a JSON object: texts, numbers where a column is
    /// documented as one and the cell is one, null for an empty cell, times as
    /// RFC 3339.
    pub fn write_json(
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

    /// The row's cells as they go into another table: times as RFC 3339.
    pub fn cells(&self, row: Row<'_>, dates: &Dates) -> anyhow::Result<Vec<String>> {
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

fn trouble(e: csv::CsvError) -> PageError {
    match e {
        csv::CsvError::Read(e) => PageError::Net(NetError::of_body(&e)),
        csv::CsvError::Bad(text) => PageError::Content(format!("the CSV at {text}")),
    }
}

/// Hands the start and end of every call of a page of CSV to `each`, as they stand.
pub fn read_times(page: impl Read, each: &mut dyn FnMut(&str, &str)) -> Result<(), PageError> {
    let mut rows = Rows::new(page).map_err(trouble)?;
    let at = |name: &str| rows.header().iter().position(|known| known == name);
    let (start, end) = (at("startTime"), at("endTime"));
    while let Some(row) = rows.next_row().map_err(trouble)? {
        let cell = |at: Option<usize>| at.map_or("", |at| row.cell(at));
        each(cell(start), cell(end));
    }
    Ok(())
}

/// Hands every call of a page of CSV to `each`.
pub fn read_csv(
    page: impl Read,
    dates: &Dates,
    each: &mut CallVisitor<'_>,
) -> Result<(), PageError> {
    let mut rows = Rows::new(page).map_err(trouble)?;
    if rows.header().is_empty() {
        return Ok(());
    }
    let header = Header::new(rows.header())?;
    while let Some(row) = rows.next_row().map_err(trouble)? {
        let call = header.call(row, dates)?;
        if each(&call, RawCall::Row(row, &header))? == Flow::Enough {
            break;
        }
    }
    Ok(())
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

    /// The ids that came before it ended, and how it ended.
    fn csv(page: &str) -> (Vec<u64>, String) {
        let mut ids = Vec::new();
        let read = read_csv(page.as_bytes(), &dates(), &mut |call, _| {
            ids.push(call.id);
            Ok(Flow::On)
        });
        let end = match read {
            Ok(()) => "whole".to_owned(),
            Err(PageError::Content(text)) => format!("may pass: {text}"),
            Err(PageError::Net(e)) => e.to_string(),
            Err(PageError::Final(e)) => format!("{e:#}"),
        };
        (ids, end)
    }

    #[test]
    fn a_table_without_an_id_is_no_page_of_calls() {
        assert_eq!(csv(""), (vec![], "whole".to_owned()));
        assert_eq!(csv("callId,x\n"), (vec![], "whole".to_owned()));
        for (page, end) in [
            (
                "<html>\nx",
                "may pass: the reply is no CSV: it begins '<html>'",
            ),
            (
                "{\"error\":1}",
                "may pass: the reply is no CSV: it begins '{\"error\":1}'",
            ),
            (
                "id,x\n1,2\n",
                "the CSV has no column callId: it begins 'id, x'",
            ),
            ("callId,x,x\n1,2,3\n", "the CSV has two columns x"),
            (
                "x,callId\n1,a2\n",
                "callId 'a2' is no whole number, by which calls are put in order",
            ),
        ] {
            assert_eq!(csv(page), (vec![], end.to_owned()), "{page}");
        }
        let (ids, end) = csv("x,callId\n1,2\n\"a\nb\",3\n4\n");
        assert_eq!(ids, [2, 3]);
        assert!(
            end.starts_with("may pass: the CSV at line 5: 1 fields"),
            "{end}"
        );
    }

    #[test]
    fn a_cell_becomes_what_its_column_is_documented_as() {
        let page = "callId,duration,sentiment,isCallResolved,externalEndpoint,startTime,x\n\
            7,0012,-0.50,true,+1995,05-12-2024 6:15:45 PM,\"a\"\"b\"\n\
            8,1e3,+1,maybe,,2024-12-05T18:15:45Z,\n";
        let mut lines = Vec::new();
        let read = read_csv(page.as_bytes(), &dates(), &mut |_, body| {
            let RawCall::Row(row, header) = body else {
                return Ok(Flow::Enough);
            };
            let mut line = Vec::new();
            header.write_json(row, &dates(), &mut line)?;
            lines.push(String::from_utf8(line).unwrap());
            Ok(Flow::On)
        });
        assert!(read.is_ok());
        assert_eq!(
            lines,
            [
                r#"{"callId":"7","duration":"0012","sentiment":-0.50,"isCallResolved":true,"externalEndpoint":"+1995","startTime":"2024-12-05T18:15:45Z","x":"a\"b"}"#,
                r#"{"callId":"8","duration":1e3,"sentiment":"+1","isCallResolved":"maybe","externalEndpoint":null,"startTime":"2024-12-05T18:15:45Z","x":null}"#,
            ]
        );
    }

    #[test]
    fn json_over_several_lines_becomes_one() {
        let mut lines = Vec::new();
        let page = "[\r\n  {\r\n    \"callId\": 1,\n    \"notes\": \"a\\nb\"\n  }\n]";
        let read = read_json(page.as_bytes(), &mut |_, body| {
            if let RawCall::Json(json) = body {
                lines.push(json.to_owned());
            }
            Ok(Flow::On)
        });
        assert!(read.is_ok());
        assert_eq!(lines, [r#"{    "callId": 1,    "notes": "a\nb"  }"#]);
    }
}
