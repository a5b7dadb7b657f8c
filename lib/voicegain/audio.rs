//! Recordings of the exported calls: `GET /data/{id}/file`, ten times as dear as
//! any other request, so that they come after the calls, from a queue beside the
//! state that survives any end.
//!
//! The merged recording is the one in which the service redacts; the original is
//! fetched only when it is asked for by name. A recording that is gone is a normal
//! thing: calls expire with all their data. The file may be served by another
//! host, which gets no token.

use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tempfile::NamedTempFile;

use super::api::VoicegainApi;
use super::call::{Call, parse_id};
use super::progress::Queue;
use super::refusal;
use crate::cli::run::Report;
use crate::error::{self, Status};
use crate::export::side_log::SideLog;
use crate::net::client::{ApiCall, Sent};
use crate::net::http::{Reply, Url, join_path};
use crate::net::retry::{Attempt, Failed};
use crate::os::files;

const NAME: &str = "audio";

/// What a request for a recording counts as, by the vendor's article on rate
/// limiting; its release notes once said 1.
const UNITS: usize = 10;

/// Media types and the extensions of their files.
const TYPES: [(&str, &str); 10] = [
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/wave", "wav"),
    ("audio/vnd.wave", "wav"),
    ("audio/mpeg", "mp3"),
    ("audio/x-ms-wma", "wma"),
    ("audio/ogg", "ogg"),
    ("audio/flac", "flac"),
    ("audio/mp4", "m4a"),
    ("audio/webm", "webm"),
];

/// What a file of one of them begins with.
const HEADS: [(&[u8], &str); 5] = [
    (b"RIFF", "wav"),
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
];

/// Where a type is not known.
const OTHER: &str = "bin";

/// Which recording of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Both parties, redacted where the project redacts.
    Merged,
    /// As it was recorded, not redacted.
    Original,
}

/// The flags about recordings.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Recordings")]
pub struct AudioArgs {
    /// Fetch the recording of each exported call to DIR, as CALL.wav or whatever
    /// it is; after the calls, and in the next run what this one leaves.
    #[arg(long, value_name = "DIR", requires = "state")]
    pub audio_dir: Option<PathBuf>,

    /// Which recording. The original is not redacted, and is named CALL.original.wav.
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "merged",
        requires = "audio_dir"
    )]
    pub audio: Which,
}

/// The queue of recordings to fetch.
#[derive(Debug)]
pub struct Recordings {
    dir: PathBuf,
    which: Which,
    base: Url,
    trail: SideLog,
    queue: Queue,
    fetched: u64,
    kept: u64,
    gone: u64,
    missing: u64,
    failed: u64,
    bytes: u64,
}

/// What came of one recording.
enum RecordingOutcome {
    File(u64),
    Gone,
}

impl Recordings {
    /// The queue as the state has it; `None` if no recordings are asked for.
    pub fn open(
        args: &AudioArgs,
        base: &Url,
        state: &Path,
        queue: Option<Queue>,
    ) -> anyhow::Result<Option<Recordings>> {
        let Some(dir) = &args.audio_dir else {
            return Ok(None);
        };
        files::create_directory(dir)?;
        files::remove_leftovers(dir).with_context(|| dir.display().to_string())?;
        let mut queue = queue.unwrap_or_default();
        SideLog::remove_others(state, NAME, &[queue.mark.generation])
            .with_context(|| state.display().to_string())?;
        // A queue that is empty begins a new file, or it would grow for ever.
        let is_used_up = queue.mark.bytes > 0 && queue.done >= queue.mark.bytes;
        let trail = match is_used_up {
            false => SideLog::open(state, NAME, queue.mark)?,
            true => {
                let mut trail = SideLog::begin_next(state, NAME, queue.mark)?;
                queue = Queue {
                    mark: trail.sync()?,
                    done: 0,
                };
                trail
            }
        };
        Ok(Some(Recordings {
            dir: dir.clone(),
            which: args.audio,
            base: base.clone(),
            trail,
            queue,
            fetched: 0,
            kept: 0,
            gone: 0,
            missing: 0,
            failed: 0,
            bytes: 0,
        }))
    }

    /// Queues the recording of a call.
    pub(super) fn add(&mut self, call: &Call) -> anyhow::Result<()> {
        let id = match self.which {
            Which::Merged => &call.merged_audio,
            Which::Original => &call.recording,
        };
        match id {
            None => self.missing += 1,
            Some(id) if is_plain(id) => self.trail.append(&format!("{} {id}", call.id))?,
            Some(_) => {
                log::warn!("call {}: the id of its recording is no id", call.id);
                self.failed += 1;
            }
        }
        Ok(())
    }

    /// Brings the queue onto the disk, and says what the state has to say.
    pub(super) fn sync(&mut self) -> anyhow::Result<Option<Queue>> {
        self.queue.mark = self.trail.sync()?;
        Ok(Some(self.queue))
    }

    /// What the state has to say about a queue that has not grown.
    pub(super) fn mark(&self) -> Option<Queue> {
        Some(self.queue)
    }

    /// Whether a recording was refused for good.
    pub(super) fn has_failed(&self) -> bool {
        self.failed > 0
    }

    pub(super) fn report(&self, report: &mut Report) {
        report.set("recordings", self.fetched);
        report.set("recordings_kept", self.kept);
        report.set("recordings_gone", self.gone);
        report.set("recordings_missing", self.missing);
        report.set("recordings_failed", self.failed);
        report.set("recordings_bytes", self.bytes);
    }

    /// Fetches the first of the queue, unless it is there already; false if the
    /// queue is empty.
    pub(super) fn fetch_next(&mut self, api: &VoicegainApi) -> anyhow::Result<bool> {
        let mut line = String::new();
        self.trail
            .reader(self.queue.done)?
            .read_line(&mut line)
            .with_context(|| format!("the queue for {}", self.dir.display()))?;
        if line.is_empty() {
            return Ok(false);
        }
        let (call, id) = line.trim_end().split_once(' ').unwrap_or_default();
        if parse_id(call).is_none() || !is_plain(id) {
            return Err(error::bad_input(
                "the queue of recordings holds something else",
            ));
        }
        let stem = match self.which {
            Which::Merged => call.to_owned(),
            Which::Original => format!("{call}.original"),
        };
        if self.is_there(&stem) {
            self.kept += 1;
        } else {
            match self.fetch(api, &stem, id) {
                Ok(RecordingOutcome::File(bytes)) => {
                    self.fetched += 1;
                    self.bytes += bytes;
                }
                Ok(RecordingOutcome::Gone) => {
                    log::info!("the recording of call {call} is gone");
                    self.gone += 1;
                }
                Err(e) if Status::of(&e) == Status::Refused => {
                    log::warn!("the recording of call {call}: {e:#}");
                    self.failed += 1;
                }
                Err(e) => return Err(e),
            }
        }
        self.queue.done += line.len() as u64;
        Ok(true)
    }

    fn is_there(&self, stem: &str) -> bool {
        let mut extensions = TYPES.iter().map(|(_, extension)| *extension).chain([OTHER]);
        extensions.any(|extension| self.dir.join(format!("{stem}.{extension}")).is_file())
    }

    fn fetch(&self, api: &VoicegainApi, stem: &str, id: &str) -> anyhow::Result<RecordingOutcome> {
        let url = join_path(&self.base, &format!("/data/{id}/file"));
        let mut temp = files::temp_beside(&self.dir.join(stem))?;
        let place = || format!("writing to {}", self.dir.display());
        let mut tries = None;
        loop {
            let have = temp.as_file().metadata().with_context(place)?.len();
            let range = [("range".to_owned(), format!("bytes={have}-"))];
            let call = ApiCall {
                headers: if have > 0 { &range } else { &[] },
                units: UNITS,
                ..ApiCall::get(url.clone(), "audio/*, */*;q=0.5")
            };
            let failed = match api.client().once(&call)? {
                Sent::Failed(failed) => failed,
                Sent::Reply(mut reply) => {
                    match self.keep(&call.what, &mut reply, &mut temp, stem)? {
                        Attempt::Done(outcome) => return Ok(outcome),
                        Attempt::Again(failed) => failed,
                    }
                }
            };
            tries
                .get_or_insert_with(|| api.retry().tries(&call.what))
                .again(failed)?;
        }
    }

    /// Keeps what a reply brings.
    fn keep(
        &self,
        what: &str,
        reply: &mut Reply,
        temp: &mut NamedTempFile,
        stem: &str,
    ) -> anyhow::Result<Attempt<RecordingOutcome>> {
        let place = || format!("writing to {}", self.dir.display());
        let have = temp.as_file().metadata().with_context(place)?.len();
        match reply.status {
            200 => temp.as_file().set_len(0).with_context(place)?,
            206 if continues(reply, have) => {}
            // What is here is not what is there: from the start.
            206 | 416 if have > 0 => {
                temp.as_file().set_len(0).with_context(place)?;
                return Ok(again("the service sends another part of it"));
            }
            404 | 410 => return Ok(Attempt::Done(RecordingOutcome::Gone)),
            _ => return Err(refusal::of(what, reply)),
        }
        let kind = reply.content_type.clone().unwrap_or_default();
        if kind.starts_with("text/html") || kind.starts_with("application/json") {
            temp.as_file().set_len(0).with_context(place)?;
            return Ok(again(&format!("the reply is {kind} and no recording")));
        }
        temp.as_file_mut()
            .seek(SeekFrom::End(0))
            .with_context(place)?;
        if let Err(e) = reply.copy_to(temp, u64::MAX).with_context(place)? {
            return e.into_failed().map(Attempt::Again);
        }
        let bytes = temp.as_file().metadata().with_context(place)?.len();
        if bytes == 0 {
            return Ok(again("the reply is empty"));
        }
        let extension = extension(&kind, temp.as_file_mut()).with_context(place)?;
        let path = self.dir.join(format!("{stem}.{extension}"));
        let done = std::mem::replace(temp, files::temp_beside(&path)?);
        files::commit(done, &path)?;
        Ok(Attempt::Done(RecordingOutcome::File(bytes)))
    }
}

fn again<T>(why: &str) -> Attempt<T> {
    Attempt::Again(Failed::content(why, Status::Refused))
}

/// Ids of data are UUIDs; what becomes part of a path must at least look like one.
fn is_plain(id: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !id.is_empty() && id.len() <= 64 && id.bytes().all(is_fine)
}

/// Whether a part begins where ours ends.
fn continues(reply: &Reply, have: u64) -> bool {
    let range = reply.header("content-range").unwrap_or_default();
    have > 0 && range.starts_with(&format!("bytes {have}-"))
}

fn extension(kind: &str, file: &mut File) -> std::io::Result<&'static str> {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if let Some((_, extension)) = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(kind))
    {
        return Ok(extension);
    }
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(4).read_to_end(&mut head)?;
    let found = HEADS.iter().find(|(known, _)| head.starts_with(known));
    Ok(found.map_or(OTHER, |(_, extension)| extension))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn an_extension_is_of_the_type_or_of_the_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"OggS....").unwrap();
        for (kind, expected) in [
            ("audio/mpeg", "mp3"),
            ("Audio/X-MS-WMA; x=y", "wma"),
            ("application/octet-stream", "ogg"),
            ("", "ogg"),
        ] {
            assert_eq!(extension(kind, &mut file).unwrap(), expected, "{kind}");
        }
        let mut empty = tempfile::tempfile().unwrap();
        assert_eq!(extension("", &mut empty).unwrap(), "bin");
    }

    #[test]
    fn an_id_of_a_recording_stays_in_its_place() {
        assert!(is_plain("49532709-1f2a-4e5b-a8c8-9e301c5a749d"));
        for bad in ["", "..", "a/b", "a?b", "a b", "é"] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
