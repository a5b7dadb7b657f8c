//! One module for each program: its arguments and its decisions. The other directories of `lib/` do
//! the work (see `ARCHITECTURE.md`).
//!
//! All programs are linked into one file, `callpipe`, which is installed under the name of each
//! program. [`main`] runs the program with the name under which the file was called.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::help::VERSION;
use crate::cli::run;
use crate::error::Status;

pub mod cdr_filter;
pub mod dialpad_window;
pub mod export_fetch;
pub mod export_plan;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
pub mod ocp_metrics;
pub mod ocp_receive;
pub mod ocp_subscribe;
pub mod ocp_token;
pub mod unzip_jsonl;
pub mod vg_consecutive;

type Program = fn() -> ExitCode;

/// The programs by name, in the order of the pipeline.
const ALL: [(&str, Program); 10] = [
    ("ocp-token", ocp_token::main),
    ("export-plan", export_plan::main),
    ("export-fetch", export_fetch::main),
    ("ocp-metrics", ocp_metrics::main),
    ("ocp-receive", ocp_receive::main),
    ("ocp-subscribe", ocp_subscribe::main),
    ("unzip-jsonl", unzip_jsonl::main),
    ("cdr-filter", cdr_filter::main),
    ("vg-consecutive", vg_consecutive::main),
    ("dialpad-window", dialpad_window::main),
];

/// Runs the program with the name under which this file was called; `callpipe NAME …` runs the
/// program NAME. Exits with status 2 if there is no program with that name.
pub fn main() -> ExitCode {
    let arguments = run::arguments();
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    match ALL
        .iter()
        .find(|(known, _)| name == Some(OsStr::new(known)))
    {
        Some((_, program)) => program(),
        None if name == Some(OsStr::new("--list")) => run::print_text(&list("")),
        None if name == Some(OsStr::new("--help")) => run::print_text(&usage()),
        None if name == Some(OsStr::new("--version")) => {
            run::print_text(&format!("callpipe {VERSION}\n"))
        }
        None => {
            // If stderr is closed, the usage cannot be shown anywhere else.
            let _ = io::stderr().write_all(usage().as_bytes());
            ExitCode::from(Status::Usage.code())
        }
    }
}

fn list(indent: &str) -> String {
    ALL.map(|(name, _)| format!("{indent}{name}\n")).concat()
}

fn usage() -> String {
    format!(
        "Usage: callpipe PROGRAM [ARGUMENTS]\n       callpipe --list | --help | --version\n\nPrograms:\n{}\n\
         A link to callpipe with the name of a program runs that program.\n",
        list("  ")
    )
}
