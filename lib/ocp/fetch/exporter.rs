//! Submits orders and waits for them, one step at a time, whichever is due first.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::cover::cover;
use super::line::PlanLine;
use super::progress::FetchProgress;
use super::{Delivery, Site, Until};
use crate::error;
use crate::json::object::Object;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::exports::{Created, ExportStatus, Metadata};
use crate::ocp::fetch::export_job::{ExportJob, Fetchable, OwedLines, set_named, set_ready};
use crate::ocp::fetch::queues::{GroupQueue, GroupQueues, Running, pause};
use crate::ocp::ledger::{ExportEntry, RequestState};
use crate::ocp::profile::Meaning;
use crate::time::show_duration;

/// READY exports live 24 hours. No more of them are made while so many pages are
/// still to be downloaded, which takes an hour at the documented rate.
const PAGES_AHEAD: u64 = 300;

/// How often an order may lose its export, or find its pages not to be had.
const PATIENCE: u32 = 5;

/// What the exporter is told.
pub(super) enum ExporterEvent {
    /// A line of the input.
    Asked(Box<PlanLine>),
    /// A line that is none.
    Unreadable(anyhow::Error),
    /// The input broke.
    Broken(io::Error),
    /// No more lines.
    End,
    /// The downloader has one page less to do.
    PageDone,
    /// The downloader is through with an export.
    Settled,
    /// The downloader found that the pages of an export are not to be had.
    Again(Box<Fetchable>),
    /// Look whether to stop.
    Stop,
}

/// Counts for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExportCounts {
    pub(super) lines: u64,
    pub(super) created: u64,
    pub(super) adopted: u64,
}

pub(super) struct Exporter<'a> {
    site: &'a Site<'a>,
    inbox: Receiver<ExporterEvent>,
    out: Sender<Delivery>,
    progress: &'a FetchProgress,
    lanes: GroupQueues,
    asked: BTreeSet<ExportRequest>,
    asked_pages: BTreeSet<(String, u64)>,
    input_ended: bool,
    unsettled: u64,
    pages_ahead: u64,
    counts: ExportCounts,
    /// States that were said to be unknown.
    unknown_states: BTreeSet<String>,
}

impl<'a> Exporter<'a> {
    pub(super) fn new(
        site: &'a Site<'a>,
        inbox: Receiver<ExporterEvent>,
        out: Sender<Delivery>,
        progress: &'a FetchProgress,
    ) -> Exporter<'a> {
        Exporter {
            site,
            inbox,
            out,
            progress,
            lanes: GroupQueues::default(),
            asked: BTreeSet::new(),
            asked_pages: BTreeSet::new(),
            unknown_states: BTreeSet::new(),
            input_ended: false,
            unsettled: 0,
            pages_ahead: 0,
            counts: ExportCounts::default(),
        }
    }

    /// Works until every order is settled.
    pub(super) fn run(mut self) -> anyhow::Result<ExportCounts> {
        loop {
            self.site.api.attempts().stop().check()?;
            while let Ok(event) = self.inbox.try_recv() {
                self.take(event)?;
            }
            if self.input_ended && self.unsettled == 0 && self.lanes.are_idle(true) {
                return Ok(self.counts);
            }
            let now = Instant::now();
            let held = self.site.options.until == Until::Fetched && self.pages_ahead >= PAGES_AHEAD;
            let due = self.lanes.due(now, held);
            if let Some((at, group)) = &due
                && *at <= now
            {
                self.step(group)?;
                continue;
            }
            // The input and the downloader hold senders: there is always one.
            let pause = due.map_or(Duration::from_secs(3600), |(at, _)| at - now);
            match self.inbox.recv_timeout(pause) {
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn take(&mut self, event: ExporterEvent) -> anyhow::Result<()> {
        match event {
            ExporterEvent::Asked(asked) => {
                self.counts.lines += 1;
                let place = asked.place.clone();
                let result = self.enqueue(*asked).context(place);
                self.judge(result)?;
            }
            ExporterEvent::Unreadable(e) => {
                self.counts.lines += 1;
                self.deliver(Delivery::Problem(e));
            }
            ExporterEvent::Broken(e) => return Err(e).context("reading stdin"),
            ExporterEvent::End => self.input_ended = true,
            ExporterEvent::PageDone => self.pages_ahead = self.pages_ahead.saturating_sub(1),
            ExporterEvent::Settled => {
                self.unsettled -= 1;
                // Pages that were given up are not ahead any more.
                if self.unsettled == 0 {
                    self.pages_ahead = 0;
                }
            }
            ExporterEvent::Again(fetchable) => {
                let mut job = fetchable.job;
                job.setbacks += 1;
                let order = job.order.clone();
                let result = self.come_back(job, fetchable.export_id);
                self.judge(result.with_context(|| order.to_string()))?;
            }
            ExporterEvent::Stop => {}
        }
        Ok(())
    }

    /// An error that concerns one order is told, and the others go on.
    fn judge(&mut self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(e) if error::is_narrow(&e) => {
                self.deliver(Delivery::Problem(e));
                Ok(())
            }
            other => other,
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        // The downloader is gone only when it has failed, and it says why.
        let _ = self.out.send(delivery);
    }

    fn lane(&mut self, job: &ExportJob) -> &mut GroupQueue {
        self.lanes.of(&job.order.group)
    }

    /// Puts a line's order, or the orders that cover it, into the group's lane.
    fn enqueue(&mut self, asked: PlanLine) -> anyhow::Result<()> {
        let job = asked.job;
        let now = self.site.api.attempts().now();
        if let Some(not_before) = asked.not_before.filter(|at| *at > now) {
            let why = format!("not before {not_before}: data must be old enough to be exported");
            return self.later(&job, &why);
        }
        let jobs = match (&job.export_id, &job.wants) {
            (None, OwedLines::All(line)) => {
                cover(&job, line, self.site.ledger().history(), &self.asked)?
            }
            _ => vec![job],
        };
        let mut fresh = 0;
        for mut job in jobs {
            if self.is_asked(&mut job) {
                log::info!("{}: asked for twice; once will do", job.order);
                continue;
            }
            fresh += 1;
            self.lane(&job).queue.push_back(job);
        }
        self.progress.more_orders(fresh);
        Ok(())
    }

    /// Whether all that a job wants was asked for before in this run; what of it
    /// was is taken out.
    fn is_asked(&mut self, job: &mut ExportJob) -> bool {
        match &mut job.wants {
            OwedLines::All(_) => !self.asked.insert(job.order.clone()),
            OwedLines::Pages(_, pages) => {
                let id = job.export_id.clone().unwrap_or_default();
                pages.retain(|(number, _)| self.asked_pages.insert((id.clone(), *number)));
                pages.is_empty()
            }
        }
    }

    fn step(&mut self, group: &str) -> anyhow::Result<()> {
        let lane = self.lanes.of(group);
        lane.rest_until = None;
        let (order, result) = if let Some(running) = lane.running.take() {
            (running.job.order.clone(), self.poll(running))
        } else if let Some(job) = lane.queue.pop_front() {
            (job.order.clone(), self.begin(job))
        } else {
            return Ok(());
        };
        self.judge(result.with_context(|| order.to_string()))
    }

    /// Finds out how far an order has come and goes on from there.
    fn begin(&mut self, mut job: ExportJob) -> anyhow::Result<()> {
        let mut ledger = self.site.ledger();
        let state = ledger.history().state(&job.order).clone();
        // An earlier stage may not know yet that its export is no more.
        let given = job
            .export_id
            .take()
            .filter(|id| !ledger.history().is_ended(id));
        match (state, given) {
            (RequestState::Named(export), given)
                if export.fetched || given.as_ref().is_none_or(|id| *id == export.id) =>
            {
                drop(ledger);
                self.take_up(job, &export)
            }
            (state, Some(given)) => {
                if let RequestState::Named(replaced) = state {
                    ledger.ended(&replaced.id, "REPLACED")?;
                }
                ledger.created(&job.order, &given)?;
                drop(ledger);
                self.wait(job, given, Instant::now(), false)
            }
            (RequestState::Creating, None) => {
                drop(ledger);
                match self.adopt(&job)? {
                    Some(seen) => self.accepted(job, &seen),
                    None => self.create(job),
                }
            }
            (_, None) => {
                drop(ledger);
                self.create(job)
            }
        }
    }

    /// An export of an earlier run, or of an earlier stage.
    fn take_up(&mut self, job: ExportJob, export: &ExportEntry) -> anyhow::Result<()> {
        if let (Some(ready), Until::Fetched) = (export.ready, self.site.options.until) {
            let is_kept = |number| {
                let page = export.pages.get(number);
                page.is_some_and(|page| self.site.is_on_disk(page))
            };
            let files = (ready.num_of_files, ready.size_of_export);
            if job.wants.numbers(ready.pages()).iter().all(is_kept) {
                return self.fetch(job, &export.id, files);
            }
        }
        self.wait(job, export.id.clone(), Instant::now(), false)
    }

    /// Asks for an export. The ledger knows before the service does, so that a
    /// crash between the two is found out by the next run.
    fn create(&mut self, mut job: ExportJob) -> anyhow::Result<()> {
        if let Some(why) = self.lane(&job).closed {
            return self.later(&job, why);
        }
        self.site.ledger().creating(&job.order)?;
        match self.site.api.create(&job.order)? {
            Created::Accepted(seen) => {
                self.counts.created += 1;
                self.accepted(job, &seen)
            }
            Created::Refused(e) => {
                self.site.ledger().refused(&job.order)?;
                Err(e)
            }
            Created::Busy(said) => match self.adopt(&job)? {
                Some(seen) => self.accepted(job, &seen),
                None => self.wait_for_slot(job, &said),
            },
            Created::Unnamed => match self.adopt(&job)? {
                Some(seen) => self.accepted(job, &seen),
                None => Err(error::usage(
                    "the create was accepted, but neither its reply nor the list names the export: check [reply] export_id in the API profile",
                )),
            },
            Created::Lost(why) => {
                log::warn!(
                    "{}: no answer to the create: {why}; looking for it in the list",
                    job.order
                );
                if let Some(seen) = self.adopt(&job)? {
                    return self.accepted(job, &seen);
                }
                job.lost += 1;
                let Some(wait) = self.site.api.attempts().wait(job.lost) else {
                    return Err(error::try_later(format!(
                        "no answer to the create: {why}, after {} tries",
                        job.lost
                    )));
                };
                let lane = self.lane(&job);
                lane.rest_until = Some(Instant::now() + wait);
                lane.queue.push_front(job);
                Ok(())
            }
        }
    }

    /// An export of this order that exists already, though we do not know of it:
    /// the reply to its create was lost.
    fn adopt(&mut self, job: &ExportJob) -> anyhow::Result<Option<ExportStatus>> {
        let found = self.site.api.find(&job.order)?;
        let is_alive =
            |seen: &ExportStatus| !matches!(seen.meaning, Meaning::Expired | Meaning::Failed);
        let seen = found.into_iter().find(is_alive);
        if let Some(seen) = &seen {
            log::info!("{}: found as export {}", job.order, seen.export_id);
            self.counts.adopted += 1;
        }
        Ok(seen)
    }

    fn accepted(&mut self, job: ExportJob, seen: &ExportStatus) -> anyhow::Result<()> {
        self.site.ledger().created(&job.order, &seen.export_id)?;
        log::info!("{}: export {} {}", job.order, seen.export_id, seen.state);
        self.lane(&job).busy_since = None;
        let options = self.site.options;
        let at_once = seen.meaning == Meaning::Ready || options.poll_once;
        let next_poll = match at_once {
            true => Instant::now(),
            false => Instant::now() + options.poll,
        };
        let is_reported = options.until == Until::Submitted;
        if is_reported {
            self.report(&job, |line| set_named(line, &seen.export_id, &seen.state))?;
        }
        self.wait(job, seen.export_id.clone(), next_poll, is_reported)
    }

    /// The group's slot is somebody else's.
    fn wait_for_slot(&mut self, job: ExportJob, said: &str) -> anyhow::Result<()> {
        const BUSY: &str = "another export of the group is running";
        let options = self.site.options;
        let now = Instant::now();
        let jitter = self.site.api.attempts().jitter();
        let lane = self.lane(&job);
        let waited = now - *lane.busy_since.get_or_insert(now);
        if options.poll_once || waited > options.max_wait {
            lane.closed = Some(BUSY);
            return self.later(&job, BUSY);
        }
        lane.rest_until = Some(now + pause(waited, options.poll, jitter));
        if waited.is_zero() {
            log::warn!("{}: {BUSY} ({said}); waiting for its slot", job.order);
        }
        self.progress.waits(&format!("{}: {BUSY}", job.order.group));
        self.lane(&job).queue.push_front(job);
        Ok(())
    }

    /// Puts an export where it is asked after at `next_poll`.
    fn wait(
        &mut self,
        job: ExportJob,
        export_id: String,
        next_poll: Instant,
        is_reported: bool,
    ) -> anyhow::Result<()> {
        let lane = self.lane(&job);
        // Another export of the lane is under way: the ledger knows of this one.
        if lane.running.is_some() {
            lane.queue.push_front(job);
            return Ok(());
        }
        lane.running = Some(Running {
            job,
            export_id,
            since: Instant::now(),
            next_poll,
            is_reported,
        });
        Ok(())
    }

    /// The pages of a READY export were not to be had: asked after again, at once
    /// at first and ever later from then on.
    fn come_back(&mut self, job: ExportJob, export_id: String) -> anyhow::Result<()> {
        if job.setbacks > PATIENCE {
            return self.later(
                &job,
                &format!("export {export_id} is READY, but its pages are not to be had"),
            );
        }
        let pause = self.site.options.poll * ((1 << (job.setbacks - 1)) - 1);
        self.wait(job, export_id, Instant::now() + pause, false)
    }

    fn poll(&mut self, running: Running) -> anyhow::Result<()> {
        let Running { job, export_id, .. } = &running;
        let seen = self.site.api.status(&job.order, export_id)?;
        let (meaning, state) = match seen {
            Some(seen) => (seen.meaning, seen.state),
            None => (Meaning::Expired, "EXPIRED".to_owned()),
        };
        if meaning == Meaning::Unknown && self.unknown_states.insert(state.clone()) {
            log::warn!(
                "{}: export {export_id} is {state}: taking that for not ready; [states] in the API profile says otherwise",
                job.order
            );
        }
        let is_submitted = self.site.options.until == Until::Submitted;
        match meaning {
            Meaning::Failed => {
                self.site.ledger().ended(export_id, &state)?;
                match running.is_reported {
                    true => Ok(()),
                    false => Err(error::refused(format!(
                        "export {export_id} ended as {state}"
                    ))),
                }
            }
            Meaning::Expired if running.is_reported => self.site.ledger().ended(export_id, &state),
            Meaning::Expired => self.ask_anew(running.job, &running.export_id, &state),
            _ if is_submitted && !running.is_reported => {
                self.report(job, |line| set_named(line, export_id, &state))?;
                match meaning {
                    Meaning::Ready => Ok(()),
                    _ => self.keep_waiting(running, &state, true),
                }
            }
            Meaning::Ready if running.is_reported => Ok(()),
            Meaning::Ready => match self.site.api.metadata(&job.order.group, export_id)? {
                Metadata::Known {
                    num_of_files,
                    size_of_export,
                } => {
                    let files = (num_of_files, size_of_export);
                    self.fetch(running.job, &running.export_id, files)
                }
                Metadata::NotReady => self.keep_waiting(running, &state, false),
            },
            Meaning::Pending | Meaning::Unknown => {
                let is_reported = running.is_reported;
                self.keep_waiting(running, &state, is_reported)
            }
        }
    }

    fn keep_waiting(
        &mut self,
        mut running: Running,
        state: &str,
        is_reported: bool,
    ) -> anyhow::Result<()> {
        let options = self.site.options;
        let now = Instant::now();
        let waited = now - running.since;
        running.is_reported = is_reported;
        if options.poll_once || waited > options.max_wait {
            self.lane(&running.job).closed = Some("an export of the group is running");
            if is_reported {
                return Ok(());
            }
            let why = format!("export {} is {state}", running.export_id);
            if let OwedLines::All(line) = &mut running.job.wants {
                set_named(line, &running.export_id, state)?;
            }
            return self.later(&running.job, &why);
        }
        let group = running.job.order.group.clone();
        let shown = show_duration(Duration::from_secs(waited.as_secs()));
        self.progress
            .waits(&format!("{group}: {state} for {shown}"));
        let jitter = self.site.api.attempts().jitter();
        running.next_poll = now + pause(waited, options.poll, jitter);
        self.lanes.of(&group).running = Some(running);
        Ok(())
    }

    /// An export that was there and is not: asked for anew, from page 1.
    fn ask_anew(&mut self, mut job: ExportJob, export_id: &str, state: &str) -> anyhow::Result<()> {
        self.site.ledger().ended(export_id, state)?;
        if matches!(job.wants, OwedLines::Pages(..)) {
            return Err(error::refused(format!(
                "export {export_id} is {state}: its pages cannot be mixed with those of another; plan its window anew"
            )));
        }
        job.renewals += 1;
        if job.renewals > PATIENCE {
            return Err(error::refused(format!(
                "export {export_id} is {state}, as {PATIENCE} before it"
            )));
        }
        log::warn!(
            "{}: export {export_id} is {state}; asking for it anew",
            job.order
        );
        job.setbacks = 0;
        self.create(job)
    }

    /// An export of so many files and bytes is READY.
    fn fetch(&mut self, job: ExportJob, export_id: &str, files: (u64, u64)) -> anyhow::Result<()> {
        let page_size = match &job.wants {
            OwedLines::All(_) => self.site.options.page_size,
            OwedLines::Pages(size, _) => *size,
        };
        let mut ledger = self.site.ledger();
        let ready = ledger.ready(export_id, files.0, files.1, page_size)?;
        let export = ledger.history().export(export_id);
        let kept = export.map_or_else(Vec::new, |export| export.pages.values().cloned().collect());
        drop(ledger);
        log::info!("{}: export {export_id} READY, {} files", job.order, files.0);
        if self.site.options.until != Until::Fetched {
            return self.report(&job, |line| set_ready(line, export_id, &ready));
        }
        let left = ready.pages().saturating_sub(kept.len() as u64);
        self.pages_ahead += left;
        self.progress.more_pages(left);
        self.unsettled += 1;
        self.deliver(Delivery::Fetch(Box::new(Fetchable {
            job,
            export_id: export_id.to_owned(),
            ready,
            kept,
        })));
        Ok(())
    }

    /// Passes an order's lines on, with what was learned.
    fn report(
        &mut self,
        job: &ExportJob,
        enrich: impl Fn(&mut Object) -> serde_json::Result<()>,
    ) -> anyhow::Result<()> {
        for mut line in job.wants.lines() {
            enrich(&mut line)?;
            self.deliver(Delivery::Line(line));
        }
        self.progress.order_done();
        Ok(())
    }

    /// Not in this run. Whoever asks just once gets the lines so far, to come
    /// back with.
    fn later(&mut self, job: &ExportJob, why: &str) -> anyhow::Result<()> {
        let e = error::try_later(format!("{}: {why}", job.order));
        if self.site.options.poll_once {
            for line in job.wants.lines() {
                self.deliver(Delivery::Line(line));
            }
        }
        self.deliver(Delivery::Problem(e));
        Ok(())
    }
}
