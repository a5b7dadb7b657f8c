//! Accepts connections, with or without TLS.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::os::sockets;
use crate::receive::server::connection;
use crate::receive::server::connections::{ConnectionPlace, Connections};
use crate::receive::server::receiver::Receiver;

/// The pause after an error of the listening socket, for example when too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// The size of the read buffer of a socket: a push of the usual size fits into the buffer. Without
/// this buffer, the TLS library reads 4 KiB at a time.
const SOCKET_BUFFER: usize = 8 << 10;

/// The settings of all connections of a listener.
#[derive(Clone)]
pub(crate) struct Acceptance {
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) connections: Arc<Connections>,
    /// The certificate; `None` for plain HTTP.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Becomes true when the server stops: then no more connections are accepted, and the open
    /// connections end.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Accepts connections until the server stops.
pub(crate) async fn accept(listener: TcpListener, acceptance: Acceptance) {
    let mut stopping = acceptance.stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        match accepted {
            Ok((stream, from)) => admit(stream, from.ip(), &acceptance),
            Err(e) => {
                log::warn!("accepting a connection: {e}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn admit(stream: TcpStream, from: IpAddr, acceptance: &Acceptance) {
    let receiver = &acceptance.receiver;
    if !receiver.is_proxied && !receiver.allows(from) {
        log::info!("{from} is not in --allow");
        return;
    }
    sockets::keep_alive(&stream);
    let _ = stream.set_nodelay(true);
    match Connections::admit(&acceptance.connections, from) {
        Some(place) => drop(tokio::spawn(serve(stream, place, acceptance.clone()))),
        None => log::warn!("{from}: there are too many connections (--max-connections)"),
    }
}

async fn serve(stream: TcpStream, place: ConnectionPlace, acceptance: Acceptance) {
    let Acceptance {
        receiver,
        tls,
        stopping,
        ..
    } = acceptance;
    let Some(tls) = tls else {
        return connection::serve(stream, place, receiver, stopping).await;
    };
    let peer = Arc::clone(&place.peer);
    let stream = BufReader::with_capacity(SOCKET_BUFFER, stream);
    let handshake = timeout(receiver.limits.handshake, tls.accept(stream));
    let accepted = tokio::select! {
        accepted = handshake => accepted,
        () = peer.closed() => return,
    };
    match accepted {
        Ok(Ok(stream)) => connection::serve(stream, place, receiver, stopping).await,
        Ok(Err(e)) => log::info!("{}: TLS: {e}", peer.address),
        Err(_) => log::info!("{}: TLS: the handshake was too slow", peer.address),
    }
}
