//! The table of open connections. A full table closes the oldest connection without a valid token,
//! or refuses the new connection.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::os::mutex::lock;
use crate::receive::server::limits::ServerLimits;
use crate::receive::server::peer::Peer;

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    /// The connections in their order of arrival.
    peers: BTreeMap<u64, Arc<Peer>>,
}

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<OpenConnections>,
    most: usize,
    most_unauthenticated: usize,
}

/// A connection's place in the table. Dropping the place frees it.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    number: u64,
    /// The connection in this place.
    pub(crate) peer: Arc<Peer>,
    connections: Arc<Connections>,
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        lock(&self.connections.open).peers.remove(&self.number);
    }
}

impl Connections {
    /// An empty table.
    pub(crate) fn new(limits: &ServerLimits) -> Connections {
        Connections {
            open: Mutex::default(),
            most: limits.connections,
            most_unauthenticated: limits.unauthenticated,
        }
    }

    /// Adds a connection. If the table is full, or has too many connections without a valid token,
    /// the oldest connection without a valid token is closed. `None` if the table is full and all
    /// its connections have a valid token.
    pub(crate) fn admit(connections: &Arc<Connections>, from: IpAddr) -> Option<ConnectionPlace> {
        let mut open = lock(&connections.open);
        let strangers: Vec<u64> = open
            .peers
            .iter()
            .filter(|(_, peer)| !peer.is_authenticated())
            .map(|(number, _)| *number)
            .collect();
        let is_full = open.peers.len() >= connections.most;
        if is_full || strangers.len() >= connections.most_unauthenticated {
            match strangers
                .first()
                .and_then(|oldest| open.peers.remove(oldest))
            {
                Some(peer) => peer.close(),
                None => return None,
            }
        }
        let number = open.next;
        open.next += 1;
        let peer = Arc::new(Peer::new(from));
        open.peers.insert(number, Arc::clone(&peer));
        drop(open);
        Some(ConnectionPlace {
            number,
            peer,
            connections: Arc::clone(connections),
        })
    }

    /// The number of connections with a valid token, and the number without a valid token.
    pub(crate) fn count(&self) -> (usize, usize) {
        let open = lock(&self.open);
        let known = open.peers.values().filter(|peer| peer.is_authenticated());
        let known = known.count();
        (known, open.peers.len() - known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(connections: &Arc<Connections>) -> Option<ConnectionPlace> {
        Connections::admit(connections, [192, 0, 2, 1].into())
    }

    async fn is_closed(place: &ConnectionPlace) -> bool {
        let soon = std::time::Duration::from_millis(1);
        let closed = tokio::time::timeout(soon, place.peer.closed()).await;
        closed.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn r23_the_oldest_stranger_gives_way_and_a_client_never() {
        let limits = ServerLimits {
            connections: 4,
            unauthenticated: 2,
            ..ServerLimits::default()
        };
        let connections = Arc::new(Connections::new(&limits));
        let client = admit(&connections).unwrap();
        client.peer.set_authenticated();
        let first = admit(&connections).unwrap();
        let second = admit(&connections).unwrap();
        let third = admit(&connections).unwrap();
        assert!(is_closed(&first).await);
        assert!(!is_closed(&second).await && !is_closed(&client).await);
        assert_eq!(connections.count(), (1, 2));
        for place in [&second, &third] {
            place.peer.set_authenticated();
        }
        let fourth = admit(&connections).unwrap();
        fourth.peer.set_authenticated();
        assert!(admit(&connections).is_none(), "all are clients");
        drop(second);
        assert!(admit(&connections).is_some());
    }
}
