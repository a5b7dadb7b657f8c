//! Recordings of the exported calls: `GET /data/{id}/file`. The vendor's quota counts a request for
//! a recording as ten requests, so recordings are fetched after the calls.
//!
//! A recording leaves the queue only when its file is complete, or when a refusal is final. A
//! refusal is final if the recording does not exist any more (404, 410), because calls expire with
//! all their data. It is also final if the token may not read the recording (403), but only after
//! several attempts or if this run has fetched another recording. After any other failure, the
//! recording goes to the back of the queue, so that the other recordings are fetched. The pause
//! before the next attempt becomes longer each time.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::api::VoicegainApi;
use super::call::Call;
use super::download::{EXTENSIONS, RecordingDownload, download};
use super::progress::Queue;
use super::recording_queue::{QueuedRecording, RecordingQueue, is_plain};
use crate::cli::run::Report;
use crate::error::Status;
use crate::net::http::{Url, join_path};
use crate::os::files;

/// After this number of failures of the service in a row, the remaining recordings are left to the
/// next run.
const ILL: u32 = 3;

/// After this many failed attempts at a recording, a refusal (403) is final.
const FORBIDDEN: u32 = 2;

/// The most calls that a log message names.
const NAMED: usize = 10;

/// The kind of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Both parties in one file; redacted if the project has redaction on.
    Merged,
    /// The recording as it was made, not redacted.
    Original,
}

/// The flags about recordings.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Recordings")]
pub struct AudioArgs {
    /// Fetch the recording of each exported call to DIR, as CALL.wav (or .mp3, …). Recordings are
    /// fetched after all calls are exported; later runs fetch those that are left.
    #[arg(long, value_name = "DIR", requires = "state")]
    pub audio_dir: Option<PathBuf>,

    /// Which recording to fetch. The original is not redacted, and is named CALL.original.wav.
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "merged",
        requires = "audio_dir"
    )]
    pub audio: Which,
}

/// The recordings of one run.
#[derive(Debug)]
pub struct Recordings {
    dir: PathBuf,
    which: Which,
    base: Url,
    queue: RecordingQueue,
    fetched: u64,
    kept: u64,
    /// Calls whose recording does not exist any more.
    gone: Vec<u64>,
    missing: u64,
    failed: u64,
    bytes: u64,
    /// The exit status that the failures lead to.
    status: Status,
    /// Recordings that wait for a later run, with the reason if they failed in this run.
    left: Vec<(QueuedRecording, Option<String>)>,
}

impl Recordings {
    /// Opens the queue beside the state; `None` if no recordings are requested.
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
        Ok(Some(Recordings {
            dir: dir.clone(),
            which: args.audio,
            base: base.clone(),
            queue: RecordingQueue::open(state, queue)?,
            fetched: 0,
            kept: 0,
            gone: Vec::new(),
            missing: 0,
            failed: 0,
            bytes: 0,
            status: Status::Done,
            left: Vec::new(),
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
            Some(id) if is_plain(id) => self.queue.add(&QueuedRecording::new(call.id, id))?,
            Some(_) => {
                log::warn!("call {}: the id of its recording is not valid", call.id);
                self.fail(Status::Refused);
            }
        }
        Ok(())
    }

    /// Syncs the queue and returns its entry for the state.
    pub(super) fn sync(&mut self) -> anyhow::Result<Queue> {
        self.queue.sync()
    }

    /// The number of queued recordings.
    pub(super) fn length(&mut self) -> anyhow::Result<usize> {
        self.queue.length()
    }

    pub(super) fn report(&self, report: &mut Report) {
        let left = |(recording, error): &(QueuedRecording, Option<String>)| {
            json!({
                "call_id": recording.call,
                "recording": recording.id,
                "attempts": recording.attempts,
                "not_before": recording.not_before,
                "error": error,
            })
        };
        report.set("recordings", self.fetched);
        report.set("recordings_kept", self.kept);
        report.set("recordings_gone", self.gone.len());
        report.set("recordings_missing", self.missing);
        report.set("recordings_failed", self.failed);
        report.set("recordings_bytes", self.bytes);
        report.set(
            "recordings_left",
            self.left.iter().map(left).collect::<Vec<Value>>(),
        );
    }

    /// The exit status that the failures so far lead to.
    pub(super) fn status(&self) -> Status {
        self.status
    }

    fn fail(&mut self, status: Status) {
        self.failed += 1;
        self.status = self.status.worse(status);
    }

    /// Fetches the queued recordings that are due, and calls `save` after each. Fails only if all
    /// recordings would fail, for example with HTTP 401 or a full disk.
    pub(super) fn fetch(
        &mut self,
        api: &VoicegainApi,
        save: &mut dyn FnMut(Queue) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (waiting, is_due) = self.queue.look(api.retry().now())?;
        let result = match is_due {
            true => self.fetch_due(api, save),
            false => {
                self.left = waiting.into_iter().map(|one| (one, None)).collect();
                Ok(())
            }
        };
        self.say_left();
        result
    }

    fn fetch_due(
        &mut self,
        api: &VoicegainApi,
        save: &mut dyn FnMut(Queue) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut failures = 0;
        // A recording that fails in this run is not tried again in the same run.
        let end = self.queue.end();
        while let Some(recording) = self.queue.first(end)? {
            self.queue.take_first();
            if recording.not_before > api.retry().now() {
                self.queue.add(&recording)?;
                self.left.push((recording, None));
                continue;
            }
            match self.fetch_one(api, &recording)? {
                None => failures = 0,
                Some(failure) => {
                    let why = format!("{:#}", failure.error);
                    log::warn!("the recording of call {}: {why}", recording.call);
                    self.fail(failure.status);
                    failures += u32::from(failure.is_of_service);
                    let later = recording.failed(api.retry().now());
                    self.queue.add(&later)?;
                    self.left.push((later, Some(why)));
                }
            }
            save(self.queue.sync()?)?;
            if failures >= ILL {
                log::warn!(
                    "{failures} recordings in a row failed: the next run fetches the others"
                );
                break;
            }
        }
        // The queue is saved once more, because recordings that must wait have been moved to its
        // back.
        save(self.queue.sync()?)
    }

    /// Fetches a recording, unless its file exists already.
    fn fetch_one(
        &mut self,
        api: &VoicegainApi,
        recording: &QueuedRecording,
    ) -> anyhow::Result<Option<RecordingFailure>> {
        let call = recording.call;
        let stem = match self.which {
            Which::Merged => call.to_string(),
            Which::Original => format!("{call}.original"),
        };
        if self.is_there(&stem) {
            self.kept += 1;
            return Ok(None);
        }
        let url = join_path(&self.base, &format!("/data/{}/file", recording.id));
        match download(api, url, &self.dir, &stem)? {
            RecordingDownload::File(bytes) => {
                self.fetched += 1;
                self.bytes += bytes;
            }
            RecordingDownload::Gone(status) => {
                log::info!("the recording of call {call} does not exist any more (HTTP {status})");
                self.gone.push(call);
            }
            // If this run has not fetched any recording yet, perhaps the token is refused for all
            // of them. So the refusal is final only after several attempts.
            RecordingDownload::Forbidden(why)
                if self.fetched > 0 || recording.attempts >= FORBIDDEN =>
            {
                log::warn!(
                    "the recording of call {call} is refused, and is not requested again: {why:#}"
                );
                self.fail(Status::Refused);
            }
            RecordingDownload::Forbidden(error) => {
                return Ok(Some(RecordingFailure {
                    status: Status::Auth,
                    is_of_service: true,
                    error,
                }));
            }
            RecordingDownload::Failed {
                error,
                is_of_service,
            } => {
                let status = Status::of(&error);
                return Ok(Some(RecordingFailure {
                    status,
                    is_of_service,
                    error,
                }));
            }
        }
        Ok(None)
    }

    fn is_there(&self, stem: &str) -> bool {
        let mut extensions = EXTENSIONS.iter();
        extensions.any(|extension| self.dir.join(format!("{stem}.{extension}")).is_file())
    }

    fn say_left(&self) {
        if !self.gone.is_empty() {
            log::warn!(
                "recordings that do not exist any more, and are not requested again: {}",
                named(&self.gone)
            );
        }
        if !self.left.is_empty() {
            let calls: Vec<u64> = self.left.iter().map(|(one, _)| one.call).collect();
            log::warn!(
                "recordings that failed, and that a later run requests again: {}",
                named(&calls)
            );
        }
    }
}

/// Why a recording stays in the queue.
struct RecordingFailure {
    status: Status,
    /// Whether the next recording would probably fail in the same way.
    is_of_service: bool,
    error: anyhow::Error,
}

/// The number of calls, and the ids of the first ones.
fn named(calls: &[u64]) -> String {
    let mut names: Vec<String> = calls.iter().take(NAMED).map(u64::to_string).collect();
    if calls.len() > NAMED {
        names.push("…".to_owned());
    }
    format!("{} (call {})", calls.len(), names.join(", "))
}
