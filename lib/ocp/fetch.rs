//! Turns plan lines into verified ZIPs. Skips the steps that earlier runs have done.
//!
//! Two workers share the API and the ledger. The exporter processes the requests of a group one
//! after the other, because the service runs only one export of a group at a time. For each
//! request, the exporter submits an export, waits until this export is READY, and gets the number
//! of its files. Then the exporter starts the next export of the group. At the same time, the
//! downloader downloads the pages of the READY export at the allowed rate, in the caller's thread.
//! The whole job takes as long as the slower worker, not as long as both together.
//!
//! A plan line becomes verified ZIPs in these steps: `plan_line` reads the line, and `cover` splits
//! the window of the line into earlier requests and the gaps between them. `queues` chooses the
//! next group, `submit` gets an export, and `poll` waits until the export is READY. `downloader`
//! and `page` download the pages of the export. `line_sink` writes the lines of the export and
//! records in the ledger that the export is fetched.

mod cover;
mod downloader;
mod export_job;
mod exporter;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod line_sink;
mod message;
mod options;
mod page;
mod plan_line;
mod poll;
pub mod progress;
mod queues;
mod site;
mod submit;

use std::io::Read;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

pub use line_sink::LineTarget;
pub use options::{FetchOptions, LEDGER_NAME, Until};
pub use site::Site;

use anyhow::Context;

use crate::cli::run::{Outcome, Report};
use crate::error::{self, Failure, Status};
use crate::json::lines::Lines;
use crate::ocp::ledger::HeadObject;
use crate::os::signals::Stop;

use downloader::Downloader;
use exporter::Exporter;
use line_sink::LineSink;
use message::{DownloaderEvent, ExporterEvent};
use plan_line::PlanLine;
use progress::FetchProgress;

/// The context of the error if the system cannot create a thread.
const NO_THREAD: &str = "starting a thread";

/// Processes each line of `input` up to the step that `site.options` sets, and writes the resulting
/// lines to `target`. `head` shows whether an output list of an earlier run is in its bucket.
pub(crate) fn run(
    site: &Site<'_>,
    input: impl Read + Send + 'static,
    target: LineTarget<'_>,
    head: HeadObject<'_>,
    progress: &FetchProgress,
    report: &mut Report,
) -> anyhow::Result<Outcome> {
    let client = site.api.client();
    let now = client.retry().now();
    for at in site.ledger().history().page_requests() {
        client.budget().count_earlier(now.since(*at));
    }
    line_sink::resolve(&mut site.ledger(), &target, head)?;
    site.zips.tidy(site.ledger().history())?;
    let stop = client.retry().stop();
    let out = target.open(&site.ledger(), stop)?;
    let (events, inbox) = mpsc::channel();
    let (to_downloader, work) = mpsc::channel();
    let feeder = events.clone();
    // This thread is not scoped, because a scope would wait until the thread ends, and the thread's
    // read of the input can block for ever.
    thread::Builder::new()
        .spawn(move || feed(input, &feeder))
        .context(NO_THREAD)?;
    let waker = events.clone();
    stop.on_stop(move || drop(waker.send(ExporterEvent::Stop)));
    let mut downloader = Downloader::new(site, LineSink::new(site, out), progress);
    let (served, exported) = thread::scope(|scope| {
        let exporter = Exporter::new(site, inbox, to_downloader, progress);
        let started = thread::Builder::new().spawn_scoped(scope, move || exporter.run());
        let exporter = match started.context(NO_THREAD) {
            Ok(exporter) => exporter,
            Err(e) => return (Ok(()), Err(e)),
        };
        let _guard = StopOnPanic(stop);
        let served = serve(&work, &events, &mut downloader);
        if let Err(e) = &served {
            // A stop request wakes the exporter even while it sleeps or waits for a reply.
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
        .and_then(|counts| downloader.sink.finish().map(|()| counts.lines))
        .map_err(|e| {
            // Records the exports whose lines the reader already has, so that the next run does not
            // write these lines again. A second error is ignored.
            let _ = downloader.sink.mark_read();
            outranked(e, worst)
        })?;
    Ok(match (worst, lines) {
        (Status::Done, 0) => Outcome::Nothing,
        (Status::Done, _) => Outcome::Done,
        (status, _) => Outcome::Partly(status),
    })
}

/// Returns `e` with the worse of two statuses: its own and `worst`.
fn outranked(e: anyhow::Error, worst: Status) -> anyhow::Error {
    let status = Status::of(&e).worse(worst);
    match status == Status::of(&e) {
        true => e,
        false => Failure::new(status, format!("{e:#}")).into(),
    }
}

/// Stops the exporter if the downloader's thread panics.
struct StopOnPanic<'a>(&'a Stop);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.request(Status::Failed);
        }
    }
}

/// Reads all lines of the input. Lines for pages of one export are joined into one event. This
/// event is sent when a line for a page of another export follows, or when the input ends.
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
        // Sending fails if the exporter has ended.
        if events.send(event).is_err() || is_last {
            return;
        }
    }
}

/// While the downloader has nothing to do, it checks at this interval how much the reader of stdout
/// has read.
const READER_CHECK: Duration = Duration::from_millis(200);

/// The downloader's loop: handles the messages of the exporter until the exporter ends.
fn serve(
    work: &Receiver<DownloaderEvent>,
    events: &Sender<ExporterEvent>,
    downloader: &mut Downloader<'_, '_>,
) -> anyhow::Result<()> {
    loop {
        let event = match work.recv_timeout(READER_CHECK) {
            Ok(delivery) => delivery,
            Err(RecvTimeoutError::Timeout) => {
                downloader.sink.mark_read()?;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        match event {
            DownloaderEvent::Line(line) => downloader.emit(&line)?,
            DownloaderEvent::Problem(count, e) => downloader.problem(count, &e),
            DownloaderEvent::Fetch(fetchable) => {
                let place = fetchable.job.request.to_string();
                let group = fetchable.job.request.group.clone();
                match downloader.fetch(*fetchable, events) {
                    Ok(None) => {}
                    Ok(Some((again, withheld))) => {
                        let event = ExporterEvent::NotDownloadable(Box::new(again), withheld);
                        drop(events.send(event));
                    }
                    Err(e) if error::is_narrow(&e) => {
                        if Status::of(&e) == Status::Auth {
                            drop(events.send(ExporterEvent::GroupRefused(group)));
                        }
                        downloader.problem(1, &e.context(place));
                    }
                    Err(e) => return Err(e.context(place)),
                }
                let _ = events.send(ExporterEvent::ExportDone);
            }
        }
    }
}
