//! The layout of `-h`, which is one screen, and of `--help`, which shows everything.

use clap::{Arg, Command, CommandFactory};

/// The table of exit statuses, at the end of every `--help`.
pub(super) const STATUSES: &str = "\
Exit status:
    0  done, or nothing to do; also if the reader of the output stopped early, except as in 1
    1  any failure not listed here; the reader stopped early (export-fetch, ocp-receive serve, and
       with --state, --layout or --follow); with --exit-status: no match, or hours lost or at risk
    2  wrong usage or configuration: do not retry
   65  more bad input than --max-bad allows; checksum or coverage mismatch
   69  the service refused the request for good: 4xx, expired, outside retention
   74  local input or output failed: disk full, state not writable
   75  try again later: not ready, lock held, 5xx after all retries
   77  authentication failed, or the account lacks a role
  130  interrupted (143: terminated); the state is saved, run again to continue";

/// The text of `--version` after the program's name: the version number. In a release build from a
/// git checkout, also the commit, its day and the target. `-V` prints only the version number.
pub(crate) const VERSION: &str = include_str!(concat!(env!("OUT_DIR"), "/version"));

/// The last lines of every `-h`.
const MORE: &str = "\
Status 0: done. 75: try again later. All others: failed.
--help shows all options, examples and exit statuses.";

/// The order of the parts of the help. The examples are first, because people open the help for
/// them.
const TEMPLATE: &str = "\
{before-help}{about-with-newline}
{usage-heading} {usage}

{all-args}{after-help}";

/// The number of examples that `-h` shows.
const EXAMPLES: usize = 3;

/// The options that `-h` shows, besides the required ones. An option has the same meaning in every
/// program.
const ESSENTIAL: [&str; 34] = [
    "add-iso",
    "after",
    "audio-dir",
    "at-risk",
    "clients",
    "count",
    "create",
    "dir",
    "excel",
    "follow",
    "format",
    "from",
    "group",
    "have",
    "header",
    "layout",
    "ledger",
    "listen",
    "logout",
    "metric",
    "output",
    "out-dir",
    "plan",
    "raw",
    "region",
    "root",
    "select",
    "stall-after",
    "state",
    "step",
    "to",
    "type",
    "until",
    "wav-dir",
];

/// The command of `A` with the layout, statuses and width that all programs share.
pub(super) fn command<A: CommandFactory>() -> Command {
    with_layout(A::command()).long_version(VERSION)
}

fn with_layout(command: Command) -> Command {
    let examples = command.get_before_help().map(ToString::to_string);
    let examples = examples.unwrap_or_default();
    command
        .help_template(TEMPLATE)
        .before_help(first_examples(&examples))
        .before_long_help(examples)
        .after_help(MORE)
        .after_long_help(STATUSES)
        .max_term_width(100)
        // If a flag is given twice, its last value counts, because its first value can be from an
        // alias or a DAG.
        .args_override_self(true)
        .mut_args(shorten)
        .mut_subcommands(with_layout)
}

/// Makes `-h` show the first sentence of an essential option and hide all other options.
fn shorten(arg: Arg) -> Arg {
    let is_essential = arg.is_positional()
        || arg.is_required_set()
        || arg.get_long().is_some_and(|name| ESSENTIAL.contains(&name));
    let Some(help) = arg.get_help().map(ToString::to_string) else {
        return arg.hide_short_help(!is_essential);
    };
    let long = arg
        .get_long_help()
        .map_or(help.clone(), ToString::to_string);
    arg.help(first_sentence(&help).to_owned())
        .long_help(long)
        .hide_short_help(!is_essential)
}

/// The first sentence of a text, without its full stop.
fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}

/// The heading and the first examples. If the text has empty lines, each example ends at an empty
/// line. Otherwise each example ends with the first line that does not continue on the next line.
fn first_examples(text: &str) -> String {
    if text.contains("\n\n") {
        let blocks: Vec<&str> = text.split("\n\n").take(EXAMPLES).collect();
        return blocks.join("\n");
    }
    let mut left = EXAMPLES;
    let mut kept = Vec::new();
    for line in text.lines() {
        if left == 0 {
            break;
        }
        kept.push(line);
        let line = line.trim();
        let continues = line.ends_with(['\\', '|']) || line.starts_with('#');
        if !continues && line != "Examples:" {
            left -= 1;
        }
    }
    kept.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// Do things.
    #[derive(Parser)]
    #[command(
        name = "thing",
        before_help = "Examples:\n  thing a |\n    sort\n  thing b\n  # why\n  thing c\n  thing d"
    )]
    struct Args {
        /// The file of the state. It is JSON.
        #[arg(long = "state")]
        _state: Option<String>,

        /// How hard.
        #[arg(long = "effort")]
        _effort: Option<u8>,
    }

    #[test]
    fn the_long_help_has_all_and_the_short_one_the_start_of_what_matters() {
        let mut command = command::<Args>();
        command.clone().debug_assert();
        let long = command.render_long_help().to_string();
        assert!(long.starts_with("Examples:\n  thing a"), "{long}");
        assert!(
            long.contains("thing d") && long.contains("How hard"),
            "{long}"
        );
        assert!(long.contains("It is JSON"), "{long}");
        assert!(long.trim_end().ends_with("run again to continue"), "{long}");
        let short = command.render_help().to_string();
        assert!(
            short.contains("thing c") && !short.contains("thing d"),
            "{short}"
        );
        assert!(
            short.contains("The file of the state") && !short.contains("It is JSON"),
            "{short}"
        );
        assert!(
            !short.contains("--effort") && !short.contains("Exit status"),
            "{short}"
        );
    }

    #[test]
    fn examples_end_at_empty_lines_where_there_are_any() {
        let text = "Examples:\n  # one\n  a\n\n  # two\n  b\n\n  # three\n  c\n\n  d";
        assert!(first_examples(text).ends_with("  b\n  # three\n  c"));
    }
}
