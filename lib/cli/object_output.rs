//! `-o s3://BUCKET/KEY`: the object and the service, as the flags and the environment of a call say.

use std::path::Path;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::bucket::address::BucketUrl;
use crate::bucket::pending_object::PendingObject;
use crate::bucket::service::BucketService;
use crate::cli::config;
use crate::net::connection::{Connection, NetArgs};

/// Prepares the object. `--tries`, `--ca-cert` and the other network flags apply to it, if the program
/// has them. Status 2 or 77 if the service cannot be used.
pub(super) fn open(
    url: &BucketUrl,
    (command, matches): (&Command, &ArgMatches),
    seed: u64,
    env: &dyn Fn(&str) -> Option<String>,
    temp_dir: &Path,
) -> anyhow::Result<PendingObject> {
    let args = net_args(command, matches)?;
    // A signal must not keep what is complete from the bucket.
    let connection = Connection::without_signals(&args, seed, env)?;
    let service = BucketService::from_env(&connection, seed, env)?;
    PendingObject::create(service, url.clone(), temp_dir)
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
