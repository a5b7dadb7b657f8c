//! Runs every program from its arguments to its exit status. It opens the output, calls the body
//! (the program's own code), and writes at most one error message and one report.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, ValueEnum};
use serde_json::Value;

use crate::bucket::file_or_object::FileOrObject;
use crate::bucket::pending_object::PendingObject;
use crate::cli::args::{self, Common};
use crate::cli::config;
use crate::cli::help;
use crate::cli::local_paths;
use crate::cli::named_files::NamedFiles;
use crate::cli::object_output;
use crate::cli::output::{self, Output};
use crate::cli::unnamed_output::UnnamedOutput;
use crate::error::{self, Status};
use crate::os::files;
use crate::os::logger;
use crate::os::redaction;
use crate::os::signals;
use crate::time::{Timestamp, show_duration};

/// The name of the binary that contains all programs.
const MULTI_CALL: &str = "callpipe";

/// The result of a program's body (its own code) that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something was done.
    Done,
    /// There was nothing to do: `--skip-code` applies.
    Nothing,
    /// The written records are valid, but the program ends with this status.
    Partly(Status),
}

/// The context of a body: its output, its report, and the time of its start.
#[derive(Debug)]
pub struct Run {
    /// The output of records.
    pub output: Output,
    /// Facts for `--report`.
    pub report: Report,
    /// When the program was started.
    pub now: Timestamp,
}

impl Run {
    /// A number that differs from process to process, for jitter.
    pub fn seed(&self) -> u64 {
        seed(self.now)
    }
}

fn seed(now: Timestamp) -> u64 {
    now.millis().unsigned_abs().rotate_left(20) ^ u64::from(std::process::id())
}

/// Facts about the run, by name.
#[derive(Debug, Default)]
pub struct Report {
    facts: BTreeMap<&'static str, Value>,
}

impl Report {
    /// Sets a fact: a count, a size in bytes, a time.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.facts.insert(name, value.into());
    }

    fn write(&self, mut sink: Output) -> anyhow::Result<()> {
        sink.write_record(&self.facts)?;
        sink.finish()
    }
}

/// Shows the counts, for example `: bytes 120, records 3`. Shows nothing if there are no counts.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.facts.iter().filter(|(_, value)| value.is_u64());
        counts.enumerate().try_for_each(|(at, (name, value))| {
            let before = if at == 0 { ": " } else { ", " };
            write!(f, "{before}{name} {value}")
        })
    }
}

/// The command line, beginning with the name of the program. For `callpipe NAME …` it begins with
/// NAME.
pub fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let called = arguments.first().map(Path::new).and_then(Path::file_name);
    if arguments.len() > 1 && called == Some(OsStr::new(MULTI_CALL)) {
        arguments.remove(0);
    }
    arguments
}

/// The value of an environment variable; `None` if it is not set or not UTF-8.
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// All environment variables whose names and values are UTF-8.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Runs a program from its command line to its exit status. `common` returns the flags that all
/// programs share. `files` adds the files of the program's own flags. If two options name the same
/// file, the program ends with status 2.
pub fn main<A>(
    common: fn(&A) -> &Common,
    files: fn(&A, &mut NamedFiles),
    body: fn(&A, &mut Run) -> anyhow::Result<Outcome>,
) -> ExitCode
where
    A: CommandFactory + FromArgMatches,
{
    let args = arguments();
    if args.len() == 3 && args[1] == "--generate" {
        return generate::<A>(&args[2]);
    }
    let mut command = args::without_empty_variables(help::command::<A>(), &env);
    let parsed = command
        .try_get_matches_from_mut(args)
        .and_then(|matches| Ok((A::from_arg_matches(&matches)?, matches)));
    let (args, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(e) => return complain::<A>(e),
    };
    let name = command.get_name().to_owned();
    let flags = common(&args);
    logger::install(&name, flags.log_format, flags.level());
    files::set_new_mode(flags.mode);
    if flags.print_config {
        return print(|stdout| {
            let settings = config::settings(&command, &matches, &env);
            Ok(settings
                .iter()
                .try_for_each(|one| stdout.write_record(one))?)
        });
    }
    let started = Timestamp::now();
    let mut report = Report::default();
    let mut sink = None;
    let mut named = NamedFiles::default();
    files(&args, &mut named);
    let checked = local_paths::check(&command, &matches);
    let call = (&command, &matches);
    let started_run = checked.and_then(|()| start(flags, call, named, started, &mut sink));
    let result = started_run.and_then(|mut run| {
        let result = body(&args, &mut run);
        report = run.report;
        let outcome = result?;
        run.output.finish()?;
        if let Some(name) = run.output.filled_name() {
            report.set("output", name);
        }
        Ok(outcome)
    });
    let ending = Exit::of(result, flags);
    let took = Timestamp::now().since(started);
    log::info!(
        "status {} after {}{report}",
        ending.code,
        show_duration(took)
    );
    report.set("program", name);
    report.set("version", env!("CARGO_PKG_VERSION"));
    report.set("started_at", started.rfc3339_millis());
    report.set("ended_at", Timestamp::now().rfc3339_millis());
    report.set("status", ending.code);
    report.set("state", ending.status.word());
    report.set("reason", ending.reason.clone());
    match sink.map_or(Ok(()), |sink| report.write(sink)) {
        Ok(()) => {
            signals::die_of(ending.status);
            ExitCode::from(ending.code)
        }
        Err(e) => {
            log::error!("{e:#}");
            ExitCode::from(Status::of(&e).worse(ending.status).code())
        }
    }
}

/// Opens the output files before the body runs, so that an error costs no work.
fn start(
    flags: &Common,
    call: (&Command, &ArgMatches),
    mut named: NamedFiles,
    now: Timestamp,
    sink: &mut Option<Output>,
) -> anyhow::Result<Run> {
    signals::prepare()?;
    if flags.report.as_deref() == Some(Path::new("-")) && flags.output.is_none() {
        return Err(error::usage(
            "--report -: stdout carries the records; give --output FILE, or --report a file",
        ));
    }
    named.write_common(flags);
    named.refuse_shared()?;
    *sink = match flags.report.as_deref() {
        None => None,
        Some(path) if path == Path::new("-") => Some(Output::stdout()?),
        Some(path) => Some(Output::file(path)?),
    };
    let service = || object_output::service(call, seed(now), &env);
    let output = match &flags.output {
        None => output::stdout_of_records()?,
        Some(place) if UnnamedOutput::is_meant(place) => {
            let service = || Ok((service()?, temp_dir(&env)));
            Output::unnamed(UnnamedOutput::new(place, call, service, named)?)?
        }
        Some(FileOrObject::File(path)) => Output::file(path)?,
        Some(FileOrObject::Object(url)) => {
            let pending = PendingObject::create(service()?, url.clone(), &temp_dir(&env))?;
            Output::object(pending)?
        }
    };
    Ok(Run {
        output,
        report: Report::default(),
        now,
    })
}

/// The exit status and the reason.
struct Exit {
    status: Status,
    code: u8,
    reason: Option<String>,
}

impl Exit {
    /// Determines the status of a run, and writes its error to stderr, if there is one.
    fn of(result: anyhow::Result<Outcome>, flags: &Common) -> Exit {
        let ending = |status: Status, reason: Option<&str>| Exit {
            status,
            code: status.code(),
            reason: reason.map(str::to_owned),
        };
        match result {
            Ok(Outcome::Done) => ending(Status::Done, None),
            Ok(Outcome::Nothing) => Exit {
                code: flags.skip_code.unwrap_or(0),
                ..ending(Status::Done, Some("nothing to do"))
            },
            Ok(Outcome::Partly(status)) => ending(status, None),
            Err(e) if error::reader_left(&e) => {
                ending(Status::Done, Some("the reader closed stdout"))
            }
            Err(e) => {
                let text = redaction::clean(&format!("{e:#}"));
                log::error!("{text}");
                ending(Status::of(&e), Some(&text))
            }
        }
    }
}

fn generate<A: CommandFactory>(kind: &OsString) -> ExitCode {
    logger::install(
        A::command().get_name(),
        logger::LogFormat::Text,
        log::LevelFilter::Warn,
    );
    print(|stdout| {
        let artefact = args::Artefact::from_str(&kind.to_string_lossy(), false)
            .map_err(|_| error::usage("--generate takes man, bash, zsh or fish"))?;
        Ok(stdout.write_all(&args::generate::<A>(artefact)?)?)
    })
}

/// Writes a text to stdout, and returns the exit status.
pub(crate) fn print_text(text: &str) -> ExitCode {
    print(|stdout| Ok(stdout.write_all(text.as_bytes())?))
}

/// Calls `write` with stdout, to print a text that is not a record. Returns the exit status.
fn print(write: impl FnOnce(&mut Output) -> anyhow::Result<()>) -> ExitCode {
    let printed = Output::stdout().map_err(Into::into).and_then(|mut stdout| {
        write(&mut stdout)?;
        stdout.finish()
    });
    match printed {
        Err(e) if !error::reader_left(&e) => {
            log::error!("{e:#}");
            ExitCode::from(Status::of(&e).code())
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints help on stdout, or a usage error on stderr as `program: message`, even with
/// `--log-format json`.
fn complain<A: CommandFactory>(mut e: clap::Error) -> ExitCode {
    if !e.use_stderr() {
        return match e.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(Status::Io.code()),
        };
    }
    correct_tip::<A>(&mut e);
    let mut text = e.render().to_string();
    if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        text.insert_str(0, "a command is missing\n\n");
    }
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let message = format!("{}: {text}", A::command().get_name());
    let _ = io::stderr().write_all(message.as_bytes());
    ExitCode::from(Status::Usage.code())
}

/// If the user types `--group`, suggests `--ocp-group`. clap would suggest an option with a similar
/// spelling, but an option that ends with the unknown word is a better guess.
fn correct_tip<A: CommandFactory>(e: &mut clap::Error) {
    if e.kind() != ErrorKind::UnknownArgument {
        return;
    }
    let Some(ContextValue::String(unknown)) = e.get(ContextKind::InvalidArg) else {
        return;
    };
    let ending = format!("-{}", unknown.trim_start_matches('-'));
    let command = A::command();
    let names = command.get_arguments().filter_map(clap::Arg::get_long);
    if let Some(name) = names.into_iter().find(|name| name.ends_with(&ending)) {
        let tip = ContextValue::String(format!("--{name}"));
        e.insert(ContextKind::SuggestedArg, tip);
    }
}

/// Whether stdout is a terminal, so that a person reads the output.
pub fn is_stdout_terminal() -> bool {
    rustix::stdio::stdout().is_terminal()
}

/// Returns an error with status 2 if stdin is a terminal, because then the program has no input.
pub fn require_piped_stdin(hint: &str) -> anyhow::Result<()> {
    if io::stdin().is_terminal() {
        return Err(error::usage(format!(
            "nothing to read: stdin is a terminal; {hint} (--help shows examples)"
        )));
    }
    Ok(())
}

/// The directory for temporary files: `TMPDIR`, or `/tmp` if `TMPDIR` is not set or is empty.
pub fn temp_dir(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    let set = env("TMPDIR").filter(|directory| !directory.is_empty());
    set.map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// The directory for caches: `XDG_CACHE_HOME`, otherwise `HOME/.cache`; `None` if neither is
/// set. By the XDG specification, a relative path in these variables counts as unset.
pub fn cache_home(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| {
        env(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        common: Common,
    }

    fn ending(result: anyhow::Result<Outcome>, flags: &[&str]) -> (u8, &'static str) {
        let args = Args::parse_from([&["x"], flags].concat());
        let ending = Exit::of(result, &args.common);
        (ending.code, ending.status.word())
    }

    #[test]
    fn an_outcome_becomes_a_status() {
        assert_eq!(ending(Ok(Outcome::Done), &[]), (0, "done"));
        assert_eq!(ending(Ok(Outcome::Nothing), &[]), (0, "done"));
        assert_eq!(
            ending(Ok(Outcome::Nothing), &["--skip-code=99"]),
            (99, "done")
        );
        assert_eq!(ending(Ok(Outcome::Done), &["--skip-code=99"]), (0, "done"));
        let partly = Outcome::Partly(Status::TryLater);
        assert_eq!(ending(Ok(partly), &["--skip-code=99"]), (75, "try-later"));
    }

    #[test]
    fn an_error_becomes_the_status_that_it_names() {
        assert_eq!(ending(Err(error::auth("no")), &[]), (77, "auth"));
        let left = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(ending(Err(left.context("writing")), &[]), (0, "done"));
        let full = anyhow::Error::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(ending(Err(full), &[]), (74, "io"));
    }

    #[test]
    fn the_cache_is_where_xdg_says() {
        let home = |vars: &'static [(&str, &str)]| {
            cache_home(&move |name| {
                let mut vars = vars.iter();
                vars.find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(
            home(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")]),
            Some("/c".into())
        );
        assert_eq!(
            home(&[("XDG_CACHE_HOME", "c"), ("HOME", "/h")]),
            Some("/h/.cache".into())
        );
        assert_eq!(home(&[("HOME", "")]), None);
        assert_eq!(home(&[]), None);
    }
}
