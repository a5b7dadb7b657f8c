//! Exports the calls of Voicegain Speech Analytics, each once, in the order of their ids.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use service::{CallServiceArgs, token};

use crate::cli::args::Common;
use crate::cli::named_files::NamedFiles;
use crate::cli::progress_line::ProgressLine;
use crate::cli::run::{self, Outcome, Run};
use crate::error;
use crate::export::state::{State, StateAccess, StateArgs};
use crate::voicegain::api::VoicegainApi;
use crate::voicegain::dates::{DateArgs, Dates};
use crate::voicegain::export::{CallExport, WalkOptions};
use crate::voicegain::import::{self, Imported};
use crate::voicegain::progress::{CallProgress, VERSION};
use crate::voicegain::query::{CallScope, Filters};
use crate::voicegain::recordings::{AudioArgs, Recordings, Which};
use crate::voicegain::selected_columns::SelectedColumns;
use crate::voicegain::wire::WireFormat;
use crate::voicegain::writer::{CallFormat, CallWriter};

mod probe;
mod service;

const PROGRAM: &str = "vg-consecutive";

/// Export the calls of Voicegain Speech Analytics, each once.
///
/// Requests the finished calls after the last exported one, in the order of their ids,
/// until there are no more. Then it reports the reason: all calls are exported, or a call
/// that is not finished blocks the export. The token comes from VOICEGAIN_TOKEN or the file
/// in VOICEGAIN_TOKEN_FILE (VOICEGAIN_JWT and VOICEGAIN_JWT_FILE also work).
#[derive(Parser, Debug)]
#[command(
    name = PROGRAM,
    version,
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  export VOICEGAIN_TOKEN_FILE=/run/secrets/voicegain
  # Each run exports what is new, into a file of its own:
  vg-consecutive --state vg.state -o 'since-{state}.ndjson'
  vg-consecutive --state vg.state --state-out vg.next | load && mv vg.next vg.state
  vg-consecutive --state vg.state --stall-after 6h --format csv -o late.csv
  vg-consecutive --after 14602 | jq -r .notes
  vg-consecutive --select callId,startTime,agent=agent.name --format csv -o calls.csv
  vg-consecutive probe                                              # does it work?"
)]
struct Args {
    #[command(subcommand)]
    command: Option<VoicegainCommand>,

    /// Start after the call with this id. If the state of --state exists, this flag has no effect.
    #[arg(long, value_name = "ID", conflicts_with = "import_config")]
    after: Option<u64>,

    /// Continue from the vendor's script: read the cursor and the host from FILE, its config.ini.
    /// If the state of --state exists, the cursor comes from the state. FILE does not change.
    #[arg(long, value_name = "FILE")]
    import_config: Option<PathBuf>,

    /// The number of calls in one request. If the service fails at N calls, the number is halved.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    per_page: u64,

    /// The format of the output: the service's JSON as NDJSON, or a table. The table has
    /// the columns that the vendor documents, or those of --select.
    #[arg(long, value_name = "FORMAT", default_value = "ndjson")]
    format: CallFormat,

    /// Print only these fields, in order, for example `callId,startTime,agent=agent.name`. Fields
    /// are paths such as `markers[0].type`, separated by commas. NAME=PATH renames a field. Values
    /// keep their bytes; a missing field is null. In a table, strings have no quotes, null is an
    /// empty cell, and arrays and objects are JSON. May be repeated.
    #[arg(long, value_name = "FIELDS", conflicts_with = "raw")]
    select: Vec<String>,

    /// The format to request from the service. The service's CSV lacks a third of the fields.
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    wire: WireFormat,

    /// With --wire csv: print the service's CSV unchanged, with one header. The program does not
    /// read the times in the CSV, unless --csv-date-order and --csv-tz are given.
    #[arg(long, conflicts_with = "format")]
    raw: bool,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    options: WalkOptions,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    audio: AudioArgs,

    #[command(flatten)]
    dates: DateArgs,

    #[command(flatten)]
    service: CallServiceArgs,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum VoicegainCommand {
    /// Test whether an account works, and name the setting to change if it does not.
    ///
    /// Requests the newest call, one page of finished calls, the call after the first call of that
    /// page, and the calls of one agent. For each request it prints the request, and the keys and
    /// types in the reply, but no values. It also prints what the reply shows: whether the size of
    /// a page, the cursor or the agent's id works as expected. Nothing is exported. It exits with
    /// 69 if a setting is wrong, with 77 if the token is not accepted.
    #[command(before_help = probe::EXAMPLES)]
    Probe(Box<probe::Args>),
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    match &args.command {
        Some(VoicegainCommand::Probe(probe)) => probe.service.name_files(files),
        None => {
            args.state.name_files(files);
            args.service.name_files(files);
            files.read("--import-config", &args.import_config);
        }
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        Some(VoicegainCommand::Probe(probe)) => probe::run(probe, run),
        None => export(args, run),
    }
}

fn export(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let imported = args
        .import_config
        .as_deref()
        .map(import::read)
        .transpose()?;
    let base_of_import = imported
        .as_ref()
        .and_then(|found| found.base_url.as_deref());
    let base = args.service.base(base_of_import)?;
    check_wire(args)?;
    args.filters.warn();
    let token = token()?;
    let scope = CallScope::new(&base, &args.filters, run.now)?;
    let mut settings = args.filters.settings();
    settings.insert("base_url".to_owned(), base.as_str().into());
    let connection = args.service.connect(args.options.deadline, run)?;
    let access = StateAccess {
        connection: &connection,
        seed: run.seed(),
        env: &run::env,
        temp_dir: run::temp_dir(&run::env),
    };
    let opened =
        State::open::<CallProgress>(&args.state, PROGRAM, VERSION, settings, &[], &access)?;
    let (state, known) = match opened {
        None => (None, None),
        Some((state, known)) => {
            state.name_output(&mut run.output)?;
            (Some(state), known)
        }
    };
    let progress = match known {
        Some(progress) => progress,
        None => CallProgress {
            cursor: first_cursor(args, imported.as_ref()),
            ..CallProgress::default()
        },
    };
    if progress.exported.is_some() && args.wire == WireFormat::Csv {
        return Err(error::usage(
            "this state records exported calls for --refresh-days: use --wire json",
        ));
    }
    let recordings = match &state {
        None => None,
        Some(state) => Recordings::open(&args.audio, &base, &state.path(), progress.audio)?,
    };
    let client = args.service.client(&token, &connection);
    let dates = Dates::new(&args.dates);
    let api = VoicegainApi::new(client, scope, args.wire, dates, args.per_page);
    let selected = SelectedColumns::new(&args.select)?;
    let writer = CallWriter::new(&mut run.output, state.is_some(), args.format())
        .raw(args.raw)
        .select(selected);
    CallExport::new(&api, writer, &args.options, state, progress, recordings)?
        .listing(args.filters.sorts())
        .showing(ProgressLine::new(args.common.shows_progress_apart()))
        .run(&mut run.report)
}

impl Args {
    fn format(&self) -> CallFormat {
        match self.raw {
            true => CallFormat::Csv,
            false => self.format,
        }
    }
}

/// Refuses flags that do not fit --wire, for example flags that need fields which the service's CSV
/// does not have.
fn check_wire(args: &Args) -> anyhow::Result<()> {
    let lacking = match args.wire {
        WireFormat::Json if args.raw => {
            return Err(error::usage(
                "--raw prints the service's CSV: add --wire csv",
            ));
        }
        WireFormat::Json => return Ok(()),
        WireFormat::Csv if !args.raw && !args.dates.are_given() => {
            return Err(error::usage(
                "--wire csv: give --csv-date-order and --csv-tz, or print it unchanged with --raw",
            ));
        }
        WireFormat::Csv if args.options.refresh_days.is_some() => {
            "--refresh-days: the service's CSV lacks fields that may change"
        }
        WireFormat::Csv if args.audio.audio_dir.is_some() && args.audio.audio == Which::Merged => {
            "--audio-dir: the service's CSV lacks the ids of merged recordings"
        }
        WireFormat::Csv => return Ok(()),
    };
    Err(error::usage(format!("{lacking}: use --wire json")))
}

/// The call id after which the export begins. If the id comes from config.ini, a warning shows it.
fn first_cursor(args: &Args, imported: Option<&Imported>) -> u64 {
    let Some(imported) = imported else {
        return args.after.unwrap_or(0);
    };
    let url = imported.base_url.as_deref().unwrap_or("no host");
    log::warn!(
        "taken from the config.ini: max_exported_callid {}, {url}",
        imported.after
    );
    for remark in &imported.remarks {
        log::warn!("config.ini: {remark}");
    }
    imported.after
}
