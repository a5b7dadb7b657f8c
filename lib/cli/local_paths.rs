//! Checks that every path is a path on this machine.

use std::any::TypeId;
use std::path::PathBuf;

use clap::{ArgMatches, Command};

use crate::cli::config;
use crate::error;
use crate::os::local_path::explain_address;

/// Returns an error with status 2 if an option, an argument or a variable that must be a path
/// contains an address such as `s3://bucket/key`.
pub(super) fn check(command: &Command, matches: &ArgMatches) -> anyhow::Result<()> {
    for (command, matches) in config::levels(command, matches) {
        let paths = command
            .get_arguments()
            .filter(|arg| arg.get_value_parser().type_id() == TypeId::of::<PathBuf>());
        for arg in paths {
            for value in matches.get_raw(arg.get_id().as_str()).into_iter().flatten() {
                let value = value.to_string_lossy();
                if let Some(said) = explain_address(&value) {
                    let name = config::name(arg);
                    let shown = config::redact(value.into_owned());
                    return Err(error::usage(format!("{name} {shown}: {said}")));
                }
            }
        }
    }
    Ok(())
}
