//! The flags and the help that all programs of the suite share.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::builder::{RangedI64ValueParser, Resettable};
use clap::{Arg, Args, Command, CommandFactory, ValueEnum};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::bucket::file_or_object::FileOrObject;
use crate::cli::help::{self, STATUSES};
use crate::error;
use crate::os::logger;
use crate::time::Timestamp;
use crate::time::zone::Zone;

/// The flags that every program takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Write records to FILE instead of stdout. FILE appears only when it is complete; until then
    /// its data is in a temporary file in the same directory. FILE may be an object
    /// s3://BUCKET/KEY; then the temporary file is in TMPDIR.
    #[arg(short, long, value_name = "FILE", value_parser = FileOrObject::parser(), global = true)]
    pub output: Option<FileOrObject>,

    /// At the end, write one line of JSON about the run to FILE: counts, bytes, times, exit status
    /// and its reason. `-` is stdout, allowed only with --output.
    #[arg(long, value_name = "FILE", global = true)]
    pub report: Option<PathBuf>,

    /// Print more messages on stderr. -vv prints every request.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Print only errors on stderr.
    #[arg(short, long, conflicts_with = "verbose", global = true)]
    pub quiet: bool,

    /// The format of messages on stderr.
    #[arg(long, value_name = "FORMAT", default_value = "text", global = true)]
    pub log_format: logger::LogFormat,

    /// The mode of new data files, in octal digits as for chmod. The umask removes bits from it. A
    /// file that replaces an older one keeps the mode of the older one. It does not
    /// apply to new states, ledgers and tokens: only their owner can read them.
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = parse_mode, global = true)]
    pub mode: u32,

    /// Show no progress line. Without this flag, a run of more than 2 s shows a progress line if
    /// stderr is a terminal.
    #[arg(long, global = true)]
    pub no_progress: bool,

    /// Print every setting of this run with its value and its source, one line of JSON each, and
    /// exit. Secrets are printed as `[redacted]`.
    #[arg(long, global = true)]
    pub print_config: bool,

    /// Exit with status N instead of 0 if there was nothing to do. Airflow treats 99 as
    /// "skipped".
    #[arg(long, value_name = "N", global = true)]
    pub skip_code: Option<u8>,
}

impl Common {
    /// Whether to show a progress line on stderr: only on a terminal, and only if neither
    /// --no-progress nor --quiet is given.
    pub fn shows_progress(&self) -> bool {
        !self.no_progress && !self.quiet && io::stderr().is_terminal()
    }

    /// Like [`Common::shows_progress`], but false if the records go to a terminal. This is for
    /// programs with many records.
    pub fn shows_progress_apart(&self) -> bool {
        let on_terminal = self.output.is_none() && rustix::stdio::stdout().is_terminal();
        self.shows_progress() && !on_terminal
    }

    /// The level of messages on stderr, as `-q` and `-v` set it. More detailed messages are not
    /// printed.
    pub fn level(&self) -> log::LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => log::LevelFilter::Error,
            (false, 0) => log::LevelFilter::Warn,
            (false, 1) => log::LevelFilter::Info,
            (false, _) => log::LevelFilter::Debug,
        }
    }
}

/// Reads the value of a flag that takes a time. A text that is not a time is a usage error
/// (status 2) that names the flag.
pub fn time(flag: &str, text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    time_in(flag, text, now, Zone::UTC)
}

/// Like [`time`], but `today` and `yesterday` are days in `zone`.
pub fn time_in(flag: &str, text: &str, now: Timestamp, zone: Zone) -> anyhow::Result<Timestamp> {
    zone.parse_time(text, now)
        .map_err(|e| error::usage(format!("{flag}: {e}")))
}

/// The parser of `--threads N`: 1 to 64.
pub fn threads() -> RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(1..=64)
}

/// The files that `--generate KIND` prints for packagers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Artefact {
    /// The manual page, in roff.
    Man,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}

/// Makes the command ignore environment variables that are empty: a compose file or a
/// crontab leaves a variable empty to say that it is not set.
pub(super) fn without_empty_variables(
    command: Command,
    env: &dyn Fn(&str) -> Option<String>,
) -> Command {
    let is_empty = |arg: &Arg| {
        let name = arg.get_env().and_then(OsStr::to_str);
        name.and_then(env)
            .is_some_and(|value| value.trim().is_empty())
    };
    command
        .mut_args(|arg| match is_empty(&arg) {
            true => arg.env(Resettable::Reset),
            false => arg,
        })
        .mut_subcommands(|sub| without_empty_variables(sub, env))
}

/// Reads the mode of a file from octal digits.
fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(format!(
            "'{text}' is not a mode: use octal digits, for example 640"
        )),
    }
}

/// Reads a size, for example `500K`, `64M` or `1G`, and returns bytes. K is 1024 bytes, M is 1024
/// K, and G is 1024 M.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size: use a number with K, M or G, for example 64M");
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        None => (text, 1),
        Some(at) => match &text[at..] {
            "K" | "k" => (&text[..at], 1 << 10),
            "M" | "m" => (&text[..at], 1 << 20),
            "G" | "g" => (&text[..at], 1 << 30),
            _ => return Err(wrong()),
        },
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

/// Reads a credential or a name from an environment variable. Removes the line end that a file or a
/// secret store may have added.
pub fn parse_line(text: &str) -> Result<String, Infallible> {
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Renders a manual page or completions. Fails only if the buffer cannot be written.
pub(crate) fn generate<A: CommandFactory>(artefact: Artefact) -> io::Result<Vec<u8>> {
    let mut command = help::command::<A>();
    let name = command.get_name().to_owned();
    let mut bytes = Vec::new();
    let mut complete = |shell| clap_complete::generate(shell, &mut command, &name, &mut bytes);
    match artefact {
        Artefact::Bash => {
            complete(clap_complete::Shell::Bash);
            bytes = mend_bash(&name, &String::from_utf8_lossy(&bytes)).into_bytes();
        }
        Artefact::Zsh => complete(clap_complete::Shell::Zsh),
        Artefact::Fish => complete(clap_complete::Shell::Fish),
        Artefact::Man => manual(command, &mut bytes)?,
    }
    Ok(bytes)
}

/// Corrects the script of clap_complete. The script spells the hyphen in a program's name in two
/// ways, and therefore finds no flags of subcommands.
fn mend_bash(name: &str, script: &str) -> String {
    const LEVEL: &str = "__subcmd__";
    let label = format!("{}{LEVEL}", name.replace('-', LEVEL));
    script.replace(&label, &format!("{}{LEVEL}", name.replace('-', "__")))
}

/// Writes one manual page for a program and its subcommands, in the order of `--help`.
fn manual(command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    let examples = examples(&command);
    let man = Man::new(command.disable_help_subcommand(true)).manual("callpipe");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    section("EXAMPLES", &examples).to_writer(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    for subcommand in subcommands {
        let name = subcommand.get_name().to_owned();
        let about = subcommand.get_about().map(ToString::to_string);
        section(
            &format!("COMMAND {}", name.to_uppercase()),
            &about.unwrap_or_default(),
        )
        .to_writer(page)?;
        Man::new(subcommand).render_options_section(page)?;
    }
    section("EXIT STATUS", STATUSES.trim_start_matches("Exit status:\n")).to_writer(page)
}

fn examples(command: &Command) -> String {
    let text = command.get_before_long_help().map(ToString::to_string);
    let text = text.unwrap_or_default();
    text.trim_start_matches("Examples:\n").to_owned()
}

/// A section of the manual page whose lines are not refilled.
fn section(title: &str, lines: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]).control("nf", []);
    for line in lines.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// Do things.
    #[derive(Parser)]
    #[command(name = "thing", before_help = "Examples:\n  thing 'a.b' | head")]
    struct Args {
        #[command(flatten)]
        _common: Common,
        #[command(subcommand)]
        _command: Option<Sub>,
    }

    #[derive(clap::Subcommand)]
    enum Sub {
        /// Do one thing.
        One {
            /// How often.
            #[arg(long)]
            times: u8,
        },
    }

    #[test]
    fn the_manual_holds_examples_subcommands_and_statuses() {
        let page = String::from_utf8(generate::<Args>(Artefact::Man).unwrap()).unwrap();
        for part in [
            ".SH EXAMPLES",
            "thing \\*(Aqa.b\\*(Aq | head",
            ".SH \"COMMAND ONE\"",
            "times",
            ".SH \"EXIT STATUS\"",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn verbosity_is_a_level() {
        let level = |flags: &[&str]| {
            let args = Args::try_parse_from([&["thing"], flags].concat()).ok()?;
            Some(args._common.level())
        };
        assert_eq!(level(&[]), Some(log::LevelFilter::Warn));
        assert_eq!(level(&["-q"]), Some(log::LevelFilter::Error));
        assert_eq!(level(&["-vv"]), Some(log::LevelFilter::Debug));
        assert_eq!(level(&["-q", "-v"]), None);
    }
}
