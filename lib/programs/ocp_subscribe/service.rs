//! The connection to the subscription API, with the flags and variables of `export-fetch`.

use std::path::PathBuf;

use crate::cli::run::{self, Run};
use crate::net::client::Access;
use crate::net::connection::Connection;
pub(super) use crate::ocp::api_args::ExportsApiArgs;
use crate::ocp::profile::Profile;
use crate::ocp::subscriptions::api::SubscriptionApi;
use crate::ocp::subscriptions::ledger::SubscriptionLedger;
use crate::ocp::subscriptions::profile::SubscriptionProfile;

#[derive(clap::Args, Debug)]
pub(super) struct LedgerArgs {
    /// The file that records each change of a subscription, its time, and the old URL and client
    /// id. Only one run at a time can use FILE.
    #[arg(long, value_name = "FILE", default_value = "subscriptions.ndjson")]
    ledger: PathBuf,
}

impl ExportsApiArgs {
    pub(super) fn connect(&self, run: &Run) -> anyhow::Result<Connection> {
        Connection::open(&self.access.net, None, run.seed(), &run::env)
    }

    /// The subscription API. If `is_silent` is true, it has no credentials, because nothing is
    /// sent.
    pub(super) fn api(
        &self,
        connection: &Connection,
        is_silent: bool,
    ) -> anyhow::Result<SubscriptionApi> {
        let (base, path) = (self.base()?, self.profile());
        let (words, profile) = (Profile::load(path)?, SubscriptionProfile::load(path)?);
        let access: Box<dyn Access> = match is_silent {
            true => Box::new(None),
            false => Box::new(self.auth(connection, run::cache_home(&run::env), &run::env)?),
        };
        let client = connection.client(&[], access);
        Ok(SubscriptionApi::new(client, words, profile, base))
    }
}

impl LedgerArgs {
    pub(super) fn path(&self) -> &PathBuf {
        &self.ledger
    }

    pub(super) fn open(&self, connection: &Connection) -> anyhow::Result<SubscriptionLedger> {
        SubscriptionLedger::open(&self.ledger, connection.retry().clock().clone())
    }
}
