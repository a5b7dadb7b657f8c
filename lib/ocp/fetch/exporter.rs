//! Submits requests and waits for their exports, one step at a time. The next step is always the
//! step that is due first.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::Context;

use super::cover::cover;
use super::export_job::{ExportJob, OwedLines};
use super::message::{DownloaderEvent, ExporterEvent};
use super::options::Until;
use super::plan_line::PlanLine;
use super::progress::FetchProgress;
use super::queues::{GroupQueue, GroupQueues};
use super::site::Site;
use crate::error::{self, Failure, Status};
use crate::json::object::Object;
use crate::net::retry::Retry;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::ledger::RequestState;
use crate::time::Timestamp;

/// No export is created while this many pages are left to download, because a READY export can be
/// downloaded for only 24 hours. These pages take an hour at the documented rate.
const PAGES_AHEAD: u64 = 300;

/// The exporter's counts for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExportCounts {
    pub(super) lines: u64,
    pub(super) created: u64,
    pub(super) adopted: u64,
}

pub(super) struct Exporter<'a> {
    pub(super) site: &'a Site<'a>,
    pub(super) inbox: Receiver<ExporterEvent>,
    pub(super) out: Sender<DownloaderEvent>,
    pub(super) progress: &'a FetchProgress,
    pub(super) groups: GroupQueues,
    pub(super) asked: BTreeSet<ExportRequest>,
    pub(super) asked_pages: BTreeSet<(String, u64)>,
    pub(super) input_ended: bool,
    pub(super) downloading: u64,
    pub(super) pages_ahead: u64,
    pub(super) counts: ExportCounts,
    /// Unknown states that were logged.
    pub(super) unknown_states: BTreeSet<String>,
    /// Ids that the service returned for requests of this run, although the exports with these ids
    /// belong to other requests.
    pub(super) foreign_ids: BTreeSet<String>,
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

    /// Works until every request is done or has failed.
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
            // The channel stays connected, because the input and the downloader hold senders.
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
                // A failed download does not subtract its pages from `pages_ahead`. So this count
                // is set to 0 when no export is left to download.
                if self.downloading == 0 {
                    self.pages_ahead = 0;
                }
            }
            ExporterEvent::NotDownloadable(fetchable, withheld) => {
                let request = fetchable.job.request.clone();
                let result = self.requeue(fetchable.job, fetchable.export_id, &withheld);
                self.judge(result.with_context(|| request.to_string()))?;
            }
            ExporterEvent::GroupRefused(group) => self.groups.of(&group).refuse(Status::Auth),
            ExporterEvent::Stop => {}
        }
        Ok(())
    }

    /// Reports an error that concerns only one request, so that the other requests continue.
    /// Returns any other error.
    pub(super) fn judge(&mut self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(e) if error::is_narrow(&e) => {
                self.send(DownloaderEvent::Problem(1, e));
                Ok(())
            }
            other => other,
        }
    }

    pub(super) fn send(&mut self, event: DownloaderEvent) {
        // Sending fails only if the downloader has failed, and the downloader returns its own
        // error.
        let _ = self.out.send(event);
    }

    /// Reports the requests that were not sent because the service refuses their group. Sends one
    /// message for each group.
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
                format!("{first}{others}: not requested, because the service refuses the group");
            let e = Failure::new(refused.status, text).into();
            let _ = self.out.send(DownloaderEvent::Problem(refused.count, e));
        }
    }

    pub(super) fn retry(&self) -> &'a Retry {
        self.site.api.client().retry()
    }

    pub(super) fn queue_of(&mut self, job: &ExportJob) -> &mut GroupQueue {
        self.groups.of(&job.request.group)
    }

    /// Adds the request of a line, or the requests that cover the line's window, to the queue of
    /// the group.
    fn enqueue(&mut self, asked: PlanLine) -> anyhow::Result<()> {
        let job = asked.job;
        let now = self.retry().now();
        if let Some(not_before) = asked.not_before.filter(|at| *at > now) {
            let why = format!("not before {not_before}: data must be old enough to be exported");
            return self.defer(&job, &why);
        }
        let jobs = match (&job.export_id, &job.wants) {
            (None, OwedLines::All(_)) if job.is_compared => {
                self.export_since(&job, asked.not_before)?
            }
            (None, OwedLines::All(_)) => self.cover_each(&job)?,
            _ => vec![job],
        };
        let mut fresh = 0;
        for mut job in jobs {
            if self.is_asked(&mut job) {
                log::info!("{}: requested twice; fetching it once", job.request);
                continue;
            }
            fresh += 1;
            self.queue_of(&job).waiting.push_back(job);
        }
        self.progress.more_requests(fresh);
        Ok(())
    }

    /// The requests that cover the window of a line.
    fn cover_each(&self, job: &ExportJob) -> anyhow::Result<Vec<ExportJob>> {
        let mut jobs = Vec::new();
        for one in self.split(job)? {
            if let OwedLines::All(line) = &one.wants {
                jobs.extend(cover(
                    &one,
                    line,
                    self.site.ledger().history(),
                    &self.asked,
                )?);
            }
        }
        Ok(jobs)
    }

    /// The requests of a line from `ocp-receive gaps`. An export that was created before `since`
    /// can lack late records, so it is requested again.
    fn export_since(
        &self,
        job: &ExportJob,
        since: Option<Timestamp>,
    ) -> anyhow::Result<Vec<ExportJob>> {
        let jobs = self.split(job)?;
        for one in &jobs {
            let mut ledger = self.site.ledger();
            if let RequestState::Named(export) = ledger.history().state(&one.request)
                && since.is_some_and(|since| export.created_at < since)
            {
                let outdated = export.id.clone();
                ledger.ended(&outdated, "OUTDATED")?;
            }
        }
        Ok(jobs)
    }

    /// The request of a line, or one request for each of its types if the service accepts only one
    /// type at a time.
    fn split(&self, job: &ExportJob) -> anyhow::Result<Vec<ExportJob>> {
        let mut jobs = Vec::new();
        for request in self.site.api.profile().split(&job.request) {
            let mut one = ExportJob {
                request,
                ..job.clone()
            };
            if one.request.types != job.request.types
                && let OwedLines::All(line) = &mut one.wants
            {
                line.set("types", &one.request.types)?;
            }
            jobs.push(one);
        }
        Ok(jobs)
    }

    /// Removes from a job the pages that this run has already requested. Returns true if the job
    /// has nothing left to request.
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
        // If the account may not export the group, no other request of the group is sent.
        if let Err(e) = &result
            && error::is_narrow(e)
            && Status::of(e) == Status::Auth
        {
            self.groups.of(group).refuse(Status::Auth);
        }
        self.judge(result.with_context(|| request.to_string()))
    }

    /// Writes the lines of a request; `enrich` adds the fields that are known so far.
    pub(super) fn report(
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

    /// Leaves a request for a later run. With --poll-once, the lines of the request are written, so
    /// that the caller can run the program with these lines again.
    pub(super) fn defer(&mut self, job: &ExportJob, why: &str) -> anyhow::Result<()> {
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
