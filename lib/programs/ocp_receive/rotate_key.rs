//! `ocp-receive rotate-key`: makes a new key for signing tokens.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::run::{Outcome, Run};
use crate::error;
use crate::receive::access::token_keys::TokenKeys;
use crate::time::parse_positive_duration;

pub(crate) const EXAMPLES: &str = "\
Examples:
  ocp-receive rotate-key --dir ocp";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The directory of the receiver.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// The --token-ttl of serve. The old key is kept for twice DUR.
    #[arg(long, value_name = "DUR", default_value = "1h", value_parser = parse_positive_duration)]
    token_ttl: Duration,
}

/// Makes a new key, and prints its id and the time until which the key that it replaces is
/// accepted.
pub(super) fn rotate(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    if !args.dir.is_dir() {
        let text = format!("--dir {}: there is no such directory", args.dir.display());
        return Err(error::usage(text));
    }
    let kid = TokenKeys::rotate(&args.dir, run.now, args.token_ttl)?;
    let until = run.now.plus(args.token_ttl * 2).rfc3339_millis();
    run.output
        .write_record(&serde_json::json!({"kid": kid, "old_keys_until": until}))?;
    Ok(Outcome::Done)
}
