//! The export of customer sessions. The service answers an unknown id like a session without
//! messages, so a warning names each id without messages.

use std::collections::HashSet;
use std::io::Read;

use serde_json::{Value, json};

use super::api::DialpadApi;
use super::query::Slice;
use super::writer::MessageWriter;
use crate::cli::progress_line::ProgressLine;
use crate::cli::run::{Outcome, Report};
use crate::dialpad::bisect::Bisection;
use crate::dialpad::empty_window_probe::EmptyWindowProbe;
use crate::error;
use crate::export::window::Window;
use crate::json::lines::{Line, Lines};
use crate::json::object::Object;

/// One run over customer sessions.
#[derive(Debug)]
pub struct Sessions<'a> {
    api: &'a DialpadApi,
    writer: MessageWriter<'a>,
    windows: Option<Vec<Window>>,
    bisection: Bisection<'a>,
    probe: EmptyWindowProbe,
    asked: HashSet<String>,
    found: u64,
    /// The ids for which no message was written.
    unknown: Vec<String>,
    line: ProgressLine,
}

impl<'a> Sessions<'a> {
    /// Prepares the export of each session's messages in these windows. If `windows` is `None`, all
    /// messages of each session are exported.
    pub fn new(
        api: &'a DialpadApi,
        writer: MessageWriter<'a>,
        windows: Option<Vec<Window>>,
    ) -> Sessions<'a> {
        Sessions {
            api,
            writer,
            windows,
            bisection: Bisection::new(api),
            probe: EmptyWindowProbe::default(),
            asked: HashSet::new(),
            found: 0,
            unknown: Vec::new(),
            line: ProgressLine::default(),
        }
    }

    /// Shows the progress of the run on `line`.
    #[must_use]
    pub fn showing(self, line: ProgressLine) -> Sessions<'a> {
        Sessions { line, ..self }
    }

    /// Exports the sessions with these ids; `-` stands for the ids on `stdin`. Fills in the report,
    /// also after an error.
    pub fn run(
        mut self,
        ids: &[String],
        stdin: impl Read,
        report: &mut Report,
    ) -> anyhow::Result<Outcome> {
        let result = self.all(ids, stdin);
        self.writer.report(report);
        let of = |id: &String, status: &str| json!({"customersessionid": id, "status": status});
        let unknown: Vec<Value> = self.unknown.iter().map(|id| of(id, "unknown")).collect();
        report.set("sessions", self.found + self.unknown.len() as u64);
        report.set("sessions_found", self.found);
        report.set("sessions_unknown", unknown);
        report.set("requests", self.api.requests());
        report.set("halved", self.bisection.halved);
        report.set("epoch_unit", self.api.service().args.epoch_unit.word());
        result
    }

    fn all(&mut self, ids: &[String], stdin: impl Read) -> anyhow::Result<Outcome> {
        let mut lines = Lines::new(stdin);
        for id in ids {
            if id != "-" {
                self.session(id)?;
                continue;
            }
            while let Some(line) = lines.next_line()? {
                let number = line.number;
                let id = read_id(line).map_err(|e| e.context(format!("stdin:{number}")))?;
                if let Some(id) = id {
                    self.session(&id)?;
                }
            }
        }
        self.writer.finish(|| Ok(()))?;
        Ok(match self.writer.count {
            0 => Outcome::Nothing,
            _ => Outcome::Done,
        })
    }

    /// Exports a session. An id that is repeated, for example in each message of a session, is not
    /// requested again.
    fn session(&mut self, id: &str) -> anyhow::Result<()> {
        if !self.asked.insert(id.to_owned()) {
            return Ok(());
        }
        let before = self.writer.count;
        self.line
            .say(|| format!("session {}: {id}; {before} messages", self.asked.len()));
        let slices: Vec<Option<Window>> = match &self.windows {
            None => vec![None],
            Some(windows) => windows.iter().copied().map(Some).collect(),
        };
        for window in slices {
            let slice = Slice {
                window,
                session: Some(id),
            };
            let mut reading = match self.bisection.read(slice) {
                Ok(reading) => reading,
                Err(e) => return Err(self.probe.explain(self.api, slice, e)),
            };
            if reading.rows == 0 {
                self.probe.empty(self.api, slice)?;
            }
            let writer = &mut self.writer;
            reading.each(|row| match row.is_in(window) {
                true => writer.write(row),
                false => Ok(()),
            })?;
        }
        let last = Slice {
            window: None,
            session: Some(id),
        };
        self.probe.finish(self.api, last)?;
        if self.writer.count > before {
            self.found += 1;
        } else {
            log::warn!("session {id}: no message{}", self.hint(id));
            self.unknown.push(id.to_owned());
        }
        self.writer.commit(|| Ok(()))
    }

    fn hint(&self, id: &str) -> &'static str {
        match (has_form(id), self.windows.is_none()) {
            (false, _) => {
                ": an id looks like -1834.2291, or the same without the minus; the service does not say when an id does not exist"
            }
            (true, true) => {
                ": no session has this id, or the service needs --from and --to; its reply does not show which"
            }
            (true, false) => {
                ": no session has this id, or the session is from another time; the reply does \
                 not show which"
            }
        }
    }
}

/// Whether an id has the documented form `(-)xxxx.xxxx`.
fn has_form(id: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let id = id.strip_prefix('-').unwrap_or(id);
    id.split_once('.')
        .is_some_and(|(x, y)| digits(x) && digits(y))
}

/// The id in a line; `None` if the line is blank. If the line is an object, the id is its
/// `customersessionid`, with unchanged digits. Otherwise the id is the line itself, without quotes.
fn read_id(line: Line<'_>) -> anyhow::Result<Option<String>> {
    let record = line.record();
    if record.is_empty() {
        return Ok(None);
    }
    let text =
        std::str::from_utf8(record).map_err(|e| error::bad_input(format!("not UTF-8: {e}")))?;
    if !record.starts_with(b"{") {
        return Ok(Some(
            serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
        ));
    }
    let object =
        Object::parse(record).map_err(|e| error::bad_input(crate::json::lines::explain(&e)))?;
    match object.raw("customersessionid") {
        None | Some("null" | "\"\"") => Err(error::bad_input("no customersessionid")),
        Some(raw) => Ok(Some(
            serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_from_a_line_of_any_kind() {
        let read = |text: &str| {
            let mut lines = Lines::new(text.as_bytes());
            read_id(lines.next_line().unwrap().unwrap())
        };
        for (line, id) in [
            ("-1834.2290\r\n", "-1834.2290"),
            ("\"-1834.2290\"", "-1834.2290"),
            (r#"{"x":1,"customersessionid":"12.10"}"#, "12.10"),
            (r#"{"customersessionid":12.10}"#, "12.10"),
            ("who knows", "who knows"),
        ] {
            assert_eq!(read(line).unwrap().as_deref(), Some(id), "{line}");
        }
        assert_eq!(read("  \n").unwrap(), None);
        for line in ["{\"id\":1}", "{", "{\"customersessionid\":null}"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_form_of_an_id_is_known() {
        assert!(has_form("-1834.2291") && has_form("1.2"));
        for id in ["1834", "--1.2", "1.", "1.2.3", "abc"] {
            assert!(!has_form(id), "{id}");
        }
    }
}
