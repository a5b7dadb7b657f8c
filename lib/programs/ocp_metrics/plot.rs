//! `ocp-metrics plot`: draws rows of counts as text or as a picture.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;

use crate::cli::args;
use crate::cli::run::{self, Outcome, Run};
use crate::ocp::metrics::plot::reader::{PlotReader, PlotSelection};
use crate::ocp::metrics::plot::{picture, text};
use crate::os::blocking::Blocking;

pub(super) const EXAMPLES: &str = "\
Examples:
  ocp-metrics realtime dialogs --group acme --by channel | ocp-metrics plot
  ocp-metrics batch dialogs --group acme --from -7d --by channel -o week.ndjson
  ocp-metrics plot --metric dialogs --filter channel=chat week.ndjson
  ocp-metrics plot --format html week.ndjson > plot.html";

/// The least width of a line of text, in characters.
const LEAST_WIDTH: u16 = 20;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The rows of `ocp-metrics batch` or `realtime`; `-` is stdin. [default: stdin]
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,

    /// Draw only this metric.
    #[arg(long, value_name = "NAME")]
    metric: Vec<String>,

    /// Draw only this OCP group.
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,

    /// Draw only the series whose tag K is V.
    #[arg(long, value_name = "K=V", value_parser = tag)]
    filter: Vec<(String, String)>,

    /// Leave out the buckets that begin before T.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: Option<String>,

    /// Leave out the buckets that begin at T or later.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    to: Option<String>,

    /// Fail if there are more series than N, because nobody can tell so many apart.
    #[arg(long, value_name = "N", default_value_t = 40)]
    max_series: usize,

    /// The format of the output.
    #[arg(long, value_enum, default_value = "text")]
    format: PlotForm,

    /// Characters in a line of text, 20 or more. [default: the variable COLUMNS, else 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(i64::from(LEAST_WIDTH)..))]
    width: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlotForm {
    /// A line for each series.
    Text,
    /// A picture with a panel for each series.
    Svg,
    /// A page with the panels, for wide and narrow, light and dark screens.
    Html,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is not K=V")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let time = |flag: &str, text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| args::time(flag, text, run.now)).transpose()
    };
    let mut reader = PlotReader::new(PlotSelection {
        metrics: args.metric.clone(),
        groups: args.group.clone(),
        tags: args.filter.clone(),
        from: time("--from", &args.from)?,
        to: time("--to", &args.to)?,
        max_series: args.max_series,
    });
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() {
        &stdin[..]
    } else {
        &args.files
    };
    for file in files {
        read(file, &mut reader)?;
    }
    run.report.set("rows", reader.rows);
    let rows = reader.rows;
    let plot = reader.finish()?;
    run.report.set("series", plot.len());
    if plot.is_empty() {
        log::warn!("none of {rows} rows matches the filters");
        return Ok(Outcome::Nothing);
    }
    let columns = run::env("COLUMNS").and_then(|columns| columns.parse::<u16>().ok());
    let columns = columns.filter(|columns| *columns > 0);
    let width = args.width.or(columns).unwrap_or(100).max(LEAST_WIDTH);
    let drawn = match args.format {
        PlotForm::Text => text::render(&plot, width.into()),
        PlotForm::Svg => picture::svg(&plot)?,
        PlotForm::Html => picture::html(&plot)?,
    };
    run.output
        .write_all(drawn.as_bytes())
        .context("writing the plot")?;
    Ok(Outcome::Done)
}

fn read(file: &Path, reader: &mut PlotReader) -> anyhow::Result<()> {
    if file == Path::new("-") {
        run::require_piped_stdin("name files, or pipe in the rows of ocp-metrics")?;
        return reader.read("stdin", Blocking(io::stdin().lock()));
    }
    let name = file.display().to_string();
    let opened = File::open(file).with_context(|| format!("opening {name}"))?;
    reader.read(&name, opened)
}
