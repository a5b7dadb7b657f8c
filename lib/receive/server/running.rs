//! Starts, runs and stops a server.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;

use crate::os::signals;
use crate::receive::inbox::{CoverageNote, ReceiverState};
use crate::receive::server::accept::{self, Acceptance};
use crate::receive::server::admin::{self, Admin};
use crate::receive::server::certificate::CertificateExchange;
use crate::receive::server::connections::Connections;
use crate::receive::server::receiver::Receiver;
use crate::receive::server::store_view::StoreView;
use crate::receive::server::watch::{Watch, WatchMemory};

/// How long open requests may take after a stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// The parts of a server.
pub(crate) struct ServerParts {
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) admin: Option<TcpListener>,
    /// The certificate; `None` for plain HTTP.
    pub(crate) tls: Option<(TlsAcceptor, Arc<CertificateExchange>)>,
    pub(crate) store: Arc<dyn StoreView>,
    /// A file in `--dir`. The free space of the disk of this file is measured.
    pub(crate) on_disk: PathBuf,
    pub(crate) silence: Duration,
}

/// A running server with its own threads.
pub(crate) struct RunningServer {
    runtime: Runtime,
    receiver: Arc<Receiver>,
    connections: Arc<Connections>,
    stopping: watch::Sender<bool>,
    /// The addresses of its listeners.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The address of the admin listener.
    pub(crate) admin_address: Option<SocketAddr>,
}

impl RunningServer {
    /// Starts to accept connections.
    pub(crate) fn start(parts: ServerParts) -> anyhow::Result<RunningServer> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("server")
            .enable_all()
            .build()
            .context("starting the threads of the server")?;
        let connections = Arc::new(Connections::new(&parts.receiver.limits));
        let (stopping, stop) = watch::channel(false);
        let certificate = parts.tls.as_ref().map(|(_, exchange)| Arc::clone(exchange));
        let acceptance = Acceptance {
            receiver: Arc::clone(&parts.receiver),
            connections: Arc::clone(&connections),
            tls: parts.tls.map(|(acceptor, _)| acceptor),
            stopping: stop,
        };
        let mut watched = Watch {
            receiver: Arc::clone(&parts.receiver),
            certificate: certificate.clone(),
            on_disk: parts.on_disk,
            silence: parts.silence,
            memory: WatchMemory::default(),
        };
        watched.round();
        let hangup = Arc::new(Notify::new());
        let notified = Arc::clone(&hangup);
        signals::on_hangup(move || notified.notify_one())?;
        let _entered = runtime.enter();
        let mut addresses = Vec::new();
        let admin_address = parts.admin.as_ref().map(TcpListener::local_addr);
        let admin_address = admin_address.transpose()?;
        for listener in parts.listeners {
            addresses.push(listener.local_addr()?);
            let listener = tokio::net::TcpListener::from_std(listener)?;
            runtime.spawn(accept::accept(listener, acceptance.clone()));
        }
        if let Some(listener) = parts.admin {
            let admin = Arc::new(Admin {
                receiver: Arc::clone(&parts.receiver),
                connections: Arc::clone(&connections),
                certificate,
                store: parts.store,
            });
            let listener = tokio::net::TcpListener::from_std(listener)?;
            runtime.spawn(admin::serve(listener, admin));
        }
        runtime.spawn(keep_watch(watched, hangup));
        drop(_entered);
        Ok(RunningServer {
            runtime,
            receiver: parts.receiver,
            connections,
            stopping,
            addresses,
            admin_address,
        })
    }

    /// Stops the server. For the time `drain`, the server reports that it is not ready, but still
    /// accepts pushes. After a failed sync, this time is skipped. Then the server accepts no more
    /// connections, and answers open requests for up to 10 s. After that it refuses pushes.
    pub(crate) fn stop(self, drain: Duration) {
        let condition = &self.receiver.condition;
        condition.drain();
        let connections = Arc::clone(&self.connections);
        let is_broken = condition.is_broken();
        self.runtime.block_on(async {
            if !is_broken {
                tokio::time::sleep(drain).await;
            }
            self.stopping.send_replace(true);
            let ended = async {
                while connections.count() != (0, 0) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            if tokio::time::timeout(LAST_REQUESTS, ended).await.is_err() {
                log::warn!("connections that did not end in 10 s are closed");
            }
        });
        condition.stop_taking();
        self.receiver.inbox.note(CoverageNote::State {
            at: self.receiver.clock.now(),
            state: ReceiverState::Down,
        });
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

async fn keep_watch(mut watched: Watch, hangup: Arc<Notify>) {
    loop {
        let is_hangup = tokio::select! {
            () = hangup.notified() => true,
            () = tokio::time::sleep(Duration::from_secs(1)) => false,
        };
        let round = tokio::task::spawn_blocking(move || {
            match is_hangup {
                true => watched.reload(),
                false => watched.round(),
            }
            watched
        });
        match round.await {
            Ok(back) => watched = back,
            Err(_) => return,
        }
    }
}
