//! `create` and `update`: create or change one subscription, which the flags describe.

use super::service::{ExportsApiArgs, LedgerArgs};
use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Outcome, Run};
use crate::net::connection::Connection;
use crate::net::http::{Url, parse_url};
use crate::ocp::subscriptions::changes::{Changes, SubscriptionStep};
use crate::ocp::subscriptions::secret_source::ClientSecretSource;
use crate::ocp::subscriptions::subscription::{Subscription, SubscriptionChange};

pub(super) const EXAMPLES: &str = "\
Examples:
  ocp-subscribe create --region us1 --group acme --type dialog_end --name acme_end \\
    --url https://in.example/push/acme/dialog_end --token-url https://in.example/oauth2/token \\
    --client-id a --secret-env RECEIVER_SECRET";

pub(super) const UPDATE_EXAMPLES: &str = "\
Examples:
  ocp-subscribe update --region us1 --group acme --type dialog_end --name acme_end \\
    --url https://in.example/push/acme/dialog_end --token-url https://in.example/oauth2/token \\
    --client-id b --secret-file /run/secrets/receiver-b";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The name of the OCP group, exactly as OCP spells it.
    #[arg(long, value_name = "GROUP")]
    group: String,

    /// The message type, verbatim. A group has one subscription for each type.
    #[arg(long = "type", value_name = "TYPE")]
    message_type: String,

    /// The name of the subscription. Each push carries this name as "schemaName".
    #[arg(long, value_name = "NAME")]
    name: String,

    #[command(flatten)]
    receiver: ReceiverArgs,

    /// Send the request without probing the receiver first.
    #[arg(long)]
    no_probe: bool,

    /// Print the request that would be sent, without secrets, and exit. create sends nothing;
    /// update reads the list of subscriptions.
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    ledger: LedgerArgs,

    #[command(flatten)]
    service: ExportsApiArgs,
}

/// The URL of the receiver, and its credentials.
#[derive(clap::Args, Debug)]
pub(super) struct ReceiverArgs {
    /// The URL that the vendor pushes to. Plain http is allowed only to this machine.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub(super) url: Url,

    /// The URL from which the vendor gets the token for its pushes.
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub(super) token_url: Url,

    /// The client id with which the vendor gets the token for its pushes.
    #[arg(long, value_name = "ID")]
    pub(super) client_id: String,

    #[command(flatten)]
    pub(super) secret: ClientSecretSource,
}

impl Args {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        self.service.name_files(files);
        files.read("--secret-file", self.receiver.secret.file());
        files.write(
            "--ledger",
            [self.ledger.path()].into_iter().filter(|_| !self.dry_run),
        );
    }

    fn subscription(&self) -> Subscription {
        Subscription {
            group: self.group.clone(),
            message_type: self.message_type.clone(),
            name: self.name.clone(),
            callback_url: self.receiver.url.clone(),
            token_url: self.receiver.token_url.clone(),
            client_id: self.receiver.client_id.clone(),
        }
    }
}

pub(super) fn create(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let wanted = args.subscription();
    let connection = args.service.connect(run)?;
    if args.dry_run {
        let api = args.service.api(&connection, true)?;
        run.output.write_line(api.show_create(&wanted).as_bytes())?;
        return Ok(Outcome::Done);
    }
    change(args, run, &connection, &wanted, |step| step.refuse_other())
}

pub(super) fn update(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let connection = args.service.connect(run)?;
    change(args, run, &connection, &args.subscription(), |step| {
        step.require()
    })
}

fn change(
    args: &Args,
    run: &mut Run,
    connection: &Connection,
    wanted: &Subscription,
    check: impl Fn(&mut SubscriptionStep<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Outcome> {
    let secret = args.receiver.secret.read(&run::env, connection.retry())?;
    let api = args.service.api(connection, false)?;
    let mut changes = Changes {
        api: &api,
        ledger: match args.dry_run {
            true => None,
            false => Some(args.ledger.open(connection)?),
        },
        probes: Some(connection).filter(|_| !args.no_probe && !args.dry_run),
    };
    for mut step in changes.plan([wanted])? {
        check(&mut step)?;
        if args.dry_run {
            run.output.write_line(step.request(&api).as_bytes())?;
            return Ok(Outcome::Done);
        }
        if step.change != SubscriptionChange::Same {
            changes.probe(wanted, &secret)?;
        }
        let line = changes.take(&step, &secret)?;
        run.output.write_record(&line)?;
        if line.status() == SubscriptionChange::Same {
            return Ok(Outcome::Nothing);
        }
    }
    Ok(Outcome::Done)
}
