//! From plan lines to verified ZIPs on disk, doing only what is left.
//!
//! Two workers share the API and the ledger. The exporter walks each group's
//! orders one after the other, since a group has one slot: submit, wait, ask how
//! many files there are. As soon as an export is READY its slot is free, so that
//! the next one is processed while the downloader, in the caller's thread, gets
//! the pages of this one at the rate that the service allows. The job as a whole
//! takes what the slower of the two limits takes, not their sum.
//!
//! `line` reads what comes in, `exporter` and `downloader` are the workers,
//! `layout` names files, `progress` is the bar on a terminal.

mod downloader;
mod exporter;
mod layout;
mod line;
pub mod progress;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::exports::Exports;
use super::ledger::{Ledger, Page, Ready};
use super::order::Order;
use crate::error::{self, Failure, Status};
use crate::ndjson::{Lines, Object};
use crate::output::Output;
use crate::run::Report;

use downloader::Downloader;
use exporter::{Event, Exporter};
use line::Asked;
use progress::Progress;

/// How far a line is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    /// Until the export has been asked for.
    Submitted,
    /// Until it can be downloaded.
    Ready,
    /// Until its ZIPs are on disk.
    Fetched,
}

/// What the flags ask for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where ZIPs go.
    pub out_dir: PathBuf,
    /// How far lines are taken.
    pub until: Until,
    /// Files in a page.
    pub page_size: u64,
    /// Ask once for the state of an export instead of waiting.
    pub poll_once: bool,
    /// The shortest pause between two questions for the state of an export.
    pub poll: Duration,
}

/// What both workers use.
struct Shop<'a> {
    api: &'a Exports,
    ledger: Mutex<Ledger>,
    options: &'a Options,
}

impl Shop<'_> {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An order under way, with the lines that it owes.
#[derive(Clone, Debug)]
struct Job {
    order: Order,
    wants: Wants,
    /// As the line named it.
    export_id: Option<String>,
    /// Files and bytes, as a READY line states them.
    stated: Option<(u64, u64)>,
    /// How often its export was gone, or not ready after all.
    setbacks: u32,
    /// How often the reply to its create was lost.
    lost: u32,
}

/// Which lines are owed for an export.
#[derive(Clone, Debug)]
enum Wants {
    /// One for each page, made from this one.
    All(Object),
    /// These, each with its page number; all were planned with one page size.
    Pages(u64, Vec<(u64, Object)>),
}

/// An export whose pages can be had.
#[derive(Debug)]
struct Fetchable {
    job: Job,
    export_id: String,
    ready: Ready,
    kept: Vec<Page>,
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

/// Counts for the report.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lines: u64,
    created: u64,
    adopted: u64,
    exports: u64,
    empty: u64,
    pages: u64,
    kept_pages: u64,
    bytes: u64,
    members: u64,
    problems: u64,
}

/// How the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every line was taken as far as asked.
    Done,
    /// There were no lines.
    Nothing,
    /// Some were not; the reasons have been said.
    Partly(Status),
}

/// Whether an error concerns one order only.
fn is_of_one_order(error: &anyhow::Error) -> bool {
    matches!(Status::of(error), Status::Refused | Status::BadInput)
}

/// Takes every line of `input` as far as the options say and writes what came of
/// it to `output`.
pub fn run(
    options: &Options,
    api: &Exports,
    ledger: Ledger,
    input: impl Read + Send + 'static,
    output: &mut Output,
    progress: &Progress,
    report: &mut Report,
) -> anyhow::Result<Ended> {
    let now = api.attempts().now();
    for at in ledger.history().requests() {
        api.count_earlier(now.since(*at));
    }
    let shop = Shop {
        api,
        ledger: Mutex::new(ledger),
        options,
    };
    layout::tidy(&options.out_dir, &mut shop.ledger())?;
    let (events, inbox) = mpsc::channel();
    let (deliveries, counter) = mpsc::channel();
    let feeder = events.clone();
    // Not scoped: it may sit in a read that nothing ends.
    thread::spawn(move || feed(input, &feeder));
    let waker = events.clone();
    api.attempts()
        .stop()
        .on_stop(move || drop(waker.send(Event::Stop)));
    let mut downloader = Downloader::new(&shop, output, progress);
    let result = thread::scope(|scope| {
        let exporter = Exporter::new(&shop, inbox, deliveries, progress);
        let exporter = scope.spawn(move || exporter.run());
        let served = serve(&counter, &events, &mut downloader);
        if let Err(e) = &served {
            // The exporter may be asleep, or in a request.
            api.attempts().stop().request(Status::of(e));
        }
        let exported = exporter
            .join()
            .unwrap_or_else(|_| Err(error::Failure::new(Status::Failed, "a worker died").into()));
        let worst = served?;
        let counts = exported?;
        downloader.finish()?;
        anyhow::Ok((worst, counts))
    });
    let counts = &downloader.counts;
    report.set("exports", counts.exports);
    report.set("empty_exports", counts.empty);
    report.set("pages", counts.pages);
    report.set("kept_pages", counts.kept_pages);
    report.set("bytes", counts.bytes);
    report.set("members", counts.members);
    report.set("problems", counts.problems);
    let (worst, exported) = result?;
    report.set("lines", exported.lines);
    report.set("created", exported.created);
    report.set("adopted", exported.adopted);
    Ok(match (worst, exported.lines) {
        (Status::Done, 0) => Ended::Nothing,
        (Status::Done, _) => Ended::Done,
        (status, _) => Ended::Partly(status),
    })
}

/// Reads lines until their end, grouped where several are pages of one export.
fn feed(input: impl Read, events: &Sender<Event>) {
    let mut lines = Lines::new(input);
    let mut pages: Option<Asked> = None;
    loop {
        let event = match lines.next_line() {
            Ok(Some(line)) if line.bytes.trim_ascii().is_empty() => continue,
            Ok(Some(line)) => match (Asked::parse(&line), &mut pages) {
                (Ok(asked), Some(open)) if open.takes(&asked) => {
                    open.add(asked);
                    continue;
                }
                (Ok(asked), _) if asked.is_page() => match pages.replace(asked) {
                    None => continue,
                    Some(complete) => Event::Asked(Box::new(complete)),
                },
                (Ok(asked), _) => Event::Asked(Box::new(asked)),
                (Err(e), _) => Event::Unreadable(e),
            },
            Ok(None) => Event::End,
            Err(e) => Event::Broken(e),
        };
        let is_last = matches!(event, Event::End | Event::Broken(_));
        if is_last && let Some(complete) = pages.take() {
            let _ = events.send(Event::Asked(Box::new(complete)));
        }
        // Nobody listens any more once the work has failed.
        if events.send(event).is_err() || is_last {
            return;
        }
    }
}

/// The downloader's loop: what the exporter delivers becomes lines.
fn serve(
    counter: &Receiver<Delivery>,
    events: &Sender<Event>,
    downloader: &mut Downloader<'_, '_>,
) -> anyhow::Result<Status> {
    let mut worst = Status::Done;
    let mut problem = |e: anyhow::Error, downloader: &mut Downloader<'_, '_>| {
        log::error!("{e:#}");
        downloader.counts.problems += 1;
        worst = worst.worse(Status::of(&e));
    };
    for delivery in counter {
        match delivery {
            Delivery::Line(object) => downloader.emit(&object)?,
            Delivery::Problem(e) => problem(e, downloader),
            Delivery::Fetch(fetchable) => {
                let place = fetchable.job.order.to_string();
                match downloader.fetch(*fetchable, events) {
                    Ok(None) => {}
                    Ok(Some(again)) => {
                        let _ = events.send(Event::Again(Box::new(again)));
                    }
                    Err(e) if is_of_one_order(&e) => {
                        problem(e.context(place), downloader);
                    }
                    Err(e) => return Err(e.context(place)),
                }
                let _ = events.send(Event::Settled);
            }
        }
    }
    Ok(worst)
}

/// What a reader that left means here: the ledger was not told, so that a rerun
/// says it all again.
fn reader_left(e: io::Error) -> anyhow::Error {
    if e.kind() == io::ErrorKind::BrokenPipe {
        return Failure::new(
            Status::Failed,
            "the reader of stdout left: what it did not read is not marked as fetched; run the same again",
        )
        .into();
    }
    anyhow::Error::from(e)
}

/// `context` for a step of an order.
fn of<T>(order: &Order, result: anyhow::Result<T>) -> anyhow::Result<T> {
    result.with_context(|| order.to_string())
}
