//! How the subscription API is reached: the flags and variables of `export-fetch`.

use std::path::PathBuf;

use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Run};
use crate::error;
use crate::net::client::Access;
use crate::net::connection::Connection;
use crate::net::http::{Url, parse_url};
use crate::ocp::auth::{AccessArgs, Auth};
use crate::ocp::profile::Profile;
use crate::ocp::subscriptions::api::SubscriptionApi;
use crate::ocp::subscriptions::ledger::SubscriptionLedger;
use crate::ocp::subscriptions::profile::SubscriptionProfile;

#[derive(clap::Args, Debug)]
pub(super) struct ExportsApiArgs {
    /// The base URL of the Exports API [default: the region's]
    #[arg(long, value_name = "URL", env = "OCP_API_URL", value_parser = parse_url)]
    api_url: Option<Url>,

    /// A TOML file with the settings in which this environment's API differs from the
    /// built-in profile.
    #[arg(long, value_name = "FILE")]
    api_profile: Option<PathBuf>,

    /// Run CMD with sh whenever a token is needed: its first line is a token, or
    /// the JSON of ocp-token. Comes before OCP_TOKEN, OCP_PAT and OCP_USERNAME.
    #[arg(long, value_name = "CMD", help_heading = "Login")]
    token_command: Option<String>,

    #[command(flatten)]
    access: AccessArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct LedgerArgs {
    /// The file that says what was changed and when, with the old URL and client. One run
    /// at a time can use it.
    #[arg(long, value_name = "FILE", default_value = "subscriptions.ndjson")]
    ledger: PathBuf,
}

impl ExportsApiArgs {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        files.read("--api-profile", &self.api_profile);
        files.read("--ca-cert", &self.access.net.http.ca_cert);
    }

    pub(super) fn connect(&self, run: &Run) -> anyhow::Result<Connection> {
        Connection::open(&self.access.net, None, run.seed(), &run::env)
    }

    /// The API; without credentials if nothing is sent.
    pub(super) fn api(
        &self,
        connection: &Connection,
        is_silent: bool,
    ) -> anyhow::Result<SubscriptionApi> {
        let base = match (&self.api_url, self.access.login.region) {
            (Some(url), _) => url.clone(),
            (None, Some(region)) => parse_url(region.api_url()).map_err(error::usage)?,
            (None, None) => {
                return Err(error::usage(
                    "no API address: give --region or --api-url (OCP_API_URL)",
                ));
            }
        };
        let path = self.api_profile.as_deref();
        let (words, profile) = (Profile::load(path)?, SubscriptionProfile::load(path)?);
        let access: Box<dyn Access> = match is_silent {
            true => Box::new(None),
            false => Box::new(Auth::from_args(
                self.token_command.as_deref(),
                &self.access,
                connection,
                run::cache_home(&run::env),
                &run::env,
            )?),
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
