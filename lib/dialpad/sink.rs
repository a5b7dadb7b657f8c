//! Where messages go: each with the bytes that it came with, one a line.

use std::io;

use super::message::Message;
use super::redact;
use super::spool::SpooledMessage;
use crate::cli::output::Output;
use crate::cli::run::Report;
use crate::error::{self, Failure, Status};
use crate::json::lines::Object;
use crate::os::signals::Stop;
use crate::time::Timestamp;

/// The way out for messages.
#[derive(Debug)]
pub struct MessageSink<'o> {
    output: &'o mut Output,
    /// Whether a state is to say that they have been read.
    has_state: bool,
    require_redacted: bool,
    line: Vec<u8>,
    /// Messages written.
    pub count: u64,
    span: Option<(i64, i64)>,
}

impl<'o> MessageSink<'o> {
    /// Nothing is written yet.
    pub fn new(output: &'o mut Output, has_state: bool, require_redacted: bool) -> MessageSink<'o> {
        MessageSink {
            output,
            has_state,
            require_redacted,
            line: Vec::new(),
            count: 0,
            span: None,
        }
    }

    /// Writes one message, with what stood beside it where that is wanted. Status
    /// 65 if it has to be redacted and is not.
    pub fn write(&mut self, row: SpooledMessage<'_>) -> anyhow::Result<()> {
        if self.require_redacted {
            check_redacted(row)?;
        }
        let json = row.json.as_bytes();
        let written = match row.beside.is_empty() {
            true => self.output.write_line(json),
            false => {
                self.line.clear();
                lift(row, &mut self.line)?;
                self.output.write_line(&self.line)
            }
        };
        written.map_err(|e| match e.kind() {
            io::ErrorKind::BrokenPipe if self.has_state => left(),
            _ => anyhow::Error::from(e).context("writing the messages"),
        })?;
        self.count += 1;
        if let Some(ts) = row.ts {
            let (first, last) = self.span.unwrap_or((ts, ts));
            self.span = Some((first.min(ts), last.max(ts)));
        }
        Ok(())
    }

    /// Whether what was written is there only when everything is.
    pub fn is_held(&self) -> bool {
        self.output.is_held()
    }

    /// Comes back when what was written has been read, or is on the disk, if a
    /// state is to say so; else when it has left. A file that is held gets its name.
    pub fn hand_over(&mut self, stop: &Stop) -> anyhow::Result<()> {
        if self.output.is_held() {
            return self.output.finish();
        }
        if !self.has_state {
            return Ok(io::Write::flush(self.output)?);
        }
        self.output
            .wait_until_read(stop)
            .map_err(|e| match error::reader_left(&e) {
                true => left(),
                false => e,
            })
    }

    /// Sets how many there were, and of when.
    pub fn report(&self, report: &mut Report) {
        let shown = |at: Option<i64>| at.map(|at| Timestamp::from_millis(at).rfc3339_millis());
        report.set("messages", self.count);
        report.set("bytes", self.output.bytes());
        report.set("first_time", shown(self.span.map(|span| span.0)));
        report.set("last_time", shown(self.span.map(|span| span.1)));
    }
}

/// The message with the fields of its wrapper that it does not have itself, at its
/// end; what it has stays as it came.
fn lift(row: SpooledMessage<'_>, line: &mut Vec<u8>) -> anyhow::Result<()> {
    let own = Object::parse(row.json.as_bytes())?;
    let beside = Object::parse(format!("{{{}}}", row.beside).as_bytes())?;
    let json = row.json.trim_end();
    line.extend(json[..json.len() - 1].trim_end().as_bytes());
    let mut is_empty = own.names().next().is_none();
    for name in beside.names().filter(|name| own.raw(name).is_none()) {
        if !std::mem::take(&mut is_empty) {
            line.push(b',');
        }
        serde_json::to_writer(&mut *line, name)?;
        line.push(b':');
        line.extend(beside.raw(name).unwrap_or("null").as_bytes());
    }
    line.push(b'}');
    Ok(())
}

fn check_redacted(row: SpooledMessage<'_>) -> anyhow::Result<()> {
    let text = Message::parse(row.json)?.text().unwrap_or_default();
    let Some(what) = redact::personal(&text) else {
        return Ok(());
    };
    let when = row.ts.map_or("without a time".to_owned(), |ts| {
        format!("of {}", Timestamp::from_millis(ts).rfc3339_millis())
    });
    Err(error::bad_input(format!(
        "--require-redacted: the text of a message {when} has {what}: is redaction on for this provider?"
    )))
}

/// The reader may have missed what was written: the state does not say that it has it.
fn left() -> anyhow::Error {
    let text = "the reader of stdout left: the state is where its last whole window was; run the same again";
    Failure::new(Status::Failed, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lifted_stands_behind_what_came() {
        let mut line = Vec::new();
        let row = SpooledMessage {
            ts: None,
            beside: r#""sessionid":12.10,"x":{"a":1.0}"#,
            json: "{\"text\":\"a\", \"x\" : 1.0 }",
        };
        lift(row, &mut line).unwrap();
        assert_eq!(line, b"{\"text\":\"a\", \"x\" : 1.0,\"sessionid\":12.10}");
    }

    #[test]
    fn an_error_does_not_repeat_what_is_personal() {
        let row = SpooledMessage {
            ts: Some(1),
            beside: "",
            json: r#"{"ts":1,"text":"my number is 214\u002d555-0143"}"#,
        };
        let error = check_redacted(row).unwrap_err().to_string();
        assert!(
            error.contains("has a long number") && !error.contains("214"),
            "{error}"
        );
    }
}
