//! Writes a recording to the disk and hashes it on the way.

use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hyper::body::Body;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::format::gzip::{self, GzipFailure};
use crate::os::digest::Hashing;
use crate::os::files::{self, NamedTempFile};
use crate::receive::server::body::next_piece;
use crate::receive::server::limits::ServerLimits;
use crate::receive::server::pace::BodyPace;
use crate::receive::server::refusal::PushRefusal;

/// The most parts of a recording that wait in memory to be written to the disk.
const WAITING: usize = 16;

/// A complete recording on the disk. Dropping the recording deletes the file, unless the file
/// already has its final name.
#[derive(Debug)]
pub(crate) struct StagedRecording {
    pub(crate) file: NamedTempFile,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// Why a recording was not stored.
#[derive(Debug)]
pub(crate) enum StageFailure {
    /// The request is refused.
    Refused(PushRefusal),
    /// The disk reported an error.
    Disk(io::Error),
    /// A sync failed: the content of the disk is unknown.
    Sync(io::Error),
}

enum BodyPiece {
    Bytes(Bytes),
    /// The body was complete.
    End,
}

/// Writes a body to a file in `directory`.
pub(crate) async fn stage<B>(
    body: &mut B,
    directory: PathBuf,
    is_gzip: bool,
    limits: &ServerLimits,
) -> Result<StagedRecording, StageFailure>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (sender, receiver) = mpsc::channel(WAITING);
    let most = limits.max_recording;
    let writing = spawn_blocking(move || write(&directory, receiver, is_gzip, most));
    let fed = feed(body, sender, limits).await;
    let written = match writing.await {
        Ok(written) => written,
        Err(e) => Err(StageFailure::Disk(io::Error::other(e))),
    };
    match (fed, written) {
        (Err(refusal), _) => Err(StageFailure::Refused(refusal)),
        (Ok(()), written) => written,
    }
}

/// Passes the parts of a body, and its end, to the writing thread.
async fn feed<B>(
    body: &mut B,
    sender: mpsc::Sender<BodyPiece>,
    limits: &ServerLimits,
) -> Result<(), PushRefusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut pace = BodyPace::new(limits.recording, limits.least_rate);
    let mut total = 0;
    while let Some(piece) = next_piece(body, &mut pace).await? {
        total += piece.len() as u64;
        if total > limits.max_recording {
            return Err(PushRefusal::TooLarge);
        }
        // The writing thread has ended; its result says why.
        if sender.send(BodyPiece::Bytes(piece)).await.is_err() {
            return Ok(());
        }
    }
    let _ = sender.send(BodyPiece::End).await;
    Ok(())
}

fn write(
    directory: &Path,
    mut pieces: mpsc::Receiver<BodyPiece>,
    is_gzip: bool,
    most: u64,
) -> Result<StagedRecording, StageFailure> {
    let mut hashing = create(directory)?;
    let mut bytes = 0;
    loop {
        match pieces.blocking_recv() {
            Some(BodyPiece::Bytes(piece)) => {
                hashing.write_all(&piece).map_err(StageFailure::Disk)?;
                bytes += piece.len() as u64;
            }
            Some(BodyPiece::End) => break,
            None => return Err(StageFailure::Refused(PushRefusal::Cut)),
        }
    }
    if is_gzip {
        let mut raw = hashing.get_ref().as_file();
        raw.rewind().map_err(StageFailure::Disk)?;
        let mut plain = create(directory)?;
        match gzip::inflate(BufReader::new(raw), most, &mut plain) {
            Ok(length) => (hashing, bytes) = (plain, length),
            Err(GzipFailure::TooLong) => return Err(StageFailure::Refused(PushRefusal::TooLarge)),
            Err(GzipFailure::Output(e)) => return Err(StageFailure::Disk(e)),
            // The body is kept unchanged: a push is never refused for its content.
            Err(GzipFailure::Damaged) => {}
        }
    }
    let (file, sha256) = hashing.finish_raw();
    sync(file.as_file())?;
    Ok(StagedRecording {
        file,
        bytes,
        sha256,
    })
}

fn create(directory: &Path) -> Result<Hashing<NamedTempFile>, StageFailure> {
    files::temp_beside(&directory.join("recording"))
        .map(Hashing::new)
        .map_err(|e| StageFailure::Disk(io::Error::other(format!("{e:#}"))))
}

fn sync(file: &File) -> Result<(), StageFailure> {
    files::sync_data(file).map_err(StageFailure::Sync)
}
