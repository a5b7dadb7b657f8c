//! Exports the messages of Dialpad's Omnichannel API, each once, window by window.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use connect::{ConnectArgs, key};
use serde_json::{Map, Value};

use crate::cli::args::Common;
use crate::cli::named_files::NamedFiles;
use crate::cli::progress_line::ProgressLine;
use crate::cli::run::{self, Outcome, Run};
use crate::dialpad::export::{MessageExport, MessageOptions};
use crate::dialpad::plan::{PlannedWindow, RangeArgs};
use crate::dialpad::progress::{MessageProgress, VERSION};
use crate::dialpad::query::Service;
use crate::dialpad::sessions::Sessions;
use crate::dialpad::writer::MessageWriter;
use crate::error;
use crate::export::state::{State, StateAccess, StateArgs};
use crate::export::window::Window;
use crate::net::connection::Connection;
use crate::os::blocking::Blocking;
use crate::time::Timestamp;

mod connect;
mod probe;

const PROGRAM: &str = "dialpad-window";

/// The start of a run that continues a state may be later than the clock by at most this much,
/// because the clocks of two machines can differ.
const SKEW: Duration = Duration::from_secs(60);

/// Export the messages of Dialpad's Omnichannel contact center, each once.
///
/// Requests the messages window by window, oldest first, and makes sure that each window is
/// complete before it starts the next one. If the replies do not fit the settings, the run ends
/// with an error that names the setting to change. The Digital Engagement key comes from
/// DIALPAD_API_KEY or the file that DIALPAD_API_KEY_FILE names.
#[derive(Parser, Debug)]
#[command(
    name = PROGRAM,
    version,
    args_conflicts_with_subcommands = true,
    before_help = "\
Examples:
  export DIALPAD_BASE_URL=https://app.koopid.io DIALPAD_PROVIDER_ID=1020
  export DIALPAD_API_KEY_FILE=/run/secrets/dialpad
  # Each run exports what is new, into a file of its own:
  dialpad-window --from -1y --state dialpad.state -o 'since-{state}.ndjson'
  dialpad-window --from 2026-11-01 --to 2026-11-08 | jq -r .text
  dialpad-window --from -1y --plan
  dialpad-window --customer-session -1834.2291
  jq -c '{customersessionid}' crm.ndjson | dialpad-window --customer-session - --from -7d
  dialpad-window probe                                              # does it work?"
)]
struct Args {
    #[command(subcommand)]
    command: Option<DialpadCommand>,

    /// Export only the messages of this customer session, redacted by the service. The id may begin
    /// with a minus. May be repeated. `-` reads ids from stdin, as lines or as JSON objects with a
    /// customersessionid. Without --from, messages of any date are exported.
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = parse_session, conflicts_with_all = ["state", "plan", "have"])]
    customer_session: Vec<String>,

    #[command(flatten)]
    range: RangeArgs,

    #[command(flatten)]
    options: MessageOptions,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    connect: ConnectArgs,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum DialpadCommand {
    /// Test whether an account works, and how its service reads the settings.
    ///
    /// Requests the messages between --from and --to. It tries the key, times in both units,
    /// several limits and offsets, and windows that begin and end with a message. For each request
    /// it prints the request, the keys and types of the reply without its values, and what the
    /// reply proves. Nothing is exported. It exits with 69 if a setting is wrong, with 77 if the
    /// key is not accepted.
    #[command(before_help = probe::EXAMPLES)]
    Probe(Box<probe::Args>),
}

fn parse_session(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("an empty id would mean all sessions: leave the flag out".to_owned()),
        id => Ok(id.to_owned()),
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    match &args.command {
        Some(DialpadCommand::Probe(probe)) => probe.connect.name_files(files),
        None => {
            args.state.name_files(files);
            args.connect.name_files(files);
            files.read("--have", &args.range.have);
        }
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        Some(DialpadCommand::Probe(probe)) => probe::run(probe, run),
        None => export(args, run),
    }
}

fn export(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    if args.range.plan {
        return plan(args, run);
    }
    let service = Service::new(&args.connect.service)?;
    let key = key()?;
    let connection = args.connect.connect(args.options.deadline, run)?;
    let state = open_state(args, &connection, run)?;
    let windows = windows(args, progress(&state), run.now)?;
    let stdin_is_needed = args.customer_session.iter().any(|id| id == "-");
    if stdin_is_needed {
        run::require_piped_stdin("pipe the ids of sessions in")?;
    }
    let with_wrappers = args.options.add_session;
    let api = args.connect.api(service, key, &connection, with_wrappers);
    let (has_state, redacted) = (state.is_some(), args.options.require_redacted);
    let writer = MessageWriter::new(&mut run.output, has_state, redacted);
    let line = ProgressLine::new(args.common.shows_progress_apart());
    if !args.customer_session.is_empty() {
        return Sessions::new(&api, writer, windows).showing(line).run(
            &args.customer_session,
            Blocking(io::stdin()),
            &mut run.report,
        );
    }
    let windows = windows.unwrap_or_default();
    let from = windows.first().map_or(run.now, |window| window.from());
    MessageExport::new(&api, writer, &args.options, state, from, run.now)?
        .showing(line)
        .run(&windows, &mut run.report)
}

type Opened = Option<(State, Option<MessageProgress>)>;

/// Opens the state with the settings that it depends on, and replaces `{state}` in the name of the
/// output.
fn open_state(args: &Args, connection: &Connection, run: &mut Run) -> anyhow::Result<Opened> {
    let service = &args.connect.service;
    let mut settings = Map::new();
    let mut set = |name: &str, value: Value| settings.insert(name.to_owned(), value);
    set(
        "base_url",
        service.base_url.as_ref().map(ToString::to_string).into(),
    );
    let provider = service.provider_id.as_deref().map(str::trim);
    set("provider_id", provider.into());
    set("epoch_unit", service.epoch_unit.word().into());
    let access = StateAccess {
        connection,
        seed: run.seed(),
        env: &run::env,
        temp_dir: run::temp_dir(&run::env),
    };
    let opened = State::open(&args.state, PROGRAM, VERSION, settings, &[], &access)?;
    if let Some((state, _)) = &opened {
        state.name_output(&mut run.output)?;
    }
    Ok(opened)
}

fn progress(state: &Opened) -> Option<&MessageProgress> {
    state.as_ref()?.1.as_ref()
}

/// The windows to request; `None` for customer sessions without a range.
fn windows(
    args: &Args,
    progress: Option<&MessageProgress>,
    now: Timestamp,
) -> anyhow::Result<Option<Vec<Window>>> {
    let start = args.range.start(now)?;
    let from = match (progress, start) {
        (None, Some(start)) => start,
        (None, None) if !args.customer_session.is_empty() => return Ok(None),
        (None, None) => {
            return Err(error::usage(
                "no start: give --from, for example --from -1y for all that the service keeps",
            ));
        }
        (Some(progress), start) => {
            if start.is_some_and(|start| start < progress.from) {
                log::warn!(
                    "the state starts at {}: use another --state for older messages",
                    progress.from
                );
            }
            let from = progress.to.minus(args.options.lookback);
            if from > now.plus(SKEW) {
                return Err(error::bad_input(format!(
                    "the state says that all messages before {} were exported, but now it is \
                     {now}: a clock is or was wrong, and newer messages are in no export. Set the \
                     clock, or restore an older copy of the state",
                    progress.to
                )));
            }
            from.max(progress.seen_from)
        }
    };
    match args.range.range(from, now)? {
        None => Ok(Some(Vec::new())),
        Some(range) => args.range.windows(range, &args.connect.service).map(Some),
    }
}

fn plan(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let connection = args.connect.connect(args.options.deadline, run)?;
    let state = open_state(args, &connection, run)?;
    let windows = windows(args, progress(&state), run.now)?.unwrap_or_default();
    for window in &windows {
        let planned = PlannedWindow::new(*window, &args.connect.service);
        run.output.write_record(&planned)?;
    }
    run.report.set("windows", windows.len());
    Ok(match windows.is_empty() {
        true => Outcome::Nothing,
        false => Outcome::Done,
    })
}
