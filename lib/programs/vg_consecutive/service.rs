//! The address of the API, its credentials and the limit of requests.

use std::time::Duration;

use clap::Args;

use crate::cli::named_files::NamedFiles;
use crate::cli::run::{self, Run};
use crate::error;
use crate::net::client::Client;
use crate::net::connection::{Connection, NetArgs};
use crate::net::http::{self, Url, check_url, parse_any_url};
use crate::net::rate::Rate;
use crate::net::secret::{self, Secret};

/// The base URL of the vendor's cloud.
const CLOUD: &str = "https://api.voicegain.ai/v1";

/// The flags for the API and for the connection to it.
#[derive(Args, Debug)]
pub(super) struct CallServiceArgs {
    /// The base URL of the API: of the cloud, or of an Edge (https://HOST:31443/ascalon-web-api).
    /// [default: https://api.voicegain.ai/v1]
    #[arg(long, value_name = "URL", env = "VOICEGAIN_BASE_URL", value_parser = parse_any_url)]
    base_url: Option<Url>,

    /// Allow plain http to HOST, for example an Edge in your own network. Everybody on the network
    /// path can read the token.
    #[arg(long, value_name = "HOST")]
    plain_http: Option<String>,

    /// At most N requests in any period of DUR. May be repeated; all limits apply. A recording
    /// counts as 10 requests. [default: 75/60s and 2000/1h, the cloud's quota]
    #[arg(long, value_name = "N/DUR", help_heading = "Network")]
    rate: Vec<Rate>,

    #[command(flatten)]
    net: NetArgs,
}

impl CallServiceArgs {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        files.read("--ca-cert", &self.net.http.ca_cert);
    }

    /// The base URL of the API: --base-url, else `imported`, else the cloud. An error with status 2
    /// if the URL is plain http to another machine that --plain-http does not name.
    pub(super) fn base(&self, imported: Option<&str>) -> anyhow::Result<Url> {
        let url = match &self.base_url {
            Some(url) => url.clone(),
            None => parse_any_url(imported.unwrap_or(CLOUD)).map_err(error::usage)?,
        };
        let is_named = self.plain_http.is_some() && self.plain_http.as_deref() == url.host_str();
        if !is_named {
            let hint = "; --plain-http HOST allows it for one host";
            check_url(&url).map_err(|e| error::usage(format!("{e}{hint}")))?;
        }
        Ok(url)
    }

    /// Opens the connection for the service and for a state in a bucket.
    pub(super) fn connect(
        &self,
        deadline: Option<Duration>,
        run: &Run,
    ) -> anyhow::Result<Connection> {
        Connection::open(&self.net, deadline, run.seed(), &run::env)
    }

    /// An HTTP client that stays within the rates of --rate.
    pub(super) fn client(&self, token: &Secret, connection: &Connection) -> Client {
        connection.client(&self.rates(), Box::new(Some(http::bearer(token))))
    }

    fn rates(&self) -> Vec<Rate> {
        if !self.rate.is_empty() {
            return self.rate.clone();
        }
        let minute = Duration::from_secs(60);
        vec![
            Rate {
                limit: 75,
                per: minute,
            },
            Rate {
                limit: 2000,
                per: minute * 60,
            },
        ]
    }
}

/// The token from the environment. An error with status 2 if the token is not set.
pub(super) fn token() -> anyhow::Result<Secret> {
    for name in ["VOICEGAIN_TOKEN", "VOICEGAIN_JWT"] {
        if let Some(token) = secret::token_from_env(name, &run::env)? {
            return Ok(token);
        }
    }
    Err(error::usage(
        "no token: set VOICEGAIN_TOKEN or VOICEGAIN_TOKEN_FILE (Project Settings, API Security)",
    ))
}
