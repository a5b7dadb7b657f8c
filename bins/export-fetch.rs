//! Takes export requests to verified ZIPs on disk, doing only what is left.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use callpipe::attempts::{Attempts, RetryArgs};
use callpipe::cli::Common;
use callpipe::error::{self, Status};
use callpipe::http::{Http, HttpArgs, Url, parse_url};
use callpipe::ndjson::Lines;
use callpipe::ocp::auth::{Auth, PatArgs};
use callpipe::ocp::exports::Exports;
use callpipe::ocp::fetch::progress::Progress;
use callpipe::ocp::fetch::{self, Ended, Options, Until};
use callpipe::ocp::keycloak::LoginArgs;
use callpipe::ocp::ledger::Ledger;
use callpipe::ocp::order::Order;
use callpipe::ocp::profile::{self, Profile};
use callpipe::output::Output;
use callpipe::retry::Rate;
use callpipe::run::{self, Outcome, Run};
use callpipe::stop::Stop;
use callpipe::time::{Timestamp, parse_duration};
use clap::Parser;

/// Export data of Omilia's OCP: submit, wait, download, verify.
///
/// Reads lines of export-plan, or its own, and takes each as far as --until says:
/// a window is submitted, an export is waited for, its pages are downloaded. What
/// an earlier run has done is in the ledger and is not done again. Writes a line
/// for each ZIP on disk.
#[derive(Parser, Debug)]
#[command(
    name = "export-fetch",
    version,
    before_help = "\
Examples:
  export-plan windows --group acme --type dialog_end --from -60d > plan
  export-fetch --region us1 --out-dir cdrs < plan > zips.ndjson
  export-fetch --region us1 --out-dir cdrs < plan | unzip-jsonl | cdr-filter '.duration > 60000'
  export-fetch --region us1 --out-dir cdrs --until ready --poll-once < plan    # 75: not yet
  export-fetch --region us1 --out-dir cdrs --dry-run < plan                    # what would be sent"
)]
struct Args {
    /// The directory for ZIPs: DIR/GROUP/FROM_TO/EXPORT-p0001.zip.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["print_api_profile", "ledger"])]
    out_dir: Option<PathBuf>,

    /// How far each line is taken.
    #[arg(long, value_enum, default_value = "fetched")]
    until: Until,

    /// Files in each ZIP. Fixed for an export once a page of it is on disk.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    page_size: u64,

    /// What was asked for and what of it is on disk. One run at a time.
    /// [default: DIR/ledger.ndjson]
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,

    /// ZIPs in any stretch of time: a burst, then each as soon as the oldest is
    /// old enough.
    #[arg(long, value_name = "N/DUR", default_value = "5/60s")]
    rate: Rate,

    /// Ask for the state of an export once instead of waiting for it: if it is
    /// not READY, write the line so far and end with status 75.
    #[arg(long)]
    poll_once: bool,

    /// The shortest pause between two questions for the state of an export; it
    /// grows to a tenth of the time waited, at most thirty times DUR.
    #[arg(long, value_name = "DUR", default_value = "2s", value_parser = parse_duration)]
    poll: Duration,

    /// End with status 75 when the run has taken DUR. The next run goes on.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    deadline: Option<Duration>,

    /// The base URL of the Exports API [default: the region's]
    #[arg(long, value_name = "URL", env = "OCP_API_URL", value_parser = parse_url)]
    api_url: Option<Url>,

    /// How this environment spells the API, where it differs from the built-in
    /// guess: a TOML file with what is different.
    #[arg(long, value_name = "FILE")]
    api_profile: Option<PathBuf>,

    /// Print the built-in API profile, commented, and end.
    #[arg(long)]
    print_api_profile: bool,

    /// Print the requests that would create the exports, without their secrets,
    /// and end. Sends nothing.
    #[arg(long)]
    dry_run: bool,

    /// Run CMD with sh whenever a token is needed: its first line is a token, or
    /// the JSON of ocp-token. Comes before OCP_TOKEN, OCP_PAT and OCP_USERNAME.
    #[arg(long, value_name = "CMD", help_heading = "Login")]
    token_command: Option<String>,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    pat: PatArgs,

    #[command(flatten)]
    http: HttpArgs,

    #[command(flatten)]
    retry: RetryArgs,

    #[command(flatten)]
    common: Common,
}

fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, body)
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    if args.print_api_profile {
        run.output.write_line(profile::DEFAULT.as_bytes())?;
        return Ok(Outcome::Done);
    }
    run::require_piped_stdin("pipe the lines of export-plan into it")?;
    let stop = Stop::on_signals()?;
    let api = exports(args, run, &stop)?;
    if args.dry_run {
        return dry_run(&api, &mut run.output);
    }
    if args.out_dir.is_none() && args.until == Until::Fetched {
        return Err(error::usage("--out-dir says where the ZIPs go"));
    }
    let out_dir = args.out_dir.clone().unwrap_or_default();
    let ledger = args.ledger.clone();
    let ledger = ledger.unwrap_or_else(|| out_dir.join("ledger.ndjson"));
    let ledger = Ledger::open(&ledger, api.base().as_str(), Timestamp::now)?;
    if let Some(deadline) = args.deadline {
        thread::spawn(move || {
            if stop.sleep(deadline).is_ok() {
                stop.request(Status::TryLater);
            }
        });
    }
    let options = Options {
        out_dir,
        until: args.until,
        page_size: args.page_size,
        poll_once: args.poll_once,
        poll: args.poll,
    };
    let shows = !args.common.no_progress && !args.common.quiet && io::stderr().is_terminal();
    let progress = Progress::new(shows, args.rate);
    let ended = fetch::run(
        &options,
        &api,
        ledger,
        io::stdin(),
        &mut run.output,
        &progress,
        &mut run.report,
    );
    progress.finish();
    Ok(match ended? {
        Ended::Done => Outcome::Done,
        Ended::Nothing => Outcome::Nothing,
        Ended::Partly(status) => Outcome::Partly(status),
    })
}

/// The API as the flags and the environment describe it.
fn exports(args: &Args, run: &Run, stop: &Stop) -> anyhow::Result<Exports> {
    let base = match (&args.api_url, args.login.region) {
        (Some(url), _) => url.clone(),
        (None, Some(region)) => parse_url(region.api_url()).map_err(error::usage)?,
        (None, None) => {
            return Err(error::usage(
                "no API to ask: give --region or --api-url (OCP_API_URL)",
            ));
        }
    };
    let profile = Profile::load(args.api_profile.as_deref())?;
    let http = Http::new(&args.http)?;
    http.end_on(stop);
    let auth = Auth::from_args(
        args.token_command.as_deref(),
        &args.pat,
        &args.login,
        &http,
        run::cache_home(&run::env),
        &run::env,
    )?;
    let attempts = Attempts::new(&args.retry, run.seed(), Timestamp::now, stop.clone());
    Ok(Exports::new(http, auth, attempts, profile, base, args.rate))
}

fn dry_run(api: &Exports, output: &mut Output) -> anyhow::Result<Outcome> {
    let mut lines = Lines::new(io::stdin().lock());
    let mut outcome = Outcome::Nothing;
    while let Some(line) = lines.next_line()? {
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        let order: Order = serde_json::from_slice(line.bytes).map_err(|e| {
            error::bad_input(format!("stdin:{}: not a line of a plan: {e}", line.number))
        })?;
        output.write_line(api.show_create(&order).as_bytes())?;
        outcome = Outcome::Done;
    }
    Ok(outcome)
}
