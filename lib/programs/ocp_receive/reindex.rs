//! `ocp-receive reindex`: rebuilds the keys of the lake's records.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::run::{Outcome, Run};
use crate::error::Status;
use crate::os::clock::Clock;
use crate::os::signals::Stop;
use crate::receive::directory::ReceiveDirectory;
use crate::receive::lock::PublisherLock;
use crate::receive::reindex;
use crate::receive::store::keys::RecordKeys;

pub(crate) const EXAMPLES: &str = "\
Examples:
  ocp-receive reindex --dir /srv/ocp";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The directory of the receiver. The receiver can be running: it accepts pushes during the
    /// rebuild, and publishes them afterwards.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn reindex(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let directory = ReceiveDirectory::new(&args.dir);
    directory.create()?;
    let _lock = PublisherLock::take(&directory, &Clock::system(), &Stop::default())?;
    let counts = reindex::rebuild_keys(&directory, &mut RecordKeys::new(&directory.keys()))?;
    run.output.write_record(&json!({
        "files": counts.files,
        "records": counts.records,
        "bad": counts.bad,
        "damaged": counts.damaged,
    }))?;
    Ok(match counts.damaged {
        0 => Outcome::Done,
        _ => Outcome::Partly(Status::BadInput),
    })
}
