//! The flags and the help that all programs of the suite share.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, ValueEnum};

use crate::logger;

/// The flags that every program takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Write records to FILE instead of stdout. The file is complete or absent:
    /// it gets its name when everything has been written.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub output: Option<PathBuf>,

    /// Write one line of JSON about the run to FILE at its end: counts, bytes,
    /// times, status, reason. `-` is stdout, allowed only with --output.
    #[arg(long, value_name = "FILE", global = true)]
    pub report: Option<PathBuf>,

    /// Say more on stderr. Twice: every request.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Say only errors on stderr.
    #[arg(short, long, conflicts_with = "verbose", global = true)]
    pub quiet: bool,

    /// How messages on stderr look.
    #[arg(long, value_name = "FORMAT", default_value = "text", global = true)]
    pub log_format: logger::Format,

    /// Show no progress bar. There is one only in export-fetch, and only when
    /// stderr is a terminal.
    #[arg(long, global = true)]
    pub no_progress: bool,

    /// End with status N when there was nothing to do, instead of 0. Airflow
    /// takes 99 as "skipped".
    #[arg(long, value_name = "N", global = true)]
    pub skip_code: Option<u8>,
}

impl Common {
    /// How much is said on stderr.
    pub fn level(&self) -> log::LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => log::LevelFilter::Error,
            (false, 0) => log::LevelFilter::Warn,
            (false, 1) => log::LevelFilter::Info,
            (false, _) => log::LevelFilter::Debug,
        }
    }
}

/// What `--generate KIND` prints, for packagers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Artefact {
    /// The manual page, in roff.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}

/// The table of exit statuses, at the end of every `--help`.
pub const STATUSES: &str = "\
Exit status:
    0  done, \"nothing to do\" included; or the reader of stdout left a filter
    1  failed in a way that no other row says; --exit-status and nothing kept
    2  wrong usage or configuration: do not retry
   65  input bad beyond --max-bad; checksum or coverage mismatch
   69  the service refused for good: 4xx, expired, outside retention
   74  local input or output: disk full, unwritable state
   75  try later: not ready, lock held, 5xx after all retries
   77  authentication failed, or the role is missing
  130  interrupted, 143 terminated: state is flushed, run again to go on";

/// The examples first, because that is what people open the help for.
pub const HELP_TEMPLATE: &str = "\
{before-help}{about-with-newline}
{usage-heading} {usage}

{all-args}{after-help}";

/// The command of `A`, with its examples as they stand in `before_help`.
pub fn command<A: CommandFactory>() -> Command {
    A::command()
        .help_template(HELP_TEMPLATE)
        .after_help(STATUSES)
        .max_term_width(100)
        // An alias or a DAG may set a flag that the user sets again.
        .args_override_self(true)
}

/// Renders what `--generate` asks for.
pub fn generate<A: CommandFactory>(artefact: Artefact) -> std::io::Result<Vec<u8>> {
    let mut command = command::<A>();
    let name = command.get_name().to_owned();
    let mut bytes = Vec::new();
    let mut complete = |shell| clap_complete::generate(shell, &mut command, &name, &mut bytes);
    match artefact {
        Artefact::Bash => complete(clap_complete::Shell::Bash),
        Artefact::Zsh => complete(clap_complete::Shell::Zsh),
        Artefact::Fish => complete(clap_complete::Shell::Fish),
        Artefact::Man => clap_mangen::Man::new(command).render(&mut bytes)?,
    }
    Ok(bytes)
}
