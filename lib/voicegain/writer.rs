//! Writes exported calls in the format of the output.

use clap::ValueEnum;

use super::columns::{COLUMNS, cells_of};
use super::dates::Dates;
use super::selected_columns::SelectedColumns;
use super::table::{Header, RawCall};
use crate::cli::output::Output;
use crate::error;
use crate::export::commit::Commit;
use crate::format::csv::RowWriter;
use crate::json::lines::explain;
use crate::os::signals::Stop;

/// The format of exported calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CallFormat {
    /// One JSON object a line, as the service sent it.
    Ndjson,
    /// A table of the documented columns, with one header line.
    Csv,
}

/// Writes calls to an output.
#[derive(Debug)]
pub struct CallWriter<'o> {
    commit: Commit<'o>,
    format: CallFormat,
    /// Whether the service's rows are written unchanged.
    is_raw: bool,
    /// The selected fields; `None` for the whole call.
    selected: Option<SelectedColumns>,
    /// The header of the table; `None` until it is written.
    header: Option<Vec<String>>,
    /// The service's header, and for each column of the table its index in the service's rows.
    order: Option<(Header, Vec<Option<usize>>)>,
    rows: RowWriter,
    /// The text of the call that is written next.
    text: Vec<u8>,
    /// The number of written calls.
    pub(super) count: u64,
}

impl<'o> CallWriter<'o> {
    /// A writer to `output`. If `has_state` is true, a commit waits until the reader of the output
    /// has read the calls.
    pub fn new(output: &'o mut Output, has_state: bool, format: CallFormat) -> CallWriter<'o> {
        // A signal does not end the wait for the reader: the calls that the reader still reads are
        // saved as exported.
        CallWriter {
            commit: Commit::new(output, &Stop::default(), has_state),
            format,
            is_raw: false,
            selected: None,
            header: None,
            order: None,
            rows: RowWriter::new(b','),
            text: Vec::new(),
            count: 0,
        }
    }

    /// If `is_raw` is true, the rows of the service's CSV are written unchanged.
    #[must_use]
    pub fn raw(self, is_raw: bool) -> CallWriter<'o> {
        CallWriter { is_raw, ..self }
    }

    /// Writes only the selected fields of each call, if there are any.
    #[must_use]
    pub fn select(self, selected: Option<SelectedColumns>) -> CallWriter<'o> {
        CallWriter { selected, ..self }
    }

    /// Renders one call as the text that [`CallWriter::write`] writes. Fails if the call is not
    /// valid, or if the service sends other columns than before.
    pub(super) fn render(&mut self, body: RawCall<'_>, dates: &Dates) -> anyhow::Result<()> {
        self.text.clear();
        if self.selected.is_some() {
            return self.render_selected(body, dates);
        }
        match (self.format, body) {
            (CallFormat::Ndjson, RawCall::Json(json)) => {
                self.text.extend(json.as_bytes());
                self.text.push(b'\n');
            }
            (CallFormat::Ndjson, RawCall::Row(row, header)) => {
                header.write_json(row, dates, &mut self.text)?;
                self.text.push(b'\n');
            }
            (CallFormat::Csv, RawCall::Json(json)) => {
                let cells = cells_of(json).map_err(|e| error::bad_input(explain(&e)))?;
                self.add_header(Vec::new());
                self.rows.write(&cells, &mut self.text);
            }
            (CallFormat::Csv, RawCall::Row(row, header)) if self.is_raw => {
                match &self.header {
                    None => {
                        self.text.extend_from_slice(&header.raw);
                        self.header = Some(header.names.clone());
                    }
                    Some(known) if *known != header.names => return Err(other_columns()),
                    Some(_) => {}
                }
                self.text.extend_from_slice(&row.raw());
            }
            (CallFormat::Csv, RawCall::Row(row, header)) => {
                let cells = header.cells(row, dates)?;
                let order = self.order_of(header)?;
                let cell = |at: &Option<usize>| at.map_or("", |at| cells[at].as_str());
                self.rows.write(order.iter().map(cell), &mut self.text);
            }
        }
        Ok(())
    }

    fn render_selected(&mut self, body: RawCall<'_>, dates: &Dates) -> anyhow::Result<()> {
        let Some(selected) = &mut self.selected else {
            return Ok(());
        };
        let mut line = Vec::new();
        let json = match body {
            RawCall::Json(json) => json,
            RawCall::Row(row, header) => {
                header.write_json(row, dates, &mut line)?;
                std::str::from_utf8(&line).map_err(|e| error::bad_input(e.to_string()))?
            }
        };
        match self.format {
            CallFormat::Ndjson => selected.write_object(json, &mut self.text),
            CallFormat::Csv => {
                let cells = selected.cells(json)?;
                self.add_header(Vec::new());
                self.rows.write(&cells, &mut self.text);
                Ok(())
            }
        }
    }

    /// Writes the call that was rendered last.
    pub(super) fn write(&mut self) -> anyhow::Result<()> {
        self.commit.write_line(&self.text)?;
        self.count += 1;
        Ok(())
    }

    /// Waits until the reader has read the written calls, or until they are on disk, then calls
    /// `note`. Without a state, it flushes the calls and calls `note` at once. If the output is a
    /// file that gets its name only in `finish`, it returns at once and does not call `note`.
    pub(super) fn commit(
        &mut self,
        note: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.commit.commit(note).map(|_| ())
    }

    /// Ends the output, then calls `note`. A table without rows gets its header first, unless rows
    /// are raw.
    pub(super) fn finish(
        &mut self,
        note: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.format == CallFormat::Csv && self.header.is_none() && !self.is_raw {
            self.text.clear();
            self.add_header(Vec::new());
            self.commit.write_line(&self.text)?;
        }
        if let Some(selected) = self.selected.as_ref().filter(|_| self.count > 0) {
            selected.say_missing();
        }
        self.commit.finish(note)
    }

    /// For each column of the table, its index in the service's rows; `None` if the service does
    /// not send this column. The table has the documented columns, then the service's other
    /// columns.
    fn order_of(&mut self, header: &Header) -> anyhow::Result<Vec<Option<usize>>> {
        if let Some((known, order)) = &self.order
            && known == header
        {
            return Ok(order.clone());
        }
        let documented = |name: &String| COLUMNS.iter().any(|column| column.name == name);
        let others = header.names.iter().filter(|name| !documented(name));
        self.add_header(others.cloned().collect());
        let names = self.header.as_deref().unwrap_or_default();
        if let Some(new) = header.names.iter().find(|name| !names.contains(name)) {
            return Err(error::try_later(format!(
                "the service now sends a new column {new}, but the header of the table is already \
                 written: run again"
            )));
        }
        let at = |name: &String| header.names.iter().position(|known| known == name);
        let order: Vec<Option<usize>> = names.iter().map(at).collect();
        self.order = Some((header.clone(), order.clone()));
        Ok(order)
    }

    fn add_header(&mut self, others: Vec<String>) {
        if self.header.is_none() {
            let documented = COLUMNS.iter().map(|column| column.name.to_owned());
            let names: Vec<String> = match &self.selected {
                Some(selected) => selected.names(),
                None => documented.chain(others).collect(),
            };
            self.rows.write(&names, &mut self.text);
            self.header = Some(names);
        }
    }
}

fn other_columns() -> anyhow::Error {
    error::try_later(
        "the service now sends other columns, but the header of the table is already written: run \
         again",
    )
}
