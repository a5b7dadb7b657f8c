//! Where exported calls go, in the form that was asked for, and the order of a
//! commit: records first, then the state.

use std::io::{self, Write};

use clap::ValueEnum;

use super::columns::{COLUMNS, cells_of};
use super::dates::Dates;
use super::wire::{Header, RawCall};
use crate::cli::output::Output;
use crate::error::{self, Failure, Status};
use crate::format::csv::RowWriter;
use crate::os::signals::Stop;

/// How calls are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CallFormat {
    /// A JSON object a line, as the service sent it.
    Ndjson,
    /// A table of the documented columns, with one header.
    Csv,
}

/// The way out for calls.
#[derive(Debug)]
pub struct CallSink<'o> {
    output: &'o mut Output,
    /// Whether a state is to say that they have been read.
    has_state: bool,
    format: CallFormat,
    /// The header of the table, once it is written.
    header: Option<Vec<String>>,
    /// For each column of the table where it is in the rows of the service.
    order: Option<(Header, Vec<Option<usize>>)>,
    rows: RowWriter,
    line: Vec<u8>,
    /// Calls written.
    pub count: u64,
}

impl<'o> CallSink<'o> {
    /// Nothing is written yet.
    pub fn new(output: &'o mut Output, has_state: bool, format: CallFormat) -> CallSink<'o> {
        CallSink {
            output,
            has_state,
            format,
            header: None,
            order: None,
            rows: RowWriter::new(b','),
            line: Vec::new(),
            count: 0,
        }
    }

    /// Writes one call.
    pub fn write(&mut self, body: RawCall<'_>, dates: &Dates) -> anyhow::Result<()> {
        match (self.format, body) {
            (CallFormat::Ndjson, RawCall::Json(json)) => {
                let written = self.output.write_line(json.as_bytes());
                written.map_err(|e| self.unread(e))?;
            }
            (CallFormat::Ndjson, RawCall::Row(row, header)) => {
                self.line.clear();
                header.write_json(row, dates, &mut self.line)?;
                let written = self.output.write_line(&self.line);
                written.map_err(|e| self.unread(e))?;
            }
            (CallFormat::Csv, RawCall::Json(json)) => {
                self.write_header(Vec::new())?;
                let cells = cells_of(json).map_err(|e| error::bad_input(e.to_string()))?;
                self.write_row(&cells)?;
            }
            (CallFormat::Csv, RawCall::Row(row, header)) => {
                let order = self.order_of(header)?;
                let cells = header.cells(row, dates)?;
                let cell = |at: &Option<usize>| at.map_or("", |at| cells[at].as_str());
                let cells: Vec<&str> = order.iter().map(cell).collect();
                self.write_row(&cells)?;
            }
        }
        self.count += 1;
        Ok(())
    }

    fn write_row<T: AsRef<str>>(&mut self, cells: &[T]) -> anyhow::Result<()> {
        self.line.clear();
        self.rows.write(cells, &mut self.line);
        let written = self.output.write_all(&self.line);
        written.map_err(|e| self.unread(e))
    }

    /// Writes the header of a table that has had no row, too.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        match self.format {
            CallFormat::Csv => self.write_header(Vec::new()),
            CallFormat::Ndjson => Ok(()),
        }
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
            return Ok(self.output.flush()?);
        }
        self.output
            .wait_until_read(stop)
            .map_err(|e| match error::reader_left(&e) {
                true => left(),
                false => e,
            })
    }

    /// The documented columns, and behind them what else the service sends.
    fn order_of(&mut self, header: &Header) -> anyhow::Result<Vec<Option<usize>>> {
        if let Some((known, order)) = &self.order
            && known == header
        {
            return Ok(order.clone());
        }
        let documented = |name: &String| COLUMNS.iter().any(|column| column.name == name);
        let more: Vec<String> = header
            .names
            .iter()
            .filter(|name| !documented(name))
            .cloned()
            .collect();
        self.write_header(more)?;
        let names = self.header.as_deref().unwrap_or_default();
        if let Some(new) = header.names.iter().find(|name| !names.contains(name)) {
            return Err(error::try_later(format!(
                "the service has begun to send a column {new} in mid-run, when the header was written: run again"
            )));
        }
        let at = |name: &String| header.names.iter().position(|known| known == name);
        let order: Vec<Option<usize>> = names.iter().map(at).collect();
        self.order = Some((header.clone(), order.clone()));
        Ok(order)
    }

    fn write_header(&mut self, more: Vec<String>) -> anyhow::Result<()> {
        if self.header.is_none() {
            let mut names: Vec<String> = COLUMNS
                .iter()
                .map(|column| column.name.to_owned())
                .collect();
            names.extend(more);
            self.write_row(&names)?;
            self.header = Some(names);
        }
        Ok(())
    }

    fn unread(&self, e: io::Error) -> anyhow::Error {
        match e.kind() {
            io::ErrorKind::BrokenPipe if self.has_state => left(),
            _ => anyhow::Error::from(e).context("writing the calls"),
        }
    }
}

/// The reader may have missed what was written: the state does not say that it has it.
fn left() -> anyhow::Error {
    let text =
        "the reader of stdout left: the state is where its last whole page was; run the same again";
    Failure::new(Status::Failed, text).into()
}
