//! The flags for the service and for the connection to it.

use std::time::Duration;

use clap::Args;

use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Run};
use crate::dialpad::api::DialpadApi;
use crate::dialpad::query::Service;
use crate::dialpad::settings::{KeyPlacement, ServiceArgs};
use crate::error;
use crate::net::connection::{Connection, NetArgs};
use crate::net::http;
use crate::net::rate::Rate;
use crate::net::secret::{self, Secret};

/// The flags for the service and for the connection to it.
#[derive(Args, Debug)]
pub(super) struct ConnectArgs {
    #[command(flatten)]
    pub(super) service: ServiceArgs,

    /// At most N requests in any period of DUR. The vendor documents no limit for this
    /// API.
    #[arg(
        long,
        value_name = "N/DUR",
        default_value = "1/1s",
        help_heading = "Network"
    )]
    rate: Rate,

    #[command(flatten)]
    net: NetArgs,
}

impl ConnectArgs {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        files.read("--ca-cert", &self.net.http.ca_cert);
    }

    /// Opens the connection for the service and for a state in a bucket.
    pub(super) fn connect(
        &self,
        deadline: Option<Duration>,
        run: &Run,
    ) -> anyhow::Result<Connection> {
        Connection::open(&self.net, deadline, run.seed(), &run::env)
    }

    /// The API of `service`. If `with_wrappers` is true, the API keeps the fields beside an array
    /// of messages.
    pub(super) fn api(
        &self,
        service: Service,
        key: Secret,
        connection: &Connection,
        with_wrappers: bool,
    ) -> DialpadApi {
        let access = match self.service.auth {
            KeyPlacement::Bearer => Some(http::bearer(&key)),
            KeyPlacement::Query => None,
        };
        let client = connection.client(&[self.rate], Box::new(access));
        let (tries, temp_dir) = (self.net.retry.tries, run::temp_dir(&run::env));
        DialpadApi::new(client, service, key, tries, with_wrappers, temp_dir)
    }
}

/// The key from the environment. An error with status 2 if the key is not set.
pub(super) fn key() -> anyhow::Result<Secret> {
    secret::token_from_env("DIALPAD_API_KEY", &run::env)?.ok_or_else(|| {
        error::usage(
            "no key: set DIALPAD_API_KEY or DIALPAD_API_KEY_FILE (Configure Digital Engagement, Admin, Profile, Integrations)",
        )
    })
}
