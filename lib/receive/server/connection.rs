//! Handles one connection.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::receive::server::connections::ConnectionPlace;
use crate::receive::server::peer::Phase;
use crate::receive::server::receiver::Receiver;
use crate::receive::server::timed_stream::TimedStream;

/// The longest head in bytes, and the most fields in a head.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_FIELDS: usize = 64;

/// The most bytes that the parser reads at once.
const BUFFER: usize = 64 * 1024;

/// Answers the requests of a connection until the connection ends. When the server stops, only the
/// current request is still answered.
pub(crate) async fn serve<S>(
    stream: S,
    place: ConnectionPlace,
    receiver: Arc<Receiver>,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let peer = &place.peer;
    let timed = TimedStream::new(stream, Arc::clone(peer), Arc::clone(&receiver.limits));
    let service = service_fn(|request: Request<Incoming>| {
        peer.enter(Phase::Request);
        let receiver = &receiver;
        async move {
            let response = receiver.answer(peer, request).await;
            peer.enter(Phase::Idle);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .max_buf_size(BUFFER)
        .half_close(true);
    let connection = builder.serve_connection(TokioIo::new(timed), service);
    tokio::pin!(connection);
    let mut is_stopping = *stopping.borrow();
    if is_stopping {
        connection.as_mut().graceful_shutdown();
    }
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if ended.is_err_and(|e| e.is_parse()) {
                    receiver.counters.malformed();
                }
                return;
            }
            () = peer.closed() => return,
            _ = stopping.changed(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;
