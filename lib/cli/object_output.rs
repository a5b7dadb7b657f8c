//! `-o s3://BUCKET/KEY`: connects to the bucket's service, with the flags and the environment of
//! the call.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::bucket::service::BucketService;
use crate::cli::config;
use crate::net::connection::{Connection, NetArgs};

/// Connects to the bucket's service. `--tries`, `--ca-cert` and the other network flags apply, if
/// the program has them. Returns an error with status 2 or 77 if the service cannot be used.
pub(super) fn service(
    (command, matches): (&Command, &ArgMatches),
    seed: u64,
    env: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<BucketService> {
    let args = net_args(command, matches)?;
    // A signal must not stop the upload of complete data.
    let connection = Connection::without_signals(&args, seed, env)?;
    BucketService::from_env(&connection, seed, env)
}

fn net_args(command: &Command, matches: &ArgMatches) -> anyhow::Result<NetArgs> {
    let plain = NetArgs::augment_args(Command::new("net").no_binary_name(true));
    let has_all = |command: &Command| {
        let mut wanted = plain.get_arguments();
        wanted.all(|one| {
            command
                .get_arguments()
                .any(|arg| arg.get_id() == one.get_id())
        })
    };
    let own = config::levels(command, matches).filter(|(command, _)| has_all(command));
    Ok(match own.last() {
        Some((_, matches)) => NetArgs::from_arg_matches(matches)?,
        None => NetArgs::from_arg_matches(&plain.clone().get_matches_from([""; 0]))?,
    })
}
