//! Limits the bytes of bodies in memory, and the recordings that are received at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How many bytes of bodies, and how many recordings, a server can receive at once.
#[derive(Debug)]
pub(crate) struct Capacity {
    bytes: Arc<Semaphore>,
    recordings: Arc<Semaphore>,
    all_bytes: usize,
}

/// The room did not become free before the end of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// Reserved bytes. Dropping the reservation frees the bytes.
#[derive(Debug)]
pub(crate) struct Reservation {
    permit: Option<OwnedSemaphorePermit>,
    bytes: Arc<Semaphore>,
}

impl Capacity {
    /// Room for `in_flight` bytes and for `recordings` recordings, all of it free.
    pub(crate) fn new(in_flight: u64, recordings: usize) -> Capacity {
        let all_bytes = usize::try_from(in_flight).unwrap_or(usize::MAX);
        let all_bytes = all_bytes.min(Semaphore::MAX_PERMITS);
        Capacity {
            bytes: Arc::new(Semaphore::new(all_bytes)),
            recordings: Arc::new(Semaphore::new(recordings)),
            all_bytes,
        }
    }

    /// Waits until this many bytes can be reserved, but not longer than `until`.
    pub(crate) async fn reserve(&self, bytes: u64, until: Instant) -> Result<Reservation, NoRoom> {
        let mut reservation = Reservation {
            permit: None,
            bytes: Arc::clone(&self.bytes),
        };
        reservation.grow(bytes, until).await?;
        Ok(reservation)
    }

    /// Waits until one more recording can be received, but not longer than `until`.
    pub(crate) async fn reserve_recording(
        &self,
        until: Instant,
    ) -> Result<OwnedSemaphorePermit, NoRoom> {
        let permit = Arc::clone(&self.recordings).acquire_owned();
        let permit = timeout_at(until, permit).await.map_err(|_| NoRoom)?;
        permit.map_err(|_| NoRoom)
    }

    /// The reserved bytes.
    pub(crate) fn used(&self) -> usize {
        self.all_bytes - self.bytes.available_permits()
    }
}

impl Reservation {
    /// Waits until this many more bytes can be reserved, but not longer than `until`.
    pub(crate) async fn grow(&mut self, bytes: u64, until: Instant) -> Result<(), NoRoom> {
        let Ok(bytes) = u32::try_from(bytes) else {
            return Err(NoRoom);
        };
        if bytes == 0 {
            return Ok(());
        }
        let permit = Arc::clone(&self.bytes).acquire_many_owned(bytes);
        let permit = timeout_at(until, permit).await.map_err(|_| NoRoom)?;
        let permit = permit.map_err(|_| NoRoom)?;
        match &mut self.permit {
            Some(all) => all.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn r15_memory_is_reserved_before_it_is_used() {
        let capacity = Capacity::new(100, 1);
        let soon = || Instant::now() + Duration::from_secs(2);
        let mut first = capacity.reserve(60, soon()).await.unwrap();
        assert!(capacity.reserve(60, soon()).await.is_err());
        assert!(first.grow(60, soon()).await.is_err());
        first.grow(40, soon()).await.unwrap();
        assert_eq!(capacity.used(), 100);
        let (second, ()) = tokio::join!(capacity.reserve(100, soon()), async { drop(first) });
        assert!(second.is_ok());
        let recording = capacity.reserve_recording(soon()).await.unwrap();
        assert!(capacity.reserve_recording(soon()).await.is_err());
        drop(recording);
        assert!(capacity.reserve_recording(soon()).await.is_ok());
    }
}
