//! The place where a server listens: an address, or a socket that systemd opened.

use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

use anyhow::Context;

use crate::error::{self, Failure, Status};
use crate::os::sockets;

/// The value of `--listen`: `ADDRESS:PORT`, or `fd:3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// An address and a port. For port 0, the system chooses a free port.
    Address(SocketAddr),
    /// A socket that is already open.
    Passed(usize),
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<ListenAddress, String> {
        let wrong = || format!("'{text}' is not ADDRESS:PORT or fd:N");
        if let Some(number) = text.strip_prefix("fd:") {
            return number
                .parse()
                .map(ListenAddress::Passed)
                .map_err(|_| wrong());
        }
        let mut found = text.to_socket_addrs().map_err(|_| wrong())?;
        found.next().map(ListenAddress::Address).ok_or_else(wrong)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Address(address) => address.fmt(f),
            ListenAddress::Passed(number) => write!(f, "fd:{number}"),
        }
    }
}

impl ListenAddress {
    /// Opens the socket. An error with status 75 if another process has the port; with status 2 if
    /// this machine does not have the address, or, with `is_local`, if the address is not a
    /// loopback address.
    pub(crate) fn open(&self, is_local: bool) -> anyhow::Result<TcpListener> {
        let listener = match self {
            ListenAddress::Address(address) => TcpListener::bind(address),
            ListenAddress::Passed(number) => sockets::passed_listener(*number),
        };
        let place = || format!("--listen {self}");
        let listener = listener
            .map_err(|e| {
                let status = match e.kind() {
                    std::io::ErrorKind::AddrInUse => Status::TryLater,
                    std::io::ErrorKind::PermissionDenied
                    | std::io::ErrorKind::NotFound
                    | std::io::ErrorKind::AddrNotAvailable => Status::Usage,
                    _ => Status::Io,
                };
                Failure::new(status, e.to_string())
            })
            .with_context(place)?;
        let address = listener.local_addr().with_context(place)?;
        if is_local && !address.ip().is_loopback() {
            return Err(error::usage(
                "without TLS it must be a loopback address, for example 127.0.0.1:8080",
            ))
            .with_context(place);
        }
        listener.set_nonblocking(true).with_context(place)?;
        Ok(listener)
    }
}
