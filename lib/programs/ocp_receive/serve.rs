//! `ocp-receive serve`: accepts pushes, and publishes them to the lake.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::serve_args::ServeArgs;
use crate::cli::run::{self, Outcome, Run};
use crate::error::{Failure, Status};
use crate::os::clock::Clock;
use crate::os::signals::Stop;
use crate::os::sockets;
use crate::receive::access::authenticator::Authenticator;
use crate::receive::committer::{Committer, CommitterOptions, instance_name};
use crate::receive::directory::ReceiveDirectory;
use crate::receive::figures::StoreFacts;
use crate::receive::inbox::Inbox;
use crate::receive::listening;
use crate::receive::publisher::{self, GivesUp, Publisher, PublisherOptions};
use crate::receive::server::capacity::Capacity;
use crate::receive::server::condition::Condition;
use crate::receive::server::counters::Counters;
use crate::receive::server::listen::ListenAddress;
use crate::receive::server::receiver::Receiver;
use crate::receive::server::running::{RunningServer, ServerParts};
use crate::receive::server::store_view::StoreView;
use crate::receive::store::Store;

pub(crate) const EXAMPLES: &str = "\
Examples:
  ocp-receive serve --listen 0.0.0.0:443 --cert fullchain.pem --key key.pem \\
      --clients clients.toml --dir ocp >> files.ndjson
  ocp-receive serve --listen 127.0.0.1:8080 --plain --clients clients.toml --dir ocp
  ocp-receive serve --listen fd:3 --plain --clients clients.toml --dir ocp --admin 127.0.0.1:9465";

/// After this time, the last publishing (after the server has stopped) begins no further batch, and
/// gives up the batch that it is reading. The next start of serve publishes the rest.
const LAST_PUBLISHING: Duration = Duration::from_secs(10);

/// How long the last requests, the last commit and the last publishing together may take after the
/// drain.
const ORDERLY_END: Duration = Duration::from_secs(45);

/// Accepts pushes until a signal arrives, a sync to disk fails, or a database is damaged.
pub(super) fn serve(args: &ServeArgs, run: &mut Run) -> anyhow::Result<Outcome> {
    let limits = Arc::new(args.limits()?);
    let clock = Clock::system();
    let stop = Stop::on_signals_within(args.drain + ORDERLY_END)?;
    sockets::raise_open_files();
    let tls = args.tls(clock.now())?;
    let open = |address: &ListenAddress| address.open(args.plain);
    let listeners = args
        .listen
        .iter()
        .map(open)
        .collect::<anyhow::Result<_>>()?;
    let admin = args.admin.as_ref().map(|address| address.open(true));
    let admin = admin.transpose()?;

    let directory = ReceiveDirectory::new(&args.dir);
    let store = Store::open_checked(&directory)?;
    let authenticator = Authenticator::open(
        &args.clients,
        &args.dir,
        args.token_ttl,
        Box::new(run::env),
        clock.clone(),
    )?;
    let instance = instance_name(run.seed());
    let condition = Arc::new(Condition::new(
        args.min_free.bytes(&args.dir)?,
        stop.clone(),
    ));
    let breaking = Arc::clone(&condition);
    let committer = Arc::new(Committer::start(
        store,
        &directory,
        CommitterOptions {
            instance: instance.clone(),
            queue_bytes: usize::try_from(args.queue).unwrap_or(usize::MAX),
            clock: clock.clone(),
            observe: Arc::new(|_, _| ()),
            broken: Arc::new(move |why| breaking.fail(why)),
        },
    )?);
    let now = clock.now();
    let counters = Counters::after(listening::streams(&Store::open(&directory)?, now)?, now);
    let facts = Arc::new(StoreFacts::new(
        Store::open(&directory)?,
        Arc::clone(&committer),
        clock.clone(),
    ));
    let mut publisher = Publisher::new(
        Store::open(&directory)?,
        &directory,
        PublisherOptions {
            instance,
            compress: args.compress,
            dedupe_keep: args.dedupe_keep,
            emit: args.emit,
            clock: clock.clone(),
        },
    );
    let server = RunningServer::start(ServerParts {
        receiver: Arc::new(Receiver {
            authenticator,
            inbox: Arc::clone(&committer) as Arc<dyn Inbox>,
            capacity: Capacity::new(limits.in_flight, limits.recordings),
            limits,
            counters,
            condition: Arc::clone(&condition),
            clock: clock.clone(),
            token_path: args.token_path.clone(),
            push_prefix: args.push_prefix.clone(),
            recordings: directory.recordings(),
            is_proxied: args.plain,
            allowed: args.allow.clone(),
            has_seen_get: AtomicBool::new(false),
        }),
        listeners,
        admin,
        tls,
        store: Arc::clone(&facts) as Arc<dyn StoreView>,
        on_disk: directory.database(),
        silence: args.silence,
    })?;
    for address in &server.addresses {
        log::info!("listening on {address}");
    }
    if let Some(address) = &server.admin_address {
        log::info!("for operators: http://{address}/");
    }
    let mut totals = (0_i64, 0_i64);
    let mut publish = |run: &mut Run, publisher: &mut Publisher, gives_up: GivesUp<'_>| {
        let counts = publisher.publish(&mut run.output, gives_up)?;
        run.output.flush()?;
        facts.published(&counts);
        totals.0 += counts.totals.records;
        totals.1 += counts.totals.duplicates;
        anyhow::Ok(())
    };
    let ended = loop {
        // The first round publishes at once what the last run left unpublished.
        match publish(run, &mut publisher, &|| stop.requested().is_some()) {
            Ok(()) => {}
            Err(e) if publisher::is_fatal(&e) => {
                stop.request(Status::of(&e));
                break e;
            }
            Err(e) => log::error!("publishing failed: {e:#}; trying again"),
        }
        if let Err(e) = clock.sleep(&stop, args.publish_every) {
            break e;
        }
    };
    server.stop(args.drain);
    committer.finish();
    let is_broken = condition.is_broken();
    if !is_broken && !publisher::is_fatal(&ended) {
        let began = clock.instant();
        publish(run, &mut publisher, &|| {
            clock.instant() - began > LAST_PUBLISHING
        })?;
    }
    run.report.set("records", totals.0);
    run.report.set("duplicates", totals.1);
    match (is_broken, publisher.is_unread()) {
        (true, _) => Err(Failure::new(Status::Io, "a sync failed: see above").into()),
        (false, true) => Ok(Outcome::Partly(Status::Failed)),
        (false, false) if publisher::is_fatal(&ended) => Err(ended),
        (false, false) => {
            let left = publisher.unpublished()?;
            run.report.set("unpublished", left);
            Err(Failure::new(Status::of(&ended), farewell(&ended, left)).into())
        }
    }
}

/// The last message of a server that a signal stopped; `left` pushes are unpublished.
fn farewell(ended: &anyhow::Error, left: i64) -> String {
    let how = match Status::of(ended) {
        Status::Interrupted => "interrupted",
        _ => "terminated",
    };
    match left {
        0 => format!("{how}: everything that was acknowledged is published"),
        left => format!(
            "{how}: {left} acknowledged pushes are not published yet; the next start publishes them"
        ),
    }
}
