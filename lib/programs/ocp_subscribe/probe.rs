//! `probe`: sends to a receiver the requests that the vendor will send.

use super::create::ReceiverArgs;
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};
use crate::net::connection::{Connection, NetArgs};
use crate::ocp::subscriptions::probe::ProbeTarget;

pub(super) const EXAMPLES: &str = "\
Examples:
  ocp-subscribe probe --url https://in.example/push/acme/dialog_end \\
    --token-url https://in.example/oauth2/token --client-id a --secret-env RECEIVER_SECRET";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    receiver: ReceiverArgs,

    #[command(flatten)]
    net: NetArgs,
}

impl Args {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        files.read("--secret-file", self.receiver.secret.file());
        files.read("--ca-cert", &self.net.http.ca_cert);
    }
}

pub(super) fn probe(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let connection = Connection::open(&args.net, None, run.seed(), &run::env)?;
    let secret = args.receiver.secret.read(&run::env, connection.retry())?;
    let target = ProbeTarget {
        callback_url: &args.receiver.url,
        token_url: &args.receiver.token_url,
        client_id: &args.receiver.client_id,
        name: "probe",
    };
    run.output
        .write_record(&target.probe(&secret, &connection)?)?;
    Ok(Outcome::Done)
}
