//! Submits requests and waits for them, one step at a time, whichever is due first.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::cover::cover;
use super::message::{DownloaderEvent, ExporterEvent};
use super::options::Until;
use super::plan_line::PlanLine;
use super::progress::FetchProgress;
use super::site::Site;
use crate::error::{self, Failure, Status};
use crate::json::lines::Object;
use crate::net::retry::Retry;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::exports::{Created, ExportStatus, Metadata, Ownership};
use crate::ocp::fetch::export_job::{ExportJob, Fetchable, OwedLines, set_named, set_ready};
use crate::ocp::fetch::queues::{GroupQueue, GroupQueues, RefusedGroup, Running, pause};
use crate::ocp::ledger::{ExportEntry, RequestState};
use crate::ocp::profile::Meaning;
use crate::time::show_duration;

/// READY exports live 24 hours. No more of them are made while so many pages are
/// still to be downloaded, which takes an hour at the documented rate.
const PAGES_AHEAD: u64 = 300;

/// A new export that the service does not show is waited for as long as this many of
/// the shortest pauses take: 5 minutes by default.
const LAG_POLLS: u32 = 150;

/// How often a request may lose its export, or find its pages not to be had.
const PATIENCE: u32 = 5;

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
    out: Sender<DownloaderEvent>,
    progress: &'a FetchProgress,
    groups: GroupQueues,
    asked: BTreeSet<ExportRequest>,
    asked_pages: BTreeSet<(String, u64)>,
    input_ended: bool,
    downloading: u64,
    pages_ahead: u64,
    counts: ExportCounts,
    /// States that were said to be unknown.
    unknown_states: BTreeSet<String>,
    /// Ids that the service gave for our requests, of exports that are not ours.
    foreign_ids: BTreeSet<String>,
}

impl<'a> Exporter<'a> {
    pub(super) fn new(
        site: &'a Site<'a>,
        inbox: Receiver<ExporterEvent>,
        out: Sender<DownloaderEvent>,
        progress: &'a FetchProgress,
    ) -> Exporter<'a> {
        Exporter {
            site,
            inbox,
            out,
            progress,
            groups: GroupQueues::default(),
            asked: BTreeSet::new(),
            asked_pages: BTreeSet::new(),
            unknown_states: BTreeSet::new(),
            foreign_ids: BTreeSet::new(),
            input_ended: false,
            downloading: 0,
            pages_ahead: 0,
            counts: ExportCounts::default(),
        }
    }

    /// Works until every request is settled.
    pub(super) fn run(mut self) -> anyhow::Result<ExportCounts> {
        loop {
            self.retry().stop().check()?;
            while let Ok(event) = self.inbox.try_recv() {
                self.take(event)?;
            }
            if self.input_ended && self.downloading == 0 && self.groups.are_idle(true) {
                self.report_refused();
                return Ok(self.counts);
            }
            let now = self.retry().instant();
            let held = self.site.options.until == Until::Fetched && self.pages_ahead >= PAGES_AHEAD;
            let due = self.groups.due(now, held);
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
                self.send(DownloaderEvent::Problem(1, e));
            }
            ExporterEvent::Broken(e) => return Err(e).context("reading stdin"),
            ExporterEvent::End => self.input_ended = true,
            ExporterEvent::PageDone => self.pages_ahead = self.pages_ahead.saturating_sub(1),
            ExporterEvent::ExportDone => {
                self.downloading -= 1;
                // Pages that were given up are not ahead any more.
                if self.downloading == 0 {
                    self.pages_ahead = 0;
                }
            }
            ExporterEvent::NotDownloadable(fetchable) => {
                let mut job = fetchable.job;
                job.setbacks += 1;
                let request = job.request.clone();
                let result = self.requeue(job, fetchable.export_id);
                self.judge(result.with_context(|| request.to_string()))?;
            }
            ExporterEvent::Stop => {}
        }
        Ok(())
    }

    /// An error that concerns one request is told, and the others go on.
    fn judge(&mut self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(e) if error::is_narrow(&e) => {
                self.send(DownloaderEvent::Problem(1, e));
                Ok(())
            }
            other => other,
        }
    }

    fn send(&mut self, event: DownloaderEvent) {
        // The downloader is gone only when it has failed, and it says why.
        let _ = self.out.send(event);
    }

    /// One line for all that was not asked for because its group is refused.
    fn report_refused(&mut self) {
        for (_, refused) in self.groups.refused() {
            let Some(first) = &refused.first else {
                continue;
            };
            let others = match refused.count {
                1 => String::new(),
                count => format!(" and {} more of this group", count - 1),
            };
            let text =
                format!("{first}{others}: not asked for, because the service refuses the group");
            let e = Failure::new(refused.status, text).into();
            let _ = self.out.send(DownloaderEvent::Problem(refused.count, e));
        }
    }

    fn retry(&self) -> &'a Retry {
        self.site.api.client().retry()
    }

    fn queue_of(&mut self, job: &ExportJob) -> &mut GroupQueue {
        self.groups.of(&job.request.group)
    }

    /// Puts a line's request, or the requests that cover it, into the group's queue.
    fn enqueue(&mut self, asked: PlanLine) -> anyhow::Result<()> {
        let job = asked.job;
        let now = self.retry().now();
        if let Some(not_before) = asked.not_before.filter(|at| *at > now) {
            let why = format!("not before {not_before}: data must be old enough to be exported");
            return self.defer(&job, &why);
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
                log::info!("{}: asked for twice; once will do", job.request);
                continue;
            }
            fresh += 1;
            self.queue_of(&job).waiting.push_back(job);
        }
        self.progress.more_requests(fresh);
        Ok(())
    }

    /// Whether all that a job wants was asked for before in this run; what of it
    /// was is taken out.
    fn is_asked(&mut self, job: &mut ExportJob) -> bool {
        match &mut job.wants {
            OwedLines::All(_) => !self.asked.insert(job.request.clone()),
            OwedLines::Pages(_, pages) => {
                let id = job.export_id.clone().unwrap_or_default();
                pages.retain(|(number, _)| self.asked_pages.insert((id.clone(), *number)));
                pages.is_empty()
            }
        }
    }

    fn step(&mut self, group: &str) -> anyhow::Result<()> {
        let queue = self.groups.of(group);
        queue.rest_until = None;
        let (request, result) = if let Some(running) = queue.running.take() {
            (running.job.request.clone(), self.poll(running))
        } else if let Some(job) = queue.waiting.pop_front() {
            (job.request.clone(), self.begin(job))
        } else {
            return Ok(());
        };
        self.judge(result.with_context(|| request.to_string()))
    }

    /// Finds out how far a request has come and goes on from there.
    fn begin(&mut self, mut job: ExportJob) -> anyhow::Result<()> {
        let mut ledger = self.site.ledger();
        let state = ledger.history().state(&job.request).clone();
        // An earlier stage may not know yet that its export is no more.
        let given = job
            .export_id
            .take()
            .filter(|id| !ledger.history().is_ended(id));
        match (state, given) {
            (RequestState::Named(export), given)
                if export.fetched_at.is_some()
                    || given.as_ref().is_none_or(|id| *id == export.id) =>
            {
                drop(ledger);
                self.resume(job, &export)
            }
            (_, Some(given))
                if (ledger.history().request_of(&given)).is_some_and(|own| *own != job.request) =>
            {
                Err(foreign(&given))
            }
            (state, Some(given)) => {
                if let RequestState::Named(replaced) = state {
                    ledger.ended(&replaced.id, "REPLACED")?;
                }
                ledger.created(&job.request, &given)?;
                drop(ledger);
                job.is_id_given = true;
                self.wait(job, given, self.retry().instant());
                Ok(())
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
    fn resume(&mut self, job: ExportJob, export: &ExportEntry) -> anyhow::Result<()> {
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
        self.wait(job, export.id.clone(), self.retry().instant());
        Ok(())
    }

    /// Asks for an export. The ledger knows before the service does, so that a
    /// crash between the two is found out by the next run.
    fn create(&mut self, mut job: ExportJob) -> anyhow::Result<()> {
        if let Some(why) = self.queue_of(&job).closed {
            return self.defer(&job, why);
        }
        if let Some(refused) = &mut self.queue_of(&job).refused {
            refused.count += 1;
            refused.first.get_or_insert(job.request);
            self.progress.request_done();
            return Ok(());
        }
        self.site.ledger().creating(&job.request)?;
        match self.site.api.create(&job.request)? {
            Created::Accepted(seen) => {
                self.counts.created += 1;
                self.accepted(job, &seen)
            }
            Created::Refused { error, whole_group } => {
                self.site.ledger().refused(&job.request)?;
                self.queue_of(&job).refused = whole_group.then(|| RefusedGroup {
                    status: Status::of(&error),
                    first: None,
                    count: 0,
                });
                Err(error)
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
                    job.request
                );
                if let Some(seen) = self.adopt(&job)? {
                    return self.accepted(job, &seen);
                }
                job.lost += 1;
                let Some(wait) = self.retry().wait(job.lost) else {
                    return Err(error::try_later(format!(
                        "no answer to the create: {why}, after {} tries",
                        job.lost
                    )));
                };
                let until = self.retry().instant() + wait;
                let queue = self.queue_of(&job);
                queue.rest_until = Some(until);
                queue.waiting.push_front(job);
                Ok(())
            }
        }
    }

    /// An export of this request that exists already, though we do not know of it:
    /// the reply to its create was lost.
    fn adopt(&mut self, job: &ExportJob) -> anyhow::Result<Option<ExportStatus>> {
        let found = self.site.api.find(&job.request)?;
        let is_alive =
            |seen: &ExportStatus| !matches!(seen.meaning, Meaning::Expired | Meaning::Failed);
        let seen = found.into_iter().find(is_alive);
        if let Some(seen) = &seen {
            log::info!("{}: found as export {}", job.request, seen.export_id);
            self.counts.adopted += 1;
        }
        Ok(seen)
    }

    fn accepted(&mut self, job: ExportJob, seen: &ExportStatus) -> anyhow::Result<()> {
        let id = &seen.export_id;
        let is_of_another = (self.site.ledger().history().request_of(id))
            .is_some_and(|request| *request != job.request);
        let is_foreign = seen.owner == Ownership::Foreign || self.foreign_ids.contains(id);
        if is_of_another || is_foreign {
            return self.wait_for_slot(job, &format!("the service named export {id}"));
        }
        self.site.ledger().created(&job.request, id)?;
        log::info!("{}: export {id} {}", job.request, seen.state);
        let options = self.site.options;
        let at_once = seen.meaning == Meaning::Ready || options.poll_once;
        let now = self.retry().instant();
        let mut running = Running {
            export_id: id.clone(),
            since: now,
            next_poll: if at_once { now } else { now + options.poll },
            was_seen: false,
            is_confirmed: seen.owner == Ownership::Ours,
            is_reported: options.until == Until::Submitted,
            job,
        };
        if running.is_reported {
            let request = &running.job.request;
            if !running.is_confirmed
                && let Some(seen) = self.site.api.status(request, id)?
                && self.owner(request, &seen)? == Ownership::Foreign
            {
                return self.not_ours(running);
            }
            running.is_confirmed = true;
            self.report(&running.job, |line| set_named(line, id, &seen.state))?;
        }
        self.start(running);
        Ok(())
    }

    /// Whose export it is: the list may show what the status does not.
    fn owner(&self, request: &ExportRequest, seen: &ExportStatus) -> anyhow::Result<Ownership> {
        match seen.owner {
            Ownership::Unknown => self.site.api.owner_in_list(request, &seen.export_id),
            owner => Ok(owner),
        }
    }

    /// The service answered with the export of somebody else, or of another request.
    fn not_ours(&mut self, running: Running) -> anyhow::Result<()> {
        let Running { job, export_id, .. } = running;
        self.site.ledger().ended(&export_id, "FOREIGN")?;
        if job.is_id_given {
            return Err(foreign(&export_id));
        }
        let said = format!("the service named export {export_id}");
        self.foreign_ids.insert(export_id);
        self.wait_for_slot(job, &said)
    }

    /// An export that is so new that the service may not show it yet.
    fn may_be_hidden(&self, running: &Running) -> bool {
        let now = self.retry().now();
        let lag = self.site.options.poll * LAG_POLLS;
        let ledger = self.site.ledger();
        let export = ledger.history().export(&running.export_id);
        !running.was_seen && export.is_some_and(|export| now.since(export.created_at) < lag)
    }

    /// The group's slot is somebody else's.
    fn wait_for_slot(&mut self, job: ExportJob, said: &str) -> anyhow::Result<()> {
        const BUSY: &str = "another export of the group is running";
        let options = self.site.options;
        let now = self.retry().instant();
        let jitter = self.retry().jitter();
        let queue = self.queue_of(&job);
        let waited = now - *queue.busy_since.get_or_insert(now);
        if options.poll_once || waited > options.max_wait {
            queue.closed = Some(BUSY);
            return self.defer(&job, BUSY);
        }
        queue.rest_until = Some(now + pause(waited, options.poll, jitter));
        if waited.is_zero() {
            log::warn!("{}: {BUSY} ({said}); waiting for its slot", job.request);
        }
        self.progress
            .waits(&format!("{}: {BUSY}", job.request.group));
        self.queue_of(&job).waiting.push_front(job);
        Ok(())
    }

    /// Waits for an export of an earlier run or stage, which is asked for at `next_poll`.
    fn wait(&mut self, job: ExportJob, export_id: String, next_poll: Instant) {
        self.start(Running {
            job,
            export_id,
            since: self.retry().instant(),
            next_poll,
            was_seen: false,
            is_confirmed: false,
            is_reported: false,
        });
    }

    fn start(&mut self, running: Running) {
        let queue = self.queue_of(&running.job);
        match queue.running {
            // Another export of the group is under way: the ledger knows of this one.
            Some(_) => queue.waiting.push_front(running.job),
            None => queue.running = Some(running),
        }
    }

    /// The pages of a READY export were not to be had: asked after again, at once
    /// at first and ever later from then on.
    fn requeue(&mut self, job: ExportJob, export_id: String) -> anyhow::Result<()> {
        if job.setbacks > PATIENCE {
            return self.defer(
                &job,
                &format!("export {export_id} is READY, but its pages are not to be had"),
            );
        }
        let pause = self.site.options.poll * ((1 << (job.setbacks - 1)) - 1);
        self.wait(job, export_id, self.retry().instant() + pause);
        Ok(())
    }

    fn poll(&mut self, mut running: Running) -> anyhow::Result<()> {
        let seen = (self.site.api).status(&running.job.request, &running.export_id)?;
        let (meaning, state) = match seen {
            None if self.may_be_hidden(&running) => {
                let is_reported = running.is_reported;
                return self.keep_waiting(running, "not visible yet", is_reported);
            }
            None => (Meaning::Expired, "EXPIRED".to_owned()),
            Some(seen) => {
                if !running.is_confirmed || seen.owner == Ownership::Foreign {
                    if self.owner(&running.job.request, &seen)? == Ownership::Foreign {
                        return self.not_ours(running);
                    }
                    running.is_confirmed = true;
                }
                self.queue_of(&running.job).busy_since = None;
                running.was_seen = true;
                (seen.meaning, seen.state)
            }
        };
        let Running { job, export_id, .. } = &running;
        if meaning == Meaning::Unknown && self.unknown_states.insert(state.clone()) {
            log::warn!(
                "{}: export {export_id} is {state}: taking that for not ready; [states] in the API profile says otherwise",
                job.request
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
            Meaning::Ready => match self.site.api.metadata(&job.request.group, export_id)? {
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
        let now = self.retry().instant();
        let waited = now - running.since;
        running.is_reported = is_reported;
        if options.poll_once || waited > options.max_wait {
            self.queue_of(&running.job).closed = Some("an export of the group is running");
            if is_reported {
                return Ok(());
            }
            let why = format!("export {} is {state}", running.export_id);
            if let OwedLines::All(line) = &mut running.job.wants {
                set_named(line, &running.export_id, state)?;
            }
            return self.defer(&running.job, &why);
        }
        let group = running.job.request.group.clone();
        let shown = show_duration(Duration::from_secs(waited.as_secs()));
        self.progress
            .waits(&format!("{group}: {state} for {shown}"));
        let jitter = self.retry().jitter();
        running.next_poll = now + pause(waited, options.poll, jitter);
        self.groups.of(&group).running = Some(running);
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
            job.request
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
        log::info!(
            "{}: export {export_id} READY, {} files",
            job.request,
            files.0
        );
        if self.site.options.until != Until::Fetched {
            return self.report(&job, |line| set_ready(line, export_id, &ready));
        }
        let left = ready.pages().saturating_sub(kept.len() as u64);
        self.pages_ahead += left;
        self.progress.more_pages(left);
        self.downloading += 1;
        self.send(DownloaderEvent::Fetch(Box::new(Fetchable {
            job,
            export_id: export_id.to_owned(),
            ready,
            kept,
        })));
        Ok(())
    }

    /// Passes a request's lines on, with what was learned.
    fn report(
        &mut self,
        job: &ExportJob,
        enrich: impl Fn(&mut Object) -> serde_json::Result<()>,
    ) -> anyhow::Result<()> {
        for mut line in job.wants.lines() {
            enrich(&mut line)?;
            self.send(DownloaderEvent::Line(line));
        }
        self.progress.request_done();
        Ok(())
    }

    /// Not in this run. Whoever asks just once gets the lines so far, to come
    /// back with.
    fn defer(&mut self, job: &ExportJob, why: &str) -> anyhow::Result<()> {
        let e = error::try_later(format!("{}: {why}", job.request));
        if self.site.options.poll_once {
            for line in job.wants.lines() {
                self.send(DownloaderEvent::Line(line));
            }
        }
        self.send(DownloaderEvent::Problem(1, e));
        Ok(())
    }
}

fn foreign(export_id: &str) -> anyhow::Error {
    error::bad_input(format!(
        "export {export_id} is of another group, of other types or of other hours"
    ))
}
