//! Reads a page of calls in JSON as it arrives, with one call in memory at a time. Calls are passed
//! on unchanged. The module `table` reads the vendor's other format, CSV.

use std::io::Read;

use clap::ValueEnum;

use super::call::{Call, CallReader};
use crate::error::{self, Status};
use crate::json::array_stream::{ArrayError, ArrayStream};
use crate::net::http::NetError;
use crate::net::retry::Failed;

/// The format to request from the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WireFormat {
    /// `format=json`
    Json,
    /// `format=csv`
    Csv,
}

/// Why reading a page stopped before its end. The calls that were read before are valid.
#[derive(Debug)]
pub(super) enum PageError {
    /// A temporary failure.
    Passing(Failed),
    /// A failure that a retry would not change.
    Final(anyhow::Error),
}

impl PageError {
    /// The error for a reply whose format is not `what`. HTML or an empty reply comes from a proxy
    /// or a maintenance window, so the exit status is 75.
    pub(super) fn other(what: &str, head: &str) -> PageError {
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

    pub(super) fn cut_off(text: &str) -> PageError {
        PageError::Passing(Failed::content(text, Status::TryLater))
    }

    pub(super) fn of_body(e: &std::io::Error) -> PageError {
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

/// Names the call that an error concerns. `last` is the id of the call before that call on the
/// page.
pub(super) fn place(last: Option<u64>) -> String {
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

    /// The text of the call that was read last, on one line.
    pub(super) fn json(&self) -> &str {
        &self.line
    }

    /// Reads the next call; `None` after the last.
    pub(super) fn advance(&mut self) -> Result<Option<Call>, PageError> {
        let element = self.elements.next_element().map_err(|e| match e {
            ArrayError::Read(e) => PageError::of_body(&e),
            ArrayError::Truncated => PageError::cut_off("the reply is cut off"),
            ArrayError::NotAnArray(head) => PageError::other("a JSON array", &head),
            ArrayError::Malformed(count) => PageError::Passing(Failed::content(
                format!("the reply is not a JSON array after {count} calls"),
                Status::Refused,
            )),
            ArrayError::TooLong => PageError::Passing(Failed::content(
                "a call in the reply has no end",
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
            // Each line break is white space between tokens: a line break in a string is escaped.
            true => self
                .line
                .extend(json.chars().filter(|c| !matches!(c, '\n' | '\r'))),
        }
        Ok(Some(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that were read, and how the page ended.
    fn read(page: &str) -> (Vec<String>, String) {
        let mut lines = Vec::new();
        let mut page = JsonPage::new(page.as_bytes());
        loop {
            match page.advance() {
                Ok(Some(_)) => lines.push(page.json().to_owned()),
                Ok(None) => return (lines, "whole".to_owned()),
                Err(PageError::Passing(failed)) => {
                    return (lines, format!("{}: {}", failed.status.code(), failed.why));
                }
                Err(PageError::Final(e)) => return (lines, format!("{e:#}")),
            }
        }
    }

    #[test]
    fn json_over_several_lines_becomes_one_and_an_error_names_its_call() {
        let page =
            "[\r\n  {\r\n    \"callId\": 1,\n    \"notes\": \"a\\nb\"\n  },{\"callId\":\"x\"}]";
        let (lines, end) = read(page);
        assert_eq!(lines, [r#"{    "callId": 1,    "notes": "a\nb"  }"#]);
        assert!(
            end.starts_with("the call after 1: callId 'x' is not"),
            "{end}"
        );
        let (_, end) = read("[{\"callId\":1},{\"ca");
        assert_eq!(end, "75: the reply is cut off");
        let (_, end) = read("<html>");
        assert_eq!(end, "75: an HTML page instead of calls");
    }
}
