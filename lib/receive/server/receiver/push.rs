//! Handles a push: body, commit and reply.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::HeaderMap;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::{AcceptedPush, Receiver};
use crate::receive::inbox::CommitFailure;
use crate::receive::push::{Push, PushContent};
use crate::receive::server::body;
use crate::receive::server::capacity::Reservation;
use crate::receive::server::head;
use crate::receive::server::recording_stage::{self, StageFailure, StagedRecording};
use crate::receive::server::refusal::{self, PushRefusal, WholeResponse};

/// The pause before a push is submitted again to a queue that was full.
const QUEUE_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Resources that stay reserved until the commit.
struct HeldUntilCommit {
    _reservation: Option<Reservation>,
    _staged: Option<StagedRecording>,
}

impl Receiver {
    /// Handles a push: checks the size, waits for room, reads the body, commits, replies.
    pub(super) async fn push<B>(
        &self,
        accepted: AcceptedPush,
        headers: &HeaderMap,
        body: &mut B,
    ) -> Result<WholeResponse, PushRefusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let received_at = self.clock.now();
        let limits = &self.limits;
        let AcceptedPush { announced, .. } = accepted;
        if announced.length.is_none() && !announced.is_chunked {
            return Err(PushRefusal::LengthRequired);
        }
        let most = match accepted.is_recording {
            true => limits.max_recording,
            false => limits.max_push,
        };
        let length = announced.length.unwrap_or_default();
        if length > most {
            return Err(PushRefusal::TooLarge);
        }
        if let Some(why) = self.condition.refuses(length) {
            return Err(PushRefusal::Unavailable(why));
        }
        let until = Instant::now() + limits.room;
        let overload = PushRefusal::Overload(limits.overload_status);
        let (content, held, _place) = if accepted.is_recording {
            let place = self.capacity.reserve_recording(until).await;
            let place = place.map_err(|_| overload)?;
            let staged = self.stage(body, accepted.is_gzip).await?;
            let content = PushContent::Recording {
                staged: staged.file.path().to_owned(),
                bytes: staged.bytes,
                sha256: staged.sha256,
            };
            let held = HeldUntilCommit {
                _reservation: None,
                _staged: Some(staged),
            };
            (content, held, Some(place))
        } else {
            let reservation = self.capacity.reserve(length, until).await;
            let mut reservation = reservation.map_err(|_| overload)?;
            let mut text = body::whole(body, most, length, &mut reservation, limits).await?;
            if accepted.is_gzip {
                text = body::inflated(text, &mut reservation, limits).await?;
            }
            let held = HeldUntilCommit {
                _reservation: Some(reservation),
                _staged: None,
            };
            (PushContent::Json(text), held, None)
        };
        let one = |name: &str| head::text(headers, name).map(str::to_owned);
        let push = Push {
            received_at,
            path: accepted.stream,
            client: accepted.client,
            correlation_id: one("client-corelation-id").or_else(|| one("client-correlation-id")),
            orn: one("x-oml-orn"),
            content,
        };
        self.commit(push, held).await
    }

    async fn stage<B>(&self, body: &mut B, is_gzip: bool) -> Result<StagedRecording, PushRefusal>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let directory = self.recordings.clone();
        let staged = recording_stage::stage(body, directory, is_gzip, &self.limits).await;
        staged.map_err(|failure| match failure {
            StageFailure::Refused(refusal) => refusal,
            StageFailure::Disk(e) => {
                log::error!("writing a recording: {e}");
                PushRefusal::Unavailable("the disk failed")
            }
            StageFailure::Sync(e) => {
                self.condition.fail(&format!("syncing a recording: {e}"));
                PushRefusal::Unavailable("the disk failed")
            }
        })
    }

    /// Submits the push, waits until it is on the disk, and returns the acknowledgement.
    async fn commit(
        &self,
        push: Push,
        held: HeldUntilCommit,
    ) -> Result<WholeResponse, PushRefusal> {
        let began = self.clock.instant();
        let until = Instant::now() + self.limits.room;
        let held = Arc::new(held);
        let mut push = push;
        let committed = loop {
            let (sender, committed) = oneshot::channel();
            let kept = Arc::clone(&held);
            let done = Box::new(move |result| {
                drop(kept);
                // This fails if the request no longer waits for the result, for example after 8 s.
                let _ = sender.send(result);
            });
            match self.inbox.submit(push, done) {
                Ok(()) => break committed,
                Err(back) if Instant::now() < until => push = back,
                Err(_) => return Err(PushRefusal::Overload(self.limits.overload_status)),
            }
            sleep(QUEUE_PAUSE).await;
        };
        let result = timeout(self.limits.commit, committed).await;
        self.counters
            .committed(self.clock.instant().saturating_duration_since(began));
        match result {
            Ok(Ok(Ok(()))) => Ok(refusal::acknowledged()),
            Ok(Ok(Err(CommitFailure::Refused(why)))) => {
                log::error!("a push was not stored: {why}");
                Err(PushRefusal::Unavailable("not stored"))
            }
            Ok(Ok(Err(CommitFailure::Broken(why)))) => {
                self.condition.fail(&why);
                Err(PushRefusal::Unavailable("the disk failed"))
            }
            Ok(Err(_)) => Err(PushRefusal::Unavailable("stopping")),
            Err(_) => {
                log::error!("a commit takes longer than 8 s");
                Err(PushRefusal::Unavailable("the disk is slow"))
            }
        }
    }
}
