//! Prints an OCP access token. Logs in only if no earlier login can be used.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

use crate::bucket::file_or_object::FileOrObject;
use crate::cli::args::Common;
use crate::cli::run::{self, Outcome, Run};
use crate::error;
use crate::net::connection::Connection;
use crate::net::secret::{self, Secret};
use crate::ocp::auth::{AccessArgs, REJECTED, pat_header};
use crate::ocp::keycloak::{Login, Origin};
use crate::os::digest;
use crate::time::Timestamp;

/// Print an access token for Omilia's OCP.
///
/// Uses the token of an earlier login while that token is valid, else the refresh token, else the
/// password. Programs of one user share the login in a cache that only this user can read.
#[derive(Parser, Debug)]
#[command(
    name = "ocp-token",
    version,
    before_help = "\
Examples:
  export OCP_USERNAME=svc.export OCP_PASSWORD_FILE=/run/secrets/ocp
  ocp-token --region us1 --header | curl -H @- https://us1-a.ocp.ai/…
  TOKEN=$(ocp-token --region us1 --raw)
  ocp-token --region us1 --logout"
)]
struct Args {
    /// Print the bare token instead of a JSON line.
    #[arg(long, conflicts_with_all = ["header", "logout"])]
    raw: bool,

    /// Print a header line for `curl -H @-`. If OCP_PAT is set, the line is the header that sends
    /// this personal access token.
    #[arg(long, conflicts_with = "logout")]
    header: bool,

    /// End the cached session at the IAM, and remove it from the cache.
    #[arg(long)]
    logout: bool,

    /// Get a new token if the cached token expires within SECONDS.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    min_ttl: u64,

    #[command(flatten)]
    access: AccessArgs,

    #[command(flatten)]
    common: Common,
}

/// The line of JSON that is printed without `--raw` and `--header`.
#[derive(Serialize)]
struct Token<'a> {
    access_token: &'a str,
    token_type: &'a str,
    /// When the token expires, in RFC 3339. Null for a personal access token, because only OCP
    /// knows when it expires.
    expires_at: Option<Timestamp>,
    expires_in: Option<u64>,
    source: &'a str,
}

/// Runs the program.
pub fn main() -> ExitCode {
    run::main(
        |args: &Args| &args.common,
        |args, files| files.read("--ca-cert", &args.access.net.http.ca_cert),
        body,
    )
}

fn body(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    if let Some(FileOrObject::Object(url)) = &args.common.output {
        return Err(error::usage(format!(
            "--output {url}: a token is a secret: write it to a file or a pipe"
        )));
    }
    if let Some(pat) = secret::token_from_env("OCP_PAT", &run::env)?
        && !args.logout
    {
        let header = pat_header(&pat, args.access.pat_form);
        let token = Token {
            access_token: pat.expose(),
            token_type: "pat",
            expires_at: None,
            expires_in: None,
            source: "environment",
        };
        return print(args, run, &token, &header);
    }
    let connection = Connection::open(&args.access.net, None, run.seed(), &run::env)?;
    let cache_home = run::cache_home(&run::env);
    let login = Login::from_args(&args.access.login, &connection, cache_home, &run::env)?
        .ok_or_else(|| {
            error::usage("no credentials: set OCP_USERNAME and OCP_PASSWORD, or OCP_PAT")
        })?;
    if args.logout {
        return Ok(match login.logout()? {
            true => Outcome::Done,
            false => Outcome::Nothing,
        });
    }
    let min_ttl = Duration::from_secs(args.min_ttl);
    let refused = run::env(REJECTED);
    let is_refused = |token: &Secret| {
        let hash = refused
            .as_ref()
            .map(|_| digest::sha256(token.expose().as_bytes()));
        hash.is_some() && hash == refused
    };
    let (grant, origin) = login.token(None, min_ttl, &is_refused)?;
    let left = grant.expires_at.since(connection.retry().now());
    if left < min_ttl {
        log::warn!(
            "the token is valid for {}s, less than --min-ttl",
            left.as_secs()
        );
    }
    let token = Token {
        access_token: grant.access_token.expose(),
        token_type: "Bearer",
        expires_at: Some(grant.expires_at),
        expires_in: Some(left.as_secs()),
        source: match origin {
            Origin::Cache => "cache",
            Origin::Refresh => "refresh",
            Origin::Login => "login",
        },
    };
    run.report.set("expires_at", grant.expires_at.rfc3339());
    print(
        args,
        run,
        &token,
        &crate::net::http::bearer(&grant.access_token),
    )
}

fn print(
    args: &Args,
    run: &mut Run,
    token: &Token<'_>,
    header: &(String, Secret),
) -> anyhow::Result<Outcome> {
    run.report.set("source", token.source);
    if args.raw {
        run.output.write_line(token.access_token.as_bytes())?;
    } else if args.header {
        let line = format!("{}: {}", header.0, header.1.expose());
        run.output.write_line(line.as_bytes())?;
    } else {
        run.output.write_record(token)?;
    }
    Ok(Outcome::Done)
}
