//! Exports the counts of Omilia's Metrics API, a row for each bucket (a period of time).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::cli::args::Common;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};
use crate::error;
use crate::export::commit::Commit;
use crate::export::state::{State, StateAccess, StateArgs};
use crate::net::client::Access;
use crate::net::connection::Connection;
use crate::net::http::{Url, parse_url};
use crate::net::rate::Rate;
use crate::ocp::auth::{AccessArgs, Auth};
use crate::ocp::metrics::api::MetricsApi;
use crate::ocp::metrics::args::entries::LATER_SETTINGS;
use crate::ocp::metrics::args::{MetricsServiceArgs, QuestionArgs};
use crate::ocp::metrics::catalogue::{self, MetricsSource};
use crate::ocp::metrics::cursor::CursorArgs;
use crate::ocp::metrics::export::{ExportOptions, MetricsExport};
use crate::ocp::metrics::follow::FollowArgs;
use crate::ocp::metrics::openmetrics::{OpenMetrics, OpenMetricsArgs};
use crate::ocp::metrics::progress::{OpenState, VERSION};
use crate::ocp::metrics::range::MetricsRangeArgs;

mod plot;

const PROGRAM: &str = "ocp-metrics";

/// Export the counts of Omilia's Metrics API, a row for each bucket of each series.
///
/// Counts dialogs, sessions or miniApp invocations in each bucket of time. A bucket can grow for
/// some time after its end: if several rows have the same "series" and "from", the row with the
/// greatest "as_of" is right.
#[derive(Parser, Debug)]
#[command(
    name = PROGRAM,
    version,
    before_help = "\
Examples:
  ocp-metrics batch dialogs --group acme --from -30d --step hour --by channel -o day.ndjson
  # Each run exports what is new, into a file of its own:
  ocp-metrics batch all --group acme --from -30d --state m.json -o 'rows-{state}.ndjson'
  ocp-metrics realtime all --group acme --follow --every 60s --state rt.json >> rt.ndjson
  ocp-metrics realtime all --group acme --follow --openmetrics /var/lib/node_exporter/ocp.prom
  ocp-metrics realtime sessions --group acme | jq -c '[.from, .value]'
  ocp-metrics realtime sessions --group acme | ocp-metrics plot
  ocp-metrics catalogue --api v3 | jq -r .metric"
)]
struct Args {
    #[command(subcommand)]
    command: MetricsCommand,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum MetricsCommand {
    /// Read the data warehouse: up to 720 days back, complete up to two hours ago.
    #[command(before_help = "\
Examples:
  ocp-metrics batch dialogs --group acme --from -30d --by channel -o day.ndjson
  ocp-metrics batch all --group acme --from -30d --state metrics.json >> metrics.ndjson
  ocp-metrics batch sessions --group acme --from 2026-01-01 --step month
  ocp-metrics batch all --group acme --from -7d --dry-run")]
    Batch(Box<BatchArgs>),
    /// Read the real-time numbers: the last two days, up to now.
    #[command(before_help = "\
Examples:
  ocp-metrics realtime dialogs --group acme --by flow_name
  ocp-metrics realtime all --group acme --follow --every 60s --state rt.json >> rt.ndjson
  ocp-metrics realtime all --group acme --from -48h -o two-days.ndjson")]
    Realtime(Box<RealtimeArgs>),
    /// Print the known metrics: a line for each metric of each endpoint. Uses no network.
    #[command(before_help = "\
Examples:
  ocp-metrics catalogue --api v3 | jq -c '[.source, .category, .metric, .counts]'")]
    Catalogue(CatalogueArgs),
    /// Draw the rows of batch or realtime: a line of text or a picture for each series.
    ///
    /// Uses no network. If a bucket has several rows, the row with the latest "as_of" is drawn. A
    /// bucket that can still grow looks different: in text it has other characters, in a picture it
    /// is a hollow point with dashed lines.
    #[command(before_help = plot::EXAMPLES)]
    Plot(plot::Args),
}

#[derive(clap::Args, Debug)]
struct BatchArgs {
    #[command(flatten)]
    shared: SharedArgs,

    #[command(flatten)]
    cursor: CursorArgs,
}

#[derive(clap::Args, Debug)]
struct RealtimeArgs {
    #[command(flatten)]
    shared: SharedArgs,

    #[command(flatten)]
    follow: FollowArgs,
}

#[derive(clap::Args, Debug)]
struct CatalogueArgs {
    /// The version of the Metrics API: v3 or v2.
    #[arg(long, value_name = "V", default_value = "v3")]
    api: String,
}

#[derive(clap::Args, Debug)]
struct SharedArgs {
    #[command(flatten)]
    question: QuestionArgs,

    #[command(flatten)]
    range: MetricsRangeArgs,

    #[command(flatten)]
    state: StateArgs,

    #[command(flatten)]
    text: OpenMetricsArgs,

    #[command(flatten)]
    service: MetricsServiceArgs,

    /// Print the requests without their secrets, and exit. Nothing is sent.
    #[arg(long, help_heading = "Service")]
    dry_run: bool,

    /// At most N requests in any period of DUR. The vendor documents no limit for this API.
    /// [default: 60/60s]
    #[arg(long, value_name = "N/DUR", help_heading = "Network")]
    rate: Option<Rate>,

    /// Run CMD with sh to get a token. The first line of its output must be a token, or the JSON of
    /// ocp-token. This flag has priority over OCP_TOKEN, OCP_PAT and OCP_USERNAME.
    #[arg(long, value_name = "CMD", help_heading = "Login")]
    token_command: Option<String>,

    #[command(flatten)]
    access: AccessArgs,
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    let shared = match &args.command {
        MetricsCommand::Batch(args) => &args.shared,
        MetricsCommand::Realtime(args) => &args.shared,
        MetricsCommand::Plot(args) => {
            return match args.files.is_empty() {
                true => files.read("stdin", [&PathBuf::from("-")]),
                false => files.read("FILE", &args.files),
            };
        }
        MetricsCommand::Catalogue(_) => return,
    };
    shared.state.name_files(files);
    files.read("--ca-cert", &shared.access.net.http.ca_cert);
    let text = shared.text.openmetrics.as_ref();
    files.write("--openmetrics", text.filter(|_| !shared.text.is_stdout()));
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        MetricsCommand::Catalogue(args) => {
            for line in catalogue::lines(&args.api) {
                run.output.write_record(&line)?;
            }
            Ok(Outcome::Done)
        }
        MetricsCommand::Plot(args) => plot::print(args, run),
        MetricsCommand::Batch(command) => batch(command, args.common.shows_progress(), run),
        MetricsCommand::Realtime(command) => realtime(command, args.common.shows_progress(), run),
    }
}

fn batch(args: &BatchArgs, shows: bool, run: &mut Run) -> anyhow::Result<Outcome> {
    let shared = &args.shared;
    let source = MetricsSource::Batch;
    let entries = shared.question.entries(source, &shared.service.api)?;
    let connection = shared.connect(run)?;
    let api = shared.api(&connection)?;
    let options = shared.options(source)?;
    let state = shared.open_state(source, &connection, run)?;
    let commit = Commit::new(
        &mut run.output,
        api.retry().stop(),
        shared.state.state.is_some(),
    );
    let mut export = MetricsExport::new(&api, commit, options);
    export.text = OpenMetrics::new(&shared.text, run::temp_dir(&run::env));
    export.has_rows = !shared.text.is_stdout();
    export.show_progress(shows);
    if shared.dry_run {
        return export.show_requests(&entries, &shared.range, args.cursor.watermark);
    }
    if shared.state.state.is_none() {
        return export.run_range(
            &entries,
            &shared.range,
            args.cursor.watermark,
            &mut run.report,
        );
    }
    export.run_cursor(
        &entries,
        &shared.range,
        &args.cursor,
        state,
        &mut run.report,
    )
}

fn realtime(args: &RealtimeArgs, shows: bool, run: &mut Run) -> anyhow::Result<Outcome> {
    let shared = &args.shared;
    let source = MetricsSource::Realtime;
    args.follow.check(shared.rate.is_some())?;
    if args.follow.follow && (shared.text.is_stdout() || shared.text.timestamps) {
        return Err(error::usage(
            "--follow allows --openmetrics only with a FILE and without --timestamps",
        ));
    }
    let entries = shared.question.entries(source, &shared.service.api)?;
    let connection = shared.connect(run)?;
    let api = shared.api(&connection)?;
    let options = shared.options(source)?;
    let has_state = shared.state.state.is_some();
    let polls = has_state || args.follow.follow;
    if polls && !shared.dry_run && (shared.range.from.is_some() || shared.range.to.is_some()) {
        return Err(error::usage(
            "realtime does not allow --from and --to with --state: use --since for the first poll",
        ));
    }
    let state = shared.open_state(source, &connection, run)?;
    let commit = Commit::new(&mut run.output, api.retry().stop(), polls);
    let mut export = MetricsExport::new(&api, commit, options);
    export.text = OpenMetrics::new(&shared.text, run::temp_dir(&run::env));
    export.has_rows = !shared.text.is_stdout();
    export.show_progress(shows);
    if shared.dry_run {
        return export.show_requests(&entries, &shared.range, args.follow.span);
    }
    if !polls {
        return export.run_range(&entries, &shared.range, args.follow.span, &mut run.report);
    }
    export.run_polls(&entries, &args.follow, state, &mut run.report)
}

impl SharedArgs {
    fn base(&self) -> anyhow::Result<Url> {
        match (&self.service.api_url, self.access.login.region) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(region)) => parse_url(region.api_url()).map_err(error::usage),
            (None, None) => Err(error::usage(
                "no API address: give --region or --api-url (OCP_API_URL)",
            )),
        }
    }

    fn options(&self, source: MetricsSource) -> anyhow::Result<ExportOptions> {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        let (settle, max_age) = match source {
            MetricsSource::Realtime => (minutes(130), minutes(48 * 60 - 10)),
            MetricsSource::Batch => (minutes(120), minutes((720 * 24 - 1) * 60)),
        };
        let step = self.question.step(source)?;
        Ok(ExportOptions {
            window: self.question.window(source, step),
            settle: self.question.settle.unwrap_or(settle),
            max_age: self.service.max_age.unwrap_or(max_age),
            is_strict: self.service.strict,
            max_gap: self.service.max_gap,
            assumes_zero: self.service.assume_zero,
        })
    }

    /// Opens the state, and replaces `{state}` in the name of the output. Without --state, or in a
    /// dry run, the state is empty and is not saved.
    fn open_state(
        &self,
        source: MetricsSource,
        connection: &Connection,
        run: &mut Run,
    ) -> anyhow::Result<OpenState> {
        if self.dry_run {
            return Ok(OpenState::new(None));
        }
        let url = self.service.url(&self.base()?);
        let settings = self.question.settings(source, &self.service, &url)?;
        let access = StateAccess {
            connection,
            seed: run.seed(),
            env: &run::env,
            temp_dir: run::temp_dir(&run::env),
        };
        let (state, later) = (&self.state, LATER_SETTINGS);
        let opened = State::open(state, PROGRAM, VERSION, settings, later, &access)?;
        if let Some((state, _)) = &opened {
            state.name_output(&mut run.output)?;
        }
        Ok(OpenState::new(opened))
    }

    /// Opens the connection for the service and for a state in a bucket.
    fn connect(&self, run: &Run) -> anyhow::Result<Connection> {
        Connection::open(&self.access.net, None, run.seed(), &run::env)
    }

    fn api(&self, connection: &Connection) -> anyhow::Result<MetricsApi> {
        let url = self.service.url(&self.base()?);
        let access: Box<dyn Access> = match self.dry_run {
            true => Box::new(None),
            false => Box::new(Auth::from_args(
                self.token_command.as_deref(),
                &self.access,
                connection,
                run::cache_home(&run::env),
                &run::env,
            )?),
        };
        let rate = self.rate.unwrap_or(Rate {
            limit: 60,
            per: Duration::from_secs(60),
        });
        let client = connection.client(&[rate], access);
        Ok(MetricsApi::new(
            client,
            url,
            self.service.each_metric,
            run::temp_dir(&run::env),
        ))
    }
}
