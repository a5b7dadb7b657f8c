//! `ocp-receive check`: checks what `serve` needs.

use std::path::Path;

use serde::Serialize;

use super::serve_args::ServeArgs;
use crate::cli::run::{self, Outcome, Run};
use crate::error::{self, Status};
use crate::os::{files, private};
use crate::receive::access::clients::Clients;
use crate::receive::access::token_keys::TokenKeys;
use crate::time::Timestamp;

pub(crate) const EXAMPLES: &str = "\
Examples:
  ocp-receive check --listen 0.0.0.0:443 --cert fullchain.pem --key key.pem \\
      --clients clients.toml --dir ocp
  ocp-receive check --listen 127.0.0.1:8080 --plain --clients clients.toml --dir ocp | jq -c .";

/// A clock with an earlier time was never set.
const EARLIEST: Timestamp = Timestamp::from_millis(1_735_689_600_000);

/// The result of one check.
#[derive(Serialize)]
struct CheckLine {
    check: &'static str,
    ok: bool,
    detail: String,
}

/// Runs all checks. The exit status is that of the first check that failed.
pub(super) fn check(args: &ServeArgs, run: &mut Run) -> anyhow::Result<Outcome> {
    args.limits()?;
    let now = run.now;
    let checks: [(&'static str, anyhow::Result<String>); 5] = [
        ("clients", clients(&args.clients)),
        ("certificate", certificate(args, now)),
        ("disk", disk(args)),
        ("clock", clock(now)),
        ("keys", keys(&args.dir, now)),
    ];
    let mut first = None;
    for (check, result) in checks {
        let (ok, detail) = match result {
            Ok(detail) => (true, detail),
            Err(e) => {
                first.get_or_insert(Status::of(&e));
                (false, format!("{e:#}"))
            }
        };
        run.output.write_record(&CheckLine { check, ok, detail })?;
    }
    Ok(first.map_or(Outcome::Done, Outcome::Partly))
}

fn clients(path: &Path) -> anyhow::Result<String> {
    let clients = Clients::read(path, &run::env)?;
    Ok(format!("{} clients", clients.count()))
}

fn certificate(args: &ServeArgs, now: Timestamp) -> anyhow::Result<String> {
    let Some((_, exchange)) = args.tls(now)? else {
        return Ok("none, --plain".to_owned());
    };
    let end = exchange.not_after();
    let days = end.since(now).as_secs() / 86_400;
    Ok(format!("{days} days left, until {}", end.rfc3339()))
}

fn disk(args: &ServeArgs) -> anyhow::Result<String> {
    if !args.dir.is_dir() {
        private::create_directory(&args.dir)?;
    }
    // The file is written in the same way as a push.
    let path = args.dir.join(".check");
    files::write_private(&path, b"")?;
    files::remove(&path)?;
    let free = files::free_space(&path)?;
    if free < args.min_free.bytes(&args.dir)? {
        let text = format!("{free} bytes left, less than --min-free");
        return Err(error::Failure::new(Status::Io, text).into());
    }
    Ok(format!("{free} bytes left"))
}

fn clock(now: Timestamp) -> anyhow::Result<String> {
    match now < EARLIEST {
        true => Err(error::usage(format!(
            "the clock of this machine says {}: set the clock, because tokens depend on it",
            now.rfc3339()
        ))),
        false => Ok(now.rfc3339()),
    }
}

fn keys(directory: &Path, now: Timestamp) -> anyhow::Result<String> {
    match directory.join("token.keys").exists() {
        false => Ok("none yet; serve makes them".to_owned()),
        true => TokenKeys::read(directory, now).map(|_| "readable".to_owned()),
    }
}
