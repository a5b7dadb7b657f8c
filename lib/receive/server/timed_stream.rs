//! A connection with our own deadlines for an idle connection, for a head and for a write, and with
//! an orderly close.
//!
//! The server library has one limit for both a head and an idle connection; here these limits are
//! 10 s and 10 min.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::receive::server::limits::ServerLimits;
use crate::receive::server::peer::{Peer, Phase};

/// A stream between TLS and HTTP.
pub(crate) struct TimedStream<S> {
    inner: S,
    peer: Arc<Peer>,
    limits: Arc<ServerLimits>,
    read_alarm: Pin<Box<Sleep>>,
    write_alarm: Pin<Box<Sleep>>,
    is_writing: bool,
    ending: Option<Ending>,
}

/// The state after the reply was sent and our side of the connection was closed. The rest of the
/// request is still read, because otherwise the client would get a reset instead of the reply.
struct Ending {
    until: Instant,
    left: usize,
}

impl<S> TimedStream<S> {
    /// Adds deadlines to `inner`, depending on the phase of `peer`.
    pub(crate) fn new(inner: S, peer: Arc<Peer>, limits: Arc<ServerLimits>) -> TimedStream<S> {
        let now = Instant::now();
        TimedStream {
            inner,
            peer,
            limits,
            read_alarm: Box::pin(sleep_until(now)),
            write_alarm: Box::pin(sleep_until(now)),
            is_writing: false,
            ending: None,
        }
    }

    /// The deadline of a read; `None` while a request is being answered.
    fn read_deadline(&self) -> Option<Instant> {
        let (phase, since) = self.peer.phase();
        match phase {
            Phase::Idle => since.checked_add(self.limits.idle),
            Phase::Head => since.checked_add(self.limits.head),
            Phase::Request => None,
        }
    }

    /// Returns `result`, the result of a write, flush or close. Returns an error instead if there
    /// was no progress for too long.
    fn check_write<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.is_writing = false;
            return result;
        }
        if !self.is_writing {
            self.is_writing = true;
            let until = Instant::now() + self.limits.write;
            self.write_alarm.as_mut().reset(until);
        }
        match self.write_alarm.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.inner).poll_read(context, buffer) {
            if buffer.filled().len() > before && this.peer.phase().0 == Phase::Idle {
                this.peer.enter(Phase::Head);
            }
            return Poll::Ready(result);
        }
        let Some(deadline) = this.read_deadline() else {
            return Poll::Pending;
        };
        if this.read_alarm.deadline() != deadline {
            this.read_alarm.as_mut().reset(deadline);
        }
        ready!(this.read_alarm.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.check_write(context, result)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_flush(context);
        this.check_write(context, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ending.is_none() {
            let result = Pin::new(&mut this.inner).poll_shutdown(context);
            ready!(this.check_write(context, result))?;
            let (time, left) = this.limits.linger;
            let until = Instant::now() + time;
            this.read_alarm.as_mut().reset(until);
            this.ending = Some(Ending { until, left });
        }
        let mut block = [0; 4096];
        while let Some(ending) = &mut this.ending {
            let mut buffer = ReadBuf::new(&mut block);
            match Pin::new(&mut this.inner).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let count = buffer.filled().len();
                    ending.left = ending.left.saturating_sub(count);
                    if ending.left == 0 || Instant::now() >= ending.until {
                        break;
                    }
                }
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(this.read_alarm.as_mut().poll(context));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    fn stream() -> (TimedStream<DuplexStream>, DuplexStream, Arc<Peer>) {
        let (server, client) = duplex(64);
        let peer = Arc::new(Peer::new([192, 0, 2, 1].into()));
        let limits = Arc::new(ServerLimits::default());
        (TimedStream::new(server, peer.clone(), limits), client, peer)
    }

    async fn fails_after(read: impl Future<Output = io::Result<usize>>) -> u64 {
        let began = Instant::now();
        assert_eq!(read.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn r11_a_head_has_ten_seconds_and_an_idle_connection_ten_minutes() {
        let (mut stream, mut client, peer) = stream();
        let mut block = [0; 9];
        assert_eq!(fails_after(stream.read(&mut block)).await, 600);
        peer.enter(Phase::Idle);
        client.write_all(b"P").await.unwrap();
        assert_eq!(stream.read(&mut block).await.unwrap(), 1);
        tokio::time::sleep(Duration::from_secs(6)).await;
        client.write_all(b"O").await.unwrap();
        assert_eq!(stream.read(&mut block).await.unwrap(), 1);
        assert_eq!(fails_after(stream.read(&mut block)).await, 4);
        peer.enter(Phase::Request);
        let day = Duration::from_secs(86400);
        let waited = tokio::time::timeout(day, stream.read(&mut block)).await;
        assert!(waited.is_err(), "a body has deadlines of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn r23_a_reader_that_takes_nothing_for_ten_seconds_is_left() {
        let (mut stream, mut client, _) = stream();
        stream.write_all(&[0; 64]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(fails_after(stream.write(&[0; 64])).await, 10);
        client.read_exact(&mut [0; 64]).await.unwrap();
        stream.write_all(&[0; 64]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_comes_at_the_end_is_read_but_not_for_long() {
        let (mut stream, mut client, _) = stream();
        let began = Instant::now();
        let sent = async {
            let mut count = 0;
            while client.write_all(&[0; 64]).await.is_ok() {
                count += 64;
            }
            count
        };
        let end = async {
            stream.shutdown().await.unwrap();
            drop(stream);
        };
        let (sent, ()) = tokio::join!(sent, end);
        assert!((64 * 1024..=64 * 1024 + 8192).contains(&sent), "{sent}");
        let (mut stream, _client, _) = self::stream();
        stream.shutdown().await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}
