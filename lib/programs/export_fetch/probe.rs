//! Tests whether an account works, and names the setting to change if it does not.

use std::path::{Path, PathBuf};

use super::connect::{connect, share};
use crate::cli::named_files::NamedFiles;
use crate::cli::probe::{ProbeFormat, ProbeReport};
use crate::cli::run::{self, Outcome, Run};
use crate::net::http::join_path;
use crate::net::rate::Rate;
use crate::net::shared_budget::RateScope;
use crate::ocp::api_args::ExportsApiArgs;
use crate::ocp::exports::Exports;
use crate::ocp::metrics::api::MetricsApi;
use crate::ocp::metrics::args::METRICS_PATH;
use crate::ocp::probe::{OtherApi, OtherApis, Probe, ProbeArgs};
use crate::ocp::profile::Profile;
use crate::ocp::subscriptions::api::SubscriptionApi;
use crate::ocp::subscriptions::profile::SubscriptionProfile;
use crate::os::files;

pub(super) const EXAMPLES: &str = "\
Examples:
  export-fetch probe --region us1 --group acme
  export-fetch probe --region us1 --group acme --create --write-profile acme.toml
  export-fetch probe --region us1 --group acme --with metrics,subscriptions
  export-fetch probe --region us1 --group acme --format ndjson | jq -c '[.role, .ok]'";

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    probe: ProbeArgs,

    /// The format of the steps.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ProbeFormat,

    /// Write the corrected API profile to FILE, for --api-profile.
    #[arg(long, value_name = "FILE")]
    write_profile: Option<PathBuf>,

    /// At most N ZIPs in any period of DUR.
    #[arg(long, value_name = "N/DUR", default_value = "5/60s")]
    rate: Rate,

    #[command(flatten)]
    api: ExportsApiArgs,
}

/// The first lines of a profile that a probe writes.
const HEAD: &str = "\
# The differences from the built-in API profile that export-fetch probe found:
# see export-fetch --print-api-profile.
";

impl Args {
    pub(super) fn name_files(&self, files: &mut NamedFiles) {
        self.api.name_files(files);
        files.write("--write-profile", &self.write_profile);
    }
}

pub(super) fn run(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let base = args.api.base()?;
    let profile = Profile::load(args.api.profile())?;
    let (connection, auth) = connect(&args.api, None, run)?;
    let (_, for_token) = connect(&args.api, None, run)?;
    let share = share(RateScope::Origin, &base, &auth, run);
    let client = connection.sharing_client(args.rate, share, Box::new(auth));
    let api = Exports::new(client, profile, base);
    let temp_dir = run::temp_dir(&run::env);
    let others = others(args, &temp_dir, run)?;
    let report = ProbeReport::new(&mut run.output, args.format);
    let probe = Probe::new(&args.probe, api, others, temp_dir, report);
    let (corrected, report) = probe.run(&for_token)?;
    if let Some(path) = &args.write_profile {
        let text = format!("{HEAD}\n{}", corrected.differences()?);
        files::write_atomic(path, text.as_bytes())?;
    }
    report.finish()
}

/// The other APIs of the account that --with names. They use the same login.
fn others(args: &Args, temp_dir: &Path, run: &Run) -> anyhow::Result<OtherApis> {
    let (base, path) = (args.api.base()?, args.api.profile());
    let client = || {
        let (connection, auth) = connect(&args.api, None, run)?;
        anyhow::Ok(connection.client(&[], Box::new(auth)))
    };
    let mut others = OtherApis::default();
    if args.probe.with.contains(&OtherApi::Metrics) {
        let url = join_path(&base, METRICS_PATH);
        let temp_dir = temp_dir.to_owned();
        others.metrics = Some(MetricsApi::new(client()?, url, false, temp_dir));
    }
    if args.probe.with.contains(&OtherApi::Subscriptions) {
        let (words, profile) = (Profile::load(path)?, SubscriptionProfile::load(path)?);
        others.subscriptions = Some(SubscriptionApi::new(client()?, words, profile, base));
    }
    Ok(others)
}
