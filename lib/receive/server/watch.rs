//! Checks what changes while the server runs: files, disk, clock, and paths without pushes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::os::files;
use crate::receive::inbox::{CoverageNote, ReceiverState};
use crate::receive::server::certificate::CertificateExchange;
use crate::receive::server::receiver::Receiver;
use crate::time::{Timestamp, show_duration};

/// A change of the wall clock by more than this number of milliseconds is noted in the coverage.
const JUMP: i64 = 5000;

/// The interval at which the clients and the keys are read again, in seconds.
const CLIENTS_EVERY: u64 = 5;

/// The interval at which the certificate is read again, in seconds.
const CERTIFICATE_EVERY: u64 = 60;

/// The things to check.
pub(crate) struct Watch {
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) certificate: Option<Arc<CertificateExchange>>,
    /// A file in `--dir`. The free space of the disk of this file is measured.
    pub(crate) on_disk: PathBuf,
    /// A path is logged when it has had no push for this long.
    pub(crate) silence: Duration,
    pub(crate) memory: WatchMemory,
}

/// The results of the last check.
#[derive(Debug, Default)]
pub(crate) struct WatchMemory {
    rounds: u64,
    clocks: Option<(Timestamp, Instant)>,
    state: Option<ReceiverState>,
    expires_at: Option<Timestamp>,
}

impl Watch {
    /// Reads clients, keys and certificate again now.
    pub(crate) fn reload(&self) {
        self.receiver.authenticator.reload();
        if let Some(certificate) = &self.certificate {
            certificate.reload(self.receiver.clock.now());
        }
    }

    /// Checks everything. The server calls this every second.
    pub(crate) fn round(&mut self) {
        let receiver = Arc::clone(&self.receiver);
        let (now, instant) = (receiver.clock.now(), receiver.clock.instant());
        match files::free_space(&self.on_disk) {
            Ok(free) => receiver.condition.set_free(free),
            Err(e) => log::debug!("cannot read the free space of the disk: {e}"),
        }
        if self.memory.rounds % CLIENTS_EVERY == CLIENTS_EVERY - 1 {
            receiver.authenticator.reload();
        }
        if let Some(certificate) = &self.certificate {
            if self.memory.rounds % CERTIFICATE_EVERY == CERTIFICATE_EVERY - 1 {
                certificate.reload(now);
            }
            let expires_at = certificate.not_after();
            if self.memory.expires_at.replace(expires_at) != Some(expires_at) {
                receiver
                    .inbox
                    .note(CoverageNote::Certificate { expires_at });
            }
        }
        self.memory.rounds += 1;
        if let Some(by_ms) = self.clock_jump(now, instant) {
            log::warn!("the clock was changed by {by_ms} ms");
            receiver
                .inbox
                .note(CoverageNote::ClockJumped { at: now, by_ms });
        }
        let state = receiver.condition.state(instant);
        if self.memory.state.replace(state) != Some(state) {
            receiver.inbox.note(CoverageNote::State { at: now, state });
        }
        for stream in receiver.counters.newly_silent(self.silence, now) {
            log::warn!(
                "{stream}: no push for {}: is the subscription still active?",
                show_duration(self.silence)
            );
        }
    }

    fn clock_jump(&mut self, now: Timestamp, instant: Instant) -> Option<i64> {
        let (before, then) = self.memory.clocks.replace((now, instant))?;
        let passed = instant.saturating_duration_since(then);
        let by = now.millis() - before.plus(passed).millis();
        (by.abs() > JUMP).then_some(by)
    }
}
