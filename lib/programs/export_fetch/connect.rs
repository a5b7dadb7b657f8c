//! The connection, the credentials, and the runs that share the rate.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::service::BucketService;
use crate::cli::run::{self, Run};
use crate::net::connection::Connection;
use crate::net::http::Url;
use crate::net::shared_budget::{RateScope, RateShare};
use crate::ocp::api_args::ExportsApiArgs;
use crate::ocp::auth::Auth;

/// Opens a connection, and finds the credentials for the Exports API.
pub(super) fn connect(
    args: &ExportsApiArgs,
    deadline: Option<Duration>,
    run: &Run,
) -> anyhow::Result<(Connection, Auth)> {
    let connection = Connection::open(&args.access.net, deadline, run.seed(), &run::env)?;
    let auth = args.auth(&connection, run::cache_home(&run::env), &run::env)?;
    Ok((connection, auth))
}

/// A function that returns the service that holds the buckets.
pub(super) type BucketAccess<'a> = dyn Fn() -> anyhow::Result<Arc<BucketService>> + 'a;

/// The service that holds the buckets. The first call opens it; later calls return the same
/// one.
pub(super) fn service(
    connection: &Connection,
    seed: u64,
) -> impl Fn() -> anyhow::Result<Arc<BucketService>> + '_ {
    let made = OnceCell::new();
    move || match made.get() {
        Some(service) => Ok(Arc::clone(service)),
        None => {
            let service = BucketService::from_env(connection, seed, &run::env)?;
            Ok(Arc::clone(made.get_or_init(|| Arc::new(service))))
        }
    }
}

/// The runs that share the rate; `None` if each run has its own rate.
pub(super) fn share(scope: RateScope, base: &Url, auth: &Auth, run: &Run) -> Option<RateShare> {
    (scope != RateScope::None).then(|| RateShare {
        by_lane: scope == RateScope::Group,
        home: run::cache_home(&run::env),
        identity: vec![base.origin().ascii_serialization(), auth.account()],
        seed: run.seed(),
    })
}
