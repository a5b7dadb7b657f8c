//! From plan lines to verified ZIPs on disk, doing only what is left.
//!
//! Two workers share the API and the ledger. The exporter walks each group's
//! orders one after the other, since a group has one slot: submit, wait, ask how
//! many files there are. As soon as an export is READY its slot is free, so that
//! the next one is processed while the downloader, in the caller's thread, gets
//! the pages of this one at the rate that the service allows. The job as a whole
//! takes what the slower of the two limits takes, not their sum.
//!
//! `line` reads what comes in, `cover` finds what of it is left, `queues` say whose
//! turn it is, `exporter` and `downloader` are the workers, `layout` names files,
//! `progress` is the bar on a terminal.

mod cover;
mod downloader;
mod export_job;
mod exporter;
mod layout;
mod line;
pub mod progress;
mod queues;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::exports::Exports;
use super::ledger::{Ledger, PageEntry};
use crate::cli::output::Output;
use crate::cli::run::{Outcome, Report};
use crate::error::{self, Failure, Status};
use crate::export::commit::Commit;
use crate::json::lines::{Lines, Object};
use crate::os::mutex::lock;
use crate::os::signals::Stop;
use crate::time::{parse_duration, parse_positive_duration};

use downloader::Downloader;
use export_job::Fetchable;
use exporter::{Exporter, ExporterEvent};
use line::PlanLine;
use progress::FetchProgress;

/// How far a line is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// Until the export has been asked for.
    Submitted,
    /// Until it can be downloaded.
    Ready,
    /// Until its ZIPs are on disk.
    Fetched,
}

/// What to do with the lines.
#[derive(Args, Clone, Debug)]
pub struct FetchOptions {
    /// The directory for ZIPs: DIR/GROUP/FROM_TO/EXPORT-p0001.zip.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["print_api_profile", "dry_run", "ledger"])]
    pub out_dir: Option<PathBuf>,

    /// How far each line is taken.
    #[arg(long, value_enum, default_value = "fetched")]
    pub until: Until,

    /// Files in each ZIP. Fixed for an export once a page of it is on disk.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub page_size: u64,

    /// Ask for the state of an export once instead of waiting for it: if it is
    /// not READY, write the line so far and end with status 75.
    #[arg(long)]
    pub poll_once: bool,

    /// The shortest pause between two questions for the state of an export; it
    /// grows to a tenth of the time waited, at most thirty times DUR.
    #[arg(long, value_name = "DUR", default_value = "2s", value_parser = parse_positive_duration)]
    pub poll: Duration,

    /// Wait for an export to become READY, or for a group's slot to become free,
    /// for at most DUR; what is not had then ends the run with 75.
    #[arg(long, value_name = "DUR", default_value = "6h", value_parser = parse_duration)]
    pub max_wait: Duration,
}

impl FetchOptions {
    /// Where the files of the ledger lie.
    pub fn root(&self) -> &Path {
        self.out_dir.as_deref().unwrap_or(Path::new(""))
    }
}

/// Where both workers work: the service, the ledger, the directory.
struct Site<'a> {
    api: &'a Exports,
    ledger: Mutex<Ledger>,
    options: &'a FetchOptions,
}

impl Site<'_> {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Whether a page is still as it was put there, by its size: a checksum of
    /// everything on every run would cost more than it finds.
    fn is_on_disk(&self, page: &PageEntry) -> bool {
        let path = self.options.root().join(&page.file);
        std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == page.bytes)
    }
}

/// What the exporter hands to the downloader.
enum Delivery {
    /// A line that is complete.
    Line(Object),
    /// An export to be downloaded.
    Fetch(Box<Fetchable>),
    /// An order that came to nothing; the others go on.
    Problem(anyhow::Error),
}

/// Takes every line of `input` as far as the options say and writes what came of
/// it to `output`.
pub fn run(
    options: &FetchOptions,
    api: &Exports,
    ledger: Ledger,
    input: impl Read + Send + 'static,
    output: &mut Output,
    progress: &FetchProgress,
    report: &mut Report,
) -> anyhow::Result<Outcome> {
    let now = api.client().retry().now();
    for at in ledger.history().requests() {
        api.client().budget().count_earlier(now.since(*at));
    }
    layout::tidy(options.root(), ledger.history())?;
    let site = Site {
        api,
        ledger: Mutex::new(ledger),
        options,
    };
    let stop = api.client().retry().stop();
    let (events, inbox) = mpsc::channel();
    let (deliver, deliveries) = mpsc::channel();
    let feeder = events.clone();
    // Not scoped: it may sit in a read that nothing ends.
    thread::spawn(move || feed(input, &feeder));
    let waker = events.clone();
    stop.on_stop(move || drop(waker.send(ExporterEvent::Stop)));
    let mut downloader = Downloader::new(&site, Commit::new(output, stop, true), progress);
    let (served, exported) = thread::scope(|scope| {
        let exporter = Exporter::new(&site, inbox, deliver, progress);
        let exporter = scope.spawn(move || exporter.run());
        let _guard = StopOnPanic(stop);
        let served = serve(&deliveries, &events, &mut downloader);
        if let Err(e) = &served {
            // The exporter may be asleep, or in a request.
            stop.request(Status::of(e));
        }
        let exported = exporter
            .join()
            .unwrap_or_else(|_| Err(Failure::new(Status::Failed, "a worker died").into()));
        (served, exported)
    });
    downloader.counts.report(report);
    if let Ok(counts) = &exported {
        report.set("lines", counts.lines);
        report.set("created", counts.created);
        report.set("adopted", counts.adopted);
    }
    let worst = downloader.worst;
    let lines = served
        .and(exported)
        .and_then(|counts| downloader.finish().map(|()| counts.lines))
        .map_err(|e| {
            // What was read before that needs not leave again; the error stands.
            let _ = downloader.mark_read();
            outranked(e, worst)
        })?;
    Ok(match (worst, lines) {
        (Status::Done, 0) => Outcome::Nothing,
        (Status::Done, _) => Outcome::Done,
        (status, _) => Outcome::Partly(status),
    })
}

/// What ended the run, with the status of what went wrong before if that is worse.
fn outranked(e: anyhow::Error, worst: Status) -> anyhow::Error {
    let status = Status::of(&e).worse(worst);
    match status == Status::of(&e) {
        true => e,
        false => Failure::new(status, format!("{e:#}")).into(),
    }
}

/// A panic of one worker must not leave the other waiting for it.
struct StopOnPanic<'a>(&'a Stop);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.request(Status::Failed);
        }
    }
}

/// Reads lines until their end, grouped where several are pages of one export.
fn feed(input: impl Read, events: &Sender<ExporterEvent>) {
    let mut lines = Lines::new(input);
    let mut pages: Option<Box<PlanLine>> = None;
    loop {
        let event = match lines.next_line() {
            Ok(Some(line)) if line.record().is_empty() => continue,
            Ok(Some(line)) => match (PlanLine::parse(&line), &mut pages) {
                (Ok(asked), Some(open)) if open.takes(&asked) => {
                    open.add(asked);
                    continue;
                }
                (Ok(asked), _) if asked.is_page() => match pages.replace(Box::new(asked)) {
                    None => continue,
                    Some(complete) => ExporterEvent::Asked(complete),
                },
                (Ok(asked), _) => ExporterEvent::Asked(Box::new(asked)),
                (Err(e), _) => ExporterEvent::Unreadable(e),
            },
            Ok(None) => ExporterEvent::End,
            Err(e) => ExporterEvent::Broken(e),
        };
        let is_last = matches!(event, ExporterEvent::End | ExporterEvent::Broken(_));
        if is_last && let Some(complete) = pages.take() {
            let _ = events.send(ExporterEvent::Asked(complete));
        }
        // Nobody listens any more once the work has failed.
        if events.send(event).is_err() || is_last {
            return;
        }
    }
}

/// How often it is seen what the reader of stdout has read, while nothing comes.
const READER_CHECK: Duration = Duration::from_millis(200);

/// The downloader's loop: what the exporter delivers becomes lines.
fn serve(
    deliveries: &Receiver<Delivery>,
    events: &Sender<ExporterEvent>,
    downloader: &mut Downloader<'_, '_>,
) -> anyhow::Result<()> {
    loop {
        let delivery = match deliveries.recv_timeout(READER_CHECK) {
            Ok(delivery) => delivery,
            Err(RecvTimeoutError::Timeout) => {
                downloader.mark_read()?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        match delivery {
            Delivery::Line(line) => downloader.emit(&line)?,
            Delivery::Problem(e) => downloader.problem(&e),
            Delivery::Fetch(fetchable) => {
                let place = fetchable.job.order.to_string();
                match downloader.fetch(*fetchable, events) {
                    Ok(None) => {}
                    Ok(Some(again)) => drop(events.send(ExporterEvent::Again(Box::new(again)))),
                    Err(e) if error::is_narrow(&e) => downloader.problem(&e.context(place)),
                    Err(e) => return Err(e.context(place)),
                }
                let _ = events.send(ExporterEvent::Settled);
            }
        }
    }
}
