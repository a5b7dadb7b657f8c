//! Turns export requests into verified ZIPs on disk or in a bucket. The program does not repeat
//! what an earlier run has done.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read};
use std::path::{self, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::bucket::address::BucketUrl;
use crate::bucket::file_or_object::FileOrObject;
use crate::cli::args::Common;
use crate::cli::named_files::NamedFiles;
use crate::cli::output::Output;
use crate::cli::run::{self, Outcome, Run};
use crate::error;
use crate::json::lines::{Lines, explain};
use crate::net::http::Url;
use crate::net::rate::Rate;
use crate::net::secret;
use crate::net::shared_budget::RateScope;
use crate::ocp::adopt;
use crate::ocp::api_args::ExportsApiArgs;
use crate::ocp::auth::{PAT_HEADER, PatForm};
use crate::ocp::export_request::ExportRequest;
use crate::ocp::exports::Exports;
use crate::ocp::fetch::progress::FetchProgress;
use crate::ocp::fetch::{self, FetchOptions, LineTarget, Site, Until};
use crate::ocp::ledger::Ledger;
use crate::ocp::plan::check_window;
use crate::ocp::profile::{self, Profile, Role, Subject};
use crate::ocp::zip_store::ZipStore;
use crate::os::blocking::Blocking;
use crate::os::clock::Clock;
use crate::time::parse_positive_duration;

mod connect;
mod list;
mod probe;

use connect::BucketAccess;

/// Export data of Omilia's OCP: submit, wait, download, verify.
///
/// Reads lines of export-plan, or its own output. It submits each window, waits for the export and
/// downloads its pages; --until sets the step at which it stops. The ledger records what was done,
/// and a later run does only the rest. The program prints a line for each ZIP on disk. For an
/// export without files it prints no line. But if the input line has a `reason` (the lines of
/// ocp-receive gaps have one), it prints a line with `pages` 0 and no `path`. If there is no line
/// to print, -o FILE creates no file; if FILE exists, it becomes empty.
#[derive(Parser, Debug)]
#[command(
    name = "export-fetch",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    before_help = "\
Examples:
  export-plan windows --group acme --type dialog_end --from -60d > plan
  export-fetch --region us1 --out-dir cdrs < plan > zips.ndjson
  export-fetch --region us1 --out-dir cdrs < plan | unzip-jsonl | cdr-filter '.duration > 60000'
  export-fetch --region us1 --out-dir cdrs --until ready --poll-once < plan    # 75: not yet
  export-fetch --region us1 --out-dir cdrs --dry-run < plan                    # what would be sent
  export-fetch --region us1 --out-dir cdrs --adopt 9d2e61b4-5a7c-4f08-b1d3-2c6e8f0a4b57 < plan
  export-fetch list --region us1 --group acme --out-dir cdrs                   # what there is
  export-fetch probe --region us1 --group acme                                 # does it work?"
)]
struct Args {
    #[command(subcommand)]
    command: Option<FetchCommand>,

    #[command(flatten)]
    options: FetchOptions,

    /// The file that records all exports and downloads. Only one run at a time can use FILE. FILE
    /// may be an object s3://BUCKET/KEY; then --output must not be a local file, unless --until is
    /// submitted or ready. [default: DIR/ledger.ndjson]
    #[arg(long, value_name = "FILE", value_parser = FileOrObject::parser())]
    ledger: Option<FileOrObject>,

    /// Download at most N ZIPs in any period of DUR. ZIPs of other runs on this machine also count
    /// (see --rate-scope). With several machines, give each machine a part of the rate, for example
    /// --rate 2/60s.
    #[arg(long, value_name = "N/DUR", default_value = "5/60s")]
    rate: Rate,

    /// Which runs of this user on this machine share --rate. Use `group` only if the service counts
    /// the ZIPs of each group separately; the vendor does not document how it counts. The shared
    /// count is in a file beside the token cache. If neither HOME nor XDG_CACHE_HOME is set, each
    /// run has its own rate.
    #[arg(long, value_enum, value_name = "SCOPE", default_value = "origin")]
    rate_scope: RateScope,

    /// Exit with status 75 after DUR. The next run continues.
    #[arg(long, value_name = "DUR", value_parser = parse_positive_duration)]
    deadline: Option<Duration>,

    /// Before anything else, record the export with this id in the ledger, so that this export is
    /// downloaded and not requested again. The export must be neither EXPIRED nor FAILED. A line of
    /// the plan must have the group and types of the export, and contain its hours. May be
    /// repeated.
    #[arg(long, value_name = "ID")]
    adopt: Vec<String>,

    /// Print the built-in API profile with its comments, and exit.
    #[arg(long)]
    print_api_profile: bool,

    /// Print the requests without sending them, and exit. All requests that create exports are
    /// printed. Of every other kind of request, one example for each group is printed. Secrets are
    /// hidden.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    api: ExportsApiArgs,

    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand, Debug)]
enum FetchCommand {
    /// Test whether an account works, and name the setting to change if it does not.
    ///
    /// Gets a token and sends one request for each role of the API profile: the list of exports,
    /// then the status and the number of files of an existing export. With --create it makes an
    /// export of one hour and downloads a page or two of it. It prints each request, the keys and
    /// types of the reply without its values, and the line of the profile to change, if there is
    /// one. It exits with 69 if a line of the profile is wrong, with 77 if a permission is missing.
    #[command(before_help = probe::EXAMPLES)]
    Probe(Box<probe::Args>),
    /// List the exports of groups, and what the ledger knows about them.
    ///
    /// Shows which export is in progress (a group has only one at a time), which exports are READY
    /// and until when, and how much of each export is downloaded. Creates nothing.
    #[command(before_help = list::EXAMPLES)]
    List(Box<list::Args>),
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(|args: &Args| &args.common, name_files, body)
}

impl Args {
    fn ledger(&self) -> FileOrObject {
        let default = || self.options.default_ledger();
        self.ledger.clone().unwrap_or_else(default)
    }

    /// Opens the ledger. An error with status 2 if the ledger is in a bucket, --output is a local
    /// file and --until is fetched: the ledger cannot show which machine has this file.
    fn open_ledger(
        &self,
        base: &Url,
        clock: Clock,
        service: &BucketAccess<'_>,
        run: &Run,
    ) -> anyhow::Result<Ledger> {
        match self.ledger() {
            FileOrObject::File(path) => Ledger::open(&path, base.as_str(), clock),
            FileOrObject::Object(url) => {
                if run.output.target().is_some() && self.options.until == Until::Fetched {
                    return Err(error::usage(format!(
                        "--ledger {url}: with a ledger in a bucket, --output must be an address s3://BUCKET/KEY, unless --until is submitted or ready: use such an address, a pipe or '> FILE'"
                    )));
                }
                Ledger::lease(service()?, &url, base.as_str(), clock)
            }
        }
    }

    fn zip_store(&self, service: &BucketAccess<'_>) -> anyhow::Result<ZipStore> {
        match &self.options.out_dir {
            None => Ok(ZipStore::Directory(PathBuf::new())),
            Some(root) => ZipStore::at(root, run::temp_dir(&run::env), service),
        }
    }
}

fn name_files(args: &Args, files: &mut NamedFiles) {
    match &args.command {
        Some(FetchCommand::Probe(probe)) => probe.name_files(files),
        Some(FetchCommand::List(list)) => list.name_files(files),
        None => {
            files.read("stdin", [&PathBuf::from("-")]);
            args.api.name_files(files);
            match args.ledger() {
                FileOrObject::File(path) => files.write("--ledger", [&path]),
                FileOrObject::Object(url) => files.write_object("--ledger", url.to_string()),
            }
        }
    }
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    match &args.command {
        Some(FetchCommand::Probe(probe)) => probe::run(probe, run),
        Some(FetchCommand::List(list)) => list::run(list, run),
        None => fetch(args, run),
    }
}

fn fetch(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    if args.print_api_profile {
        run.output.write_line(profile::DEFAULT.as_bytes())?;
        return Ok(Outcome::Done);
    }
    run::require_piped_stdin("pipe the lines of export-plan into it")?;
    let base = args.api.base()?;
    let profile = Profile::load(args.api.profile())?;
    if args.dry_run {
        return dry_run(&profile, &base, args, &mut run.output);
    }
    let options = &args.options;
    if options.out_dir.is_none() && options.until == Until::Fetched {
        return Err(error::usage("give --out-dir, the directory for the ZIPs"));
    }
    let (connection, auth) = connect::connect(&args.api, args.deadline, run)?;
    let clock = connection.retry().clock().clone();
    let service = connect::service(&connection, run.seed());
    let mut ledger = args.open_ledger(&base, clock.clone(), &service, run)?;
    let share = connect::share(args.rate_scope, &base, &auth, run);
    let client = connection.sharing_client(args.rate, share, Box::new(auth));
    let api = Exports::new(client, profile, base);
    let mut input: Box<dyn Read + Send> = Box::new(Blocking(io::stdin()));
    if !args.adopt.is_empty() {
        let mut plan = Vec::new();
        input.read_to_end(&mut plan).context("reading stdin")?;
        adopt::adopt(&api, &mut ledger, &args.adopt, &plan)?;
        input = Box::new(Cursor::new(plan));
    }
    let shows = args.common.shows_progress();
    let progress = FetchProgress::new(shows, args.rate, clock);
    // Before the output file gets its name, the ledger records which exports are in the file. So
    // `fetch::run` writes this file itself.
    let path = run.output.target().map(path::absolute).transpose()?;
    let target = match (path, run.output.take_object()) {
        (Some(path), _) => {
            run.output = Output::stdout()?;
            LineTarget::List(path)
        }
        (None, Some(pending)) => {
            run.output = Output::stdout()?;
            LineTarget::Object(pending)
        }
        (None, None) => LineTarget::Stream(&mut run.output),
    };
    let head = |url: &BucketUrl| service()?.head(url);
    let site = Site::new(&api, ledger, options, args.zip_store(&service)?);
    let outcome = fetch::run(&site, input, target, &head, &progress, &mut run.report);
    progress.finish();
    outcome
}

fn dry_run(
    profile: &Profile,
    base: &Url,
    args: &Args,
    output: &mut Output,
) -> anyhow::Result<Outcome> {
    let has_pat = secret::from_env("OCP_PAT", &run::env)?.is_some();
    let credential = match args.api.access.pat_form {
        PatForm::Header if has_pat => PAT_HEADER,
        _ => "Authorization",
    };
    let mut lines = Lines::new(Blocking(io::stdin().lock()));
    let mut groups = BTreeSet::new();
    let mut outcome = Outcome::Nothing;
    while let Some(line) = lines.next_line().context("reading stdin")? {
        if line.record().is_empty() {
            continue;
        }
        let bad = |why: String| {
            error::bad_input(format!(
                "stdin:{}: not a line of a plan: {why}",
                line.number
            ))
        };
        let request: ExportRequest =
            serde_json::from_slice(line.record()).map_err(|e| bad(explain(&e)))?;
        check_window(&request).map_err(bad)?;
        let spelled = profile.request(Role::Create, base, Subject::create(&request));
        output.write_line(spelled.show(credential).as_bytes())?;
        output.write_line(b"")?;
        groups.insert(request.group);
        outcome = Outcome::Done;
    }
    for group in &groups {
        for role in [Role::List, Role::Status, Role::Metadata, Role::Data] {
            let subject = Subject {
                page: Some((1, args.options.page_size)),
                ..Subject::export(group, "EXPORT_ID")
            };
            let spelled = profile.request(role, base, subject);
            output.write_line(spelled.show(credential).as_bytes())?;
            output.write_line(b"")?;
        }
    }
    Ok(outcome)
}
