//! Reads bodies: JSON into reserved memory, recordings to the disk.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::format::gzip::{self, GzipFailure};
use crate::receive::server::capacity::Reservation;
use crate::receive::server::limits::ServerLimits;
use crate::receive::server::pace::BodyPace;
use crate::receive::server::refusal::PushRefusal;

/// The next part of a body; `None` at its end: after the last chunk, or after the declared number
/// of bytes.
pub(crate) async fn next_piece<B>(
    body: &mut B,
    pace: &mut BodyPace,
) -> Result<Option<Bytes>, PushRefusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        let frame = timeout_at(pace.deadline(), body.frame()).await;
        match frame.map_err(|_| PushRefusal::TooSlow)? {
            None => return Ok(None),
            Some(Err(_)) => return Err(PushRefusal::Cut),
            // Trailers are not part of the body.
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    pace.count(piece.len());
                    return Ok(Some(piece));
                }
            }
        }
    }
}

/// Reads a complete body of at most `most` bytes. `reservation` already has `reserved` bytes.
pub(crate) async fn whole<B>(
    body: &mut B,
    most: u64,
    mut reserved: u64,
    reservation: &mut Reservation,
    limits: &ServerLimits,
) -> Result<Bytes, PushRefusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut pace = BodyPace::new(limits.json, limits.least_rate);
    let Some(first) = next_piece(body, &mut pace).await? else {
        return Ok(Bytes::new());
    };
    let mut all = None;
    let mut total = 0;
    let mut piece = first;
    loop {
        total += piece.len() as u64;
        if total > most {
            return Err(PushRefusal::TooLarge);
        }
        if total > reserved {
            let until = Instant::now() + limits.room;
            let grown = reservation.grow(total - reserved, until).await;
            grown.map_err(|_| PushRefusal::Overload(limits.overload_status))?;
            reserved = total;
        }
        let next = next_piece(body, &mut pace).await?;
        let Some(next) = next else {
            let Some(all) = all else {
                return Ok(piece);
            };
            let mut all: BytesMut = all;
            all.extend_from_slice(&piece);
            return Ok(all.freeze());
        };
        all.get_or_insert_with(BytesMut::new)
            .extend_from_slice(&piece);
        piece = next;
    }
}

/// The inflated text of a gzip body. A body that is not valid gzip is returned unchanged, because a
/// push is never refused for its content.
pub(crate) async fn inflated(
    body: Bytes,
    reservation: &mut Reservation,
    limits: &ServerLimits,
) -> Result<Bytes, PushRefusal> {
    // The body is first inflated only to measure its text, so that memory for the text is reserved
    // before it is used.
    let (raw, most) = (body.clone(), limits.max_push);
    let measured =
        spawn_blocking(move || gzip::inflate(&raw[..], most, &mut std::io::sink())).await;
    let length = match measured {
        Ok(Ok(length)) => length,
        Ok(Err(GzipFailure::TooLong)) => return Err(PushRefusal::TooLarge),
        _ => return Ok(body),
    };
    let until = Instant::now() + limits.room;
    let grown = reservation.grow(length, until).await;
    grown.map_err(|_| PushRefusal::Overload(limits.overload_status))?;
    let inflated = spawn_blocking(move || {
        let mut text = Vec::new();
        gzip::inflate(&body[..], most, &mut text).map(|_| Bytes::from(text))
    });
    match inflated.await {
        Ok(Ok(text)) => Ok(text),
        _ => Err(PushRefusal::Unavailable(
            "the body could not be decompressed",
        )),
    }
}
