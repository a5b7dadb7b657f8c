//! The flags for the address of the Exports API, for the API profile, and for the credentials.

use std::path::{Path, PathBuf};

use clap::Args;

use super::auth::{AccessArgs, Auth};
use crate::cli::named_files::NamedFiles;
use crate::error;
use crate::net::connection::Connection;
use crate::net::http::{Url, parse_url};

/// The flags of every program that uses the Exports API.
#[derive(Args, Clone, Debug)]
pub struct ExportsApiArgs {
    /// The base URL of the Exports API [default: the region's]
    #[arg(long, value_name = "URL", env = "OCP_API_URL", value_parser = parse_url)]
    api_url: Option<Url>,

    /// A TOML file with the settings that differ from the built-in API profile. The
    /// built-in profile is a guess; `export-fetch probe` finds the differences.
    #[arg(long, value_name = "FILE")]
    api_profile: Option<PathBuf>,

    /// Run CMD with sh to get a token. The first line of its output must be a token, or the
    /// JSON of ocp-token. This flag has priority over OCP_TOKEN, OCP_PAT and OCP_USERNAME.
    #[arg(long, value_name = "CMD", help_heading = "Login")]
    token_command: Option<String>,

    /// The credentials.
    #[command(flatten)]
    pub access: AccessArgs,
}

impl ExportsApiArgs {
    /// The base URL of the Exports API: `--api-url`, else the URL of the region. Fails with status
    /// 2 if neither is set.
    pub fn base(&self) -> anyhow::Result<Url> {
        match (&self.api_url, self.access.login.region) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(region)) => parse_url(region.api_url()).map_err(error::usage),
            (None, None) => Err(error::usage(
                "no API address: give --region or --api-url (OCP_API_URL)",
            )),
        }
    }

    /// The path of the API profile; `None` means the built-in profile.
    pub fn profile(&self) -> Option<&Path> {
        self.api_profile.as_deref()
    }

    /// The credentials for requests. Fails with status 2 if no credentials are set. `cache_home` is
    /// the directory for token caches.
    pub fn auth(
        &self,
        connection: &Connection,
        cache_home: Option<PathBuf>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Auth> {
        let command = self.token_command.as_deref();
        Auth::from_args(command, &self.access, connection, cache_home, env)
    }

    /// Adds the files that these flags name to `files`.
    pub fn name_files(&self, files: &mut NamedFiles) {
        files.read("--api-profile", &self.api_profile);
        files.read("--ca-cert", &self.access.net.http.ca_cert);
    }
}
