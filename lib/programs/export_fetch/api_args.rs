//! Which Exports API, how it is spelled, and how to be let in.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Run};
use crate::error;
use crate::net::connection::Connection;
use crate::net::http::{Url, parse_url};
use crate::net::shared_budget::{RateScope, RateShare};
use crate::ocp::auth::{AccessArgs, Auth};
use crate::ocp::profile::Profile;

/// The flags that all that `export-fetch` does share.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct ExportsApiArgs {
    /// The base URL of the Exports API [default: the region's]
    #[arg(long, value_name = "URL", env = "OCP_API_URL", value_parser = parse_url)]
    api_url: Option<Url>,

    /// A TOML file with the settings in which this environment's API differs from the
    /// built-in profile, which is a guess. `export-fetch probe` finds them.
    #[arg(long, value_name = "FILE")]
    api_profile: Option<PathBuf>,

    /// Run CMD with sh whenever a token is needed: its first line is a token, or
    /// the JSON of ocp-token. Comes before OCP_TOKEN, OCP_PAT and OCP_USERNAME.
    #[arg(long, value_name = "CMD", help_heading = "Login")]
    token_command: Option<String>,

    #[command(flatten)]
    pub(super) access: AccessArgs,
}

impl ExportsApiArgs {
    /// Where the API is. Status 2 if nothing says it.
    pub(super) fn base(&self) -> anyhow::Result<Url> {
        match (&self.api_url, self.access.login.region) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(region)) => parse_url(region.api_url()).map_err(error::usage),
            (None, None) => Err(error::usage(
                "no API address: give --region or --api-url (OCP_API_URL)",
            )),
        }
    }

    /// How it is spelled.
    pub(super) fn profile(&self) -> anyhow::Result<Profile> {
        Profile::load(self.api_profile.as_deref())
    }

    /// The network, and what lets requests in.
    pub(super) fn connect(
        &self,
        deadline: Option<Duration>,
        run: &Run,
    ) -> anyhow::Result<(Connection, Auth)> {
        let connection = Connection::open(&self.access.net, deadline, run.seed(), &run::env)?;
        let auth = Auth::from_args(
            self.token_command.as_deref(),
            &self.access,
            &connection,
            run::cache_home(&run::env),
            &run::env,
        )?;
        Ok((connection, auth))
    }

    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        files.read("--api-profile", &self.api_profile);
        files.read("--ca-cert", &self.access.net.http.ca_cert);
    }
}

/// The runs that share the rate.
pub(super) fn share(scope: RateScope, base: &Url, auth: &Auth, run: &Run) -> Option<RateShare> {
    (scope != RateScope::None).then(|| RateShare {
        by_lane: scope == RateScope::Group,
        home: run::cache_home(&run::env),
        identity: vec![base.origin().ascii_serialization(), auth.account()],
        seed: run.seed(),
    })
}
