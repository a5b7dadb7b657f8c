//! Writes messages with their original bytes, one on a line.

use super::message::Message;
use super::redact;
use super::spool::SpooledMessage;
use crate::cli::output::Output;
use crate::cli::run::Report;
use crate::error;
use crate::export::commit::Commit;
use crate::json::object::Object;
use crate::os::signals::Stop;
use crate::time::Timestamp;

/// Writes messages to an output.
#[derive(Debug)]
pub struct MessageWriter<'o> {
    commit: Commit<'o>,
    require_redacted: bool,
    line: Vec<u8>,
    /// The number of written messages.
    pub(super) count: u64,
    span: Option<(i64, i64)>,
}

impl<'o> MessageWriter<'o> {
    /// A writer to `output`. If `has_state` is true, a commit waits until the reader of the output
    /// has read the messages.
    pub fn new(
        output: &'o mut Output,
        has_state: bool,
        require_redacted: bool,
    ) -> MessageWriter<'o> {
        // A signal does not end the wait for the reader: the messages that the reader still reads
        // are saved as exported.
        MessageWriter {
            commit: Commit::new(output, &Stop::default(), has_state),
            require_redacted,
            line: Vec::new(),
            count: 0,
            span: None,
        }
    }

    /// Writes one message, with the fields of its wrapper if these fields are kept. An error with
    /// status 65 if the message must be redacted but is not.
    pub(super) fn write(&mut self, row: SpooledMessage<'_>) -> anyhow::Result<()> {
        if self.require_redacted {
            check_redacted(row)?;
        }
        let json = row.json.as_bytes();
        match row.beside.is_empty() {
            true => self.commit.write_line(json)?,
            false => {
                self.line.clear();
                add_fields(row, &mut self.line)?;
                self.commit.write_line(&self.line)?;
            }
        }
        self.count += 1;
        if let Some(ts) = row.ts {
            let (first, last) = self.span.unwrap_or((ts, ts));
            self.span = Some((first.min(ts), last.max(ts)));
        }
        Ok(())
    }

    /// Waits until the written messages are read or on disk (without a state, only flushes them),
    /// then calls `note`. Does nothing while the messages are in a file that gets its name in
    /// `finish`.
    pub(super) fn commit(
        &mut self,
        note: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.commit.commit(note).map(|_| ())
    }

    /// Ends the output, then calls `note`.
    pub(super) fn finish(
        &mut self,
        note: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.commit.finish(note)
    }

    /// Reports the number of written messages, and their times.
    pub(super) fn report(&self, report: &mut Report) {
        let shown = |at: Option<i64>| at.map(|at| Timestamp::from_millis(at).rfc3339_millis());
        report.set("messages", self.count);
        report.set("bytes", self.commit.bytes());
        report.set("first_time", shown(self.span.map(|span| span.0)));
        report.set("last_time", shown(self.span.map(|span| span.1)));
    }
}

/// Appends the message to `line`. The wrapper's fields that the message lacks are added at the end;
/// the message's own fields do not change.
fn add_fields(row: SpooledMessage<'_>, line: &mut Vec<u8>) -> anyhow::Result<()> {
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
    let text = Message::parse(row.json)?.text();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_wrapper_come_last() {
        let mut line = Vec::new();
        let row = SpooledMessage {
            ts: None,
            beside: r#""sessionid":12.10,"x":{"a":1.0}"#,
            json: "{\"text\":\"a\", \"x\" : 1.0 }",
        };
        add_fields(row, &mut line).unwrap();
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
        // A telephone number is found after half of a surrogate pair, and in a value that is not a
        // string.
        for json in [
            r#"{"ts":1,"text":"cut \ud83d 214-555-0143"}"#,
            r#"{"ts":1,"text":["214-555-0143"]}"#,
        ] {
            let row = SpooledMessage { json, ..row };
            assert!(check_redacted(row).is_err(), "{json}");
        }
    }
}
