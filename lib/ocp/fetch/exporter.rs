//! Submits orders and waits for them: one lane for each group, one step at a
//! time, whichever is due first.
//!
//! A lane is a queue with at most one export under way, because the service runs
//! at most one for each group. The pause between two questions for its state is
//! a tenth of the time that it has taken so far: an export is seen ready a few
//! hundredths after the fact, whether it takes seconds or hours, and the request
//! limit of the group is spared.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::line::Asked;
use super::progress::Progress;
use super::{Counts, Delivery, Fetchable, Job, Shop, Until, Wants, is_of_one_order, layout, of};
use crate::error;
use crate::ndjson::Object;
use crate::ocp::exports::{Created, Metadata, Seen};
use crate::ocp::ledger::{Export, Ready, State};
use crate::ocp::order::Order;
use crate::ocp::profile::Meaning;
use crate::time::{Timestamp, show_duration};
use crate::window::Window;

/// READY exports live 24 hours. No more of them are made while so many pages are
/// still to be downloaded, which takes an hour at the documented rate.
const PAGES_AHEAD: u64 = 300;

/// How often an order may lose its export, to expiry or otherwise.
const SETBACKS: u32 = 5;

/// The longest pause between two questions, in shortest ones.
const SLOWEST: u32 = 30;

/// What the exporter is told.
pub(super) enum Event {
    /// A line of the input.
    Asked(Box<Asked>),
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
    /// The downloader found that an export is gone, or not ready after all.
    Again(Box<Fetchable>),
    /// Look whether to stop.
    Stop,
}

/// The orders of one group.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Job>,
    running: Option<Running>,
    /// The group's slot is taken, or a create was lost: not before then.
    rest_until: Option<Instant>,
    /// Since when the slot is taken by somebody else.
    busy_since: Option<Instant>,
    /// `--poll-once`: this lane's turn is over.
    closed: bool,
}

/// An export that is waited for.
struct Running {
    job: Job,
    export_id: String,
    since: Instant,
    next_poll: Instant,
    /// Its line has left already (`--until submitted`): only the slot is awaited.
    is_reported: bool,
}

pub(super) struct Exporter<'a> {
    shop: &'a Shop<'a>,
    inbox: Receiver<Event>,
    out: Sender<Delivery>,
    progress: &'a Progress,
    lanes: BTreeMap<String, Lane>,
    seen: BTreeSet<Order>,
    input_ended: bool,
    unsettled: u64,
    pages_ahead: u64,
    counts: Counts,
}

impl<'a> Exporter<'a> {
    pub(super) fn new(
        shop: &'a Shop<'a>,
        inbox: Receiver<Event>,
        out: Sender<Delivery>,
        progress: &'a Progress,
    ) -> Exporter<'a> {
        Exporter {
            shop,
            inbox,
            out,
            progress,
            lanes: BTreeMap::new(),
            seen: BTreeSet::new(),
            input_ended: false,
            unsettled: 0,
            pages_ahead: 0,
            counts: Counts::default(),
        }
    }

    /// Works until every order is settled.
    pub(super) fn run(mut self) -> anyhow::Result<Counts> {
        loop {
            self.shop.api.attempts().stop().check()?;
            while let Ok(event) = self.inbox.try_recv() {
                self.take(event)?;
            }
            if self.is_finished() {
                return Ok(self.counts);
            }
            let now = Instant::now();
            let event = match self.due(now) {
                Some((at, group)) if at <= now => {
                    self.step(&group)?;
                    continue;
                }
                Some((at, _)) => match self.inbox.recv_timeout(at - now) {
                    Err(RecvTimeoutError::Timeout) => continue,
                    other => other.ok(),
                },
                None => self.inbox.recv().ok(),
            };
            match event {
                Some(event) => self.take(event)?,
                // The downloader has failed; it says why.
                None => return Ok(self.counts),
            }
        }
    }

    fn is_finished(&self) -> bool {
        let is_idle = |lane: &Lane| lane.queue.is_empty() && lane.running.is_none();
        self.input_ended && self.unsettled == 0 && self.lanes.values().all(is_idle)
    }

    fn take(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Asked(asked) => {
                self.counts.lines += 1;
                let place = asked.place.clone();
                let result = self.enqueue(*asked).context(place);
                self.settle(result)
            }
            Event::Unreadable(e) => {
                self.counts.lines += 1;
                self.deliver(Delivery::Problem(e))
            }
            Event::Broken(e) => Err(e).context("stdin"),
            Event::End => {
                self.input_ended = true;
                Ok(())
            }
            Event::PageDone => {
                self.pages_ahead = self.pages_ahead.saturating_sub(1);
                Ok(())
            }
            Event::Settled => {
                self.unsettled -= 1;
                // Pages that were given up are not ahead any more.
                if self.unsettled == 0 {
                    self.pages_ahead = 0;
                }
                Ok(())
            }
            Event::Again(fetchable) => {
                let Fetchable {
                    mut job, export_id, ..
                } = *fetchable;
                job.setbacks += 1;
                self.resume(job, export_id, Instant::now());
                Ok(())
            }
            Event::Stop => Ok(()),
        }
    }

    /// An error that concerns one order is told, and the others go on.
    fn settle(&mut self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        match result {
            Err(e) if is_of_one_order(&e) => self.deliver(Delivery::Problem(e)),
            other => other,
        }
    }

    fn deliver(&mut self, delivery: Delivery) -> anyhow::Result<()> {
        // The downloader is gone only when it has failed, and it says why.
        let _ = self.out.send(delivery);
        Ok(())
    }

    /// Puts a line's order into its group's lane. A window is first covered by
    /// what the ledger has, so that only the gaps are asked for anew.
    fn enqueue(&mut self, asked: Asked) -> anyhow::Result<()> {
        let job = asked.job;
        let now = self.shop.api.attempts().now();
        if let Some(not_before) = asked.not_before.filter(|at| *at > now) {
            return self.too_early(job, not_before);
        }
        let jobs = match (&job.export_id, &job.wants) {
            (None, Wants::All(object)) => self.cover(&job, object)?,
            _ => vec![job],
        };
        let mut fresh = 0;
        for job in jobs {
            let is_whole = matches!(job.wants, Wants::All(_));
            if is_whole && !self.seen.insert(job.order.clone()) {
                log::info!("{}: asked for twice; once will do", job.order);
                continue;
            }
            fresh += 1;
            let lane = self.lanes.entry(job.order.group.clone()).or_default();
            lane.queue.push_back(job);
        }
        self.progress.more_orders(fresh);
        Ok(())
    }

    fn too_early(&mut self, job: Job, not_before: Timestamp) -> anyhow::Result<()> {
        let e = error::try_later(format!(
            "{}: not before {not_before}: data must be old enough to be exported",
            job.order
        ));
        self.give_back(job)?;
        self.deliver(Delivery::Problem(e))
    }

    /// Splits an order into those of the ledger that overlap it and the gaps
    /// between them.
    fn cover(&self, job: &Job, object: &Object) -> anyhow::Result<Vec<Job>> {
        let ledger = self.shop.ledger();
        let known: Vec<&Order> = ledger
            .history()
            .live()
            .map(|(order, _)| order)
            .filter(|order| order.shares_records(&job.order))
            .collect();
        if let Some(other) = known.iter().find(|order| order.types != job.order.types) {
            return Err(error::refused(format!(
                "{}: shares records with {other}, which the ledger has: plan it with export-plan --have",
                job.order
            )));
        }
        let have: Vec<Window> = known.iter().map(|order| order.window).collect();
        let mut windows = job.order.window.gaps(&have);
        windows.extend(have);
        windows.sort_unstable();
        windows
            .into_iter()
            .map(|window| {
                let mut object = object.clone();
                object.set("from", &window.from())?;
                object.set("to", &window.to())?;
                Ok(Job {
                    order: Order {
                        window,
                        ..job.order.clone()
                    },
                    wants: Wants::All(object),
                    ..job.clone()
                })
            })
            .collect()
    }

    /// The lane whose step comes first, and when.
    fn due(&self, now: Instant) -> Option<(Instant, String)> {
        let is_held = self.shop.options.until == Until::Fetched && self.pages_ahead >= PAGES_AHEAD;
        let at = |lane: &Lane| match &lane.running {
            Some(running) => Some(running.next_poll),
            None if lane.queue.is_empty() || is_held => None,
            None => Some(lane.rest_until.unwrap_or(now)),
        };
        self.lanes
            .iter()
            .filter_map(|(group, lane)| Some((at(lane)?, group)))
            .min()
            .map(|(at, group)| (at, group.clone()))
    }

    fn step(&mut self, group: &str) -> anyhow::Result<()> {
        let Some(lane) = self.lanes.get_mut(group) else {
            return Ok(());
        };
        lane.rest_until = None;
        let (order, result) = if let Some(running) = lane.running.take() {
            (running.job.order.clone(), self.poll(running))
        } else if let Some(job) = lane.queue.pop_front() {
            (job.order.clone(), self.begin(job))
        } else {
            return Ok(());
        };
        let result = of(&order, result);
        self.settle(result)
    }

    /// Finds out how far an order has come and goes on from there.
    fn begin(&mut self, job: Job) -> anyhow::Result<()> {
        let state = self.shop.ledger().history().state(&job.order).cloned();
        match (state, job.export_id.clone()) {
            (Some(State::Named(export)), given)
                if given.as_ref().is_none_or(|id| *id == export.id) =>
            {
                self.take_up(job, export)
            }
            (Some(State::Named(export)), Some(given)) => Err(error::refused(format!(
                "the line says export {given}, the ledger says {}: give another --ledger",
                export.id
            ))),
            (_, Some(given)) => {
                self.shop.ledger().created(&job.order, &given)?;
                match job.stated {
                    Some(stated) => self.is_ready(job, &given, stated),
                    None => {
                        self.resume(job, given, Instant::now());
                        Ok(())
                    }
                }
            }
            (Some(State::Creating), None) => match self.adopt(&job)? {
                Some(seen) => self.accepted(job, seen),
                None => self.create(job),
            },
            _ => self.create(job),
        }
    }

    /// An export of an earlier run, or of an earlier stage.
    fn take_up(&mut self, job: Job, export: Export) -> anyhow::Result<()> {
        let until = self.shop.options.until;
        if let Some(ready) = export.ready {
            let wanted: Vec<u64> = match &job.wants {
                Wants::All(_) => (1..=ready.pages()).collect(),
                Wants::Pages(_, pages) => pages.iter().map(|(number, _)| *number).collect(),
            };
            let is_kept = |number| {
                let page = export.pages.get(number);
                page.is_some_and(|page| super::downloader::is_on_disk(self.shop, page))
            };
            if until == Until::Fetched && wanted.iter().all(is_kept) {
                let files = (ready.num_of_files, ready.size_of_export);
                return self.is_ready(job, &export.id, files);
            }
        }
        if until == Until::Submitted {
            let status = if export.ready.is_some() {
                "READY"
            } else {
                "SUBMITTED"
            };
            return self.report_submitted(job, &export.id, status, Instant::now());
        }
        if let (Some(stated), None) = (job.stated, export.ready) {
            return self.is_ready(job, &export.id, stated);
        }
        self.resume(job, export.id, Instant::now());
        Ok(())
    }

    /// Asks for an export. The ledger knows before the service does, so that a
    /// crash between the two is found out by the next run.
    fn create(&mut self, mut job: Job) -> anyhow::Result<()> {
        if self.lane(&job).closed {
            return self.not_ready(job, "waiting for the group's slot");
        }
        self.shop.ledger().creating(&job.order)?;
        match self.shop.api.create(&job.order)? {
            Created::Accepted(seen) => {
                self.counts.created += 1;
                self.accepted(job, seen)
            }
            Created::Refused(e) => {
                self.shop.ledger().refused(&job.order)?;
                Err(e)
            }
            Created::Busy(said) => match self.adopt(&job)? {
                Some(seen) => self.accepted(job, seen),
                None => self.wait_for_slot(job, &said),
            },
            Created::Lost(why) => {
                log::warn!(
                    "{}: no answer to the create: {why}; looking for it in the list",
                    job.order
                );
                if let Some(seen) = self.adopt(&job)? {
                    return self.accepted(job, seen);
                }
                job.lost += 1;
                let Some(wait) = self.shop.api.attempts().wait(job.lost) else {
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
    fn adopt(&mut self, job: &Job) -> anyhow::Result<Option<Seen>> {
        let found = self.shop.api.find(&job.order)?;
        let is_alive = |seen: &Seen| matches!(seen.meaning, Meaning::Pending | Meaning::Ready);
        let seen = found.into_iter().find(is_alive);
        if let Some(seen) = &seen {
            log::info!(
                "{}: found as export {}; taking it up",
                job.order,
                seen.export_id
            );
            self.counts.adopted += 1;
        }
        Ok(seen)
    }

    fn accepted(&mut self, job: Job, seen: Seen) -> anyhow::Result<()> {
        self.shop.ledger().created(&job.order, &seen.export_id)?;
        log::info!("{}: export {} {}", job.order, seen.export_id, seen.state);
        self.lane(&job).busy_since = None;
        let first_poll = match seen.meaning {
            Meaning::Pending if !self.shop.options.poll_once => {
                Instant::now() + self.shop.options.poll
            }
            _ => Instant::now(),
        };
        if self.shop.options.until == Until::Submitted {
            return self.report_submitted(job, &seen.export_id, &seen.state, first_poll);
        }
        self.resume(job, seen.export_id, first_poll);
        Ok(())
    }

    /// Passes the line on at once, and keeps the export in the lane only for
    /// its slot.
    fn report_submitted(
        &mut self,
        mut job: Job,
        export_id: &str,
        status: &str,
        first_poll: Instant,
    ) -> anyhow::Result<()> {
        if let Wants::All(object) = &mut job.wants {
            object.set("export_id", export_id)?;
            object.set("status", status)?;
            let line = object.clone();
            self.deliver(Delivery::Line(line))?;
        }
        self.progress.order_done();
        if status != "READY" {
            self.resume(job, export_id.to_owned(), first_poll);
            let lane = self
                .lanes
                .values_mut()
                .filter_map(|lane| lane.running.as_mut());
            for running in lane.filter(|running| running.export_id == export_id) {
                running.is_reported = true;
            }
        }
        Ok(())
    }

    fn wait_for_slot(&mut self, job: Job, said: &str) -> anyhow::Result<()> {
        if self.shop.options.poll_once {
            self.lane(&job).closed = true;
            return self.not_ready(job, "another export of the group is running");
        }
        let now = Instant::now();
        let poll = self.shop.options.poll;
        let since = *self.lane(&job).busy_since.get_or_insert(now);
        if since == now {
            log::info!("{}: the group is busy: {said}; waiting", job.order);
        }
        self.progress
            .waits(&format!("{}: another export is running", job.order.group));
        let pause = self.pause(now - since, poll);
        let lane = self.lane(&job);
        lane.rest_until = Some(now + pause);
        lane.queue.push_front(job);
        Ok(())
    }

    /// A tenth of the time so far, within bounds, and a little at random.
    fn pause(&self, so_far: Duration, poll: Duration) -> Duration {
        let pause = (so_far / 10).clamp(poll, poll * SLOWEST);
        pause.mul_f64(0.9 + 0.2 * self.shop.api.attempts().jitter())
    }

    fn resume(&mut self, job: Job, export_id: String, next_poll: Instant) {
        let lane = self.lane(&job);
        // Another export of the lane is under way: this one is asked for later,
        // by the ledger.
        if lane.running.is_some() {
            lane.queue.push_front(Job {
                export_id: Some(export_id),
                stated: None,
                ..job
            });
            return;
        }
        lane.running = Some(Running {
            job,
            export_id,
            since: Instant::now(),
            next_poll,
            is_reported: false,
        });
    }

    fn poll(&mut self, mut running: Running) -> anyhow::Result<()> {
        if running.is_reported && self.input_ended && self.lane(&running.job).queue.is_empty() {
            return Ok(());
        }
        let group = &running.job.order.group;
        let seen = self.shop.api.status(group, &running.export_id)?;
        let meaning = seen.as_ref().map_or(Meaning::Expired, |seen| seen.meaning);
        let state = seen.map_or_else(|| "EXPIRED".to_owned(), |seen| seen.state);
        if running.is_reported && meaning != Meaning::Pending {
            return Ok(());
        }
        match meaning {
            Meaning::Ready => match self.shop.api.metadata(group, &running.export_id)? {
                Metadata::Known {
                    num_of_files,
                    size_of_export,
                } => {
                    let id = running.export_id;
                    return self.is_ready(running.job, &id, (num_of_files, size_of_export));
                }
                Metadata::Gone => return self.is_gone(running.job, &running.export_id, "EXPIRED"),
                Metadata::NotReady => {}
            },
            Meaning::Expired => return self.is_gone(running.job, &running.export_id, &state),
            Meaning::Failed => {
                self.shop.ledger().ended(&running.export_id, &state)?;
                return Err(error::refused(format!(
                    "export {} ended as {state}",
                    running.export_id
                )));
            }
            Meaning::Pending => {}
        }
        if self.shop.options.poll_once {
            let lane = self.lane(&running.job);
            lane.closed = true;
            let export_id = running.export_id.clone();
            if let Wants::All(object) = &mut running.job.wants {
                object.set("export_id", &export_id)?;
                object.set("status", &state)?;
            }
            return self.not_ready(running.job, &format!("export {export_id} is {state}"));
        }
        let now = Instant::now();
        let waited = now - running.since;
        self.progress.waits(&format!(
            "{}: {state} for {}",
            running.job.order.group,
            show_duration(Duration::from_secs(waited.as_secs()))
        ));
        running.next_poll = now + self.pause(waited, self.shop.options.poll);
        let group = running.job.order.group.clone();
        self.lanes.entry(group).or_default().running = Some(running);
        Ok(())
    }

    /// An export that was there and is not: asked for anew, from page 1.
    fn is_gone(&mut self, mut job: Job, export_id: &str, state: &str) -> anyhow::Result<()> {
        self.shop.ledger().ended(export_id, state)?;
        layout::remove_stale(&self.shop.options.out_dir, &mut self.shop.ledger())?;
        if matches!(job.wants, Wants::Pages(..)) {
            return Err(error::refused(format!(
                "export {export_id} is {state}: its pages cannot be mixed with those of another; plan its window anew"
            )));
        }
        job.setbacks += 1;
        if job.setbacks > SETBACKS {
            return Err(error::refused(format!(
                "export {export_id} is {state}, as {} before it",
                job.setbacks - 1
            )));
        }
        log::warn!(
            "{}: export {export_id} is {state}; asking for it anew",
            job.order
        );
        job.export_id = None;
        job.stated = None;
        self.create(job)
    }

    fn is_ready(&mut self, job: Job, export_id: &str, files: (u64, u64)) -> anyhow::Result<()> {
        if job.setbacks > SETBACKS {
            return Err(error::refused(format!(
                "export {export_id} is READY, but its pages are not to be had"
            )));
        }
        let page_size = match &job.wants {
            Wants::All(_) => self.shop.options.page_size,
            Wants::Pages(size, _) => *size,
        };
        let mut ledger = self.shop.ledger();
        let ready = ledger.ready(export_id, files.0, files.1, page_size)?;
        let kept = match ledger.history().state(&job.order) {
            Some(State::Named(export)) => export.pages.values().cloned().collect(),
            _ => Vec::new(),
        };
        drop(ledger);
        log::info!(
            "{}: export {export_id} is READY, {} files",
            job.order,
            files.0
        );
        match self.shop.options.until {
            Until::Submitted | Until::Ready => self.report_ready(job, export_id, &ready),
            Until::Fetched => {
                let fetchable = Fetchable {
                    job,
                    export_id: export_id.to_owned(),
                    ready,
                    kept,
                };
                let left = ready.pages().saturating_sub(fetchable.kept.len() as u64);
                self.pages_ahead += left;
                self.progress.more_pages(left);
                self.unsettled += 1;
                self.deliver(Delivery::Fetch(Box::new(fetchable)))
            }
        }
    }

    fn report_ready(&mut self, job: Job, export_id: &str, ready: &Ready) -> anyhow::Result<()> {
        self.progress.order_done();
        let lines = match job.wants {
            Wants::All(object) => vec![object],
            Wants::Pages(_, pages) => pages.into_iter().map(|(_, object)| object).collect(),
        };
        for mut object in lines {
            object.set("export_id", export_id)?;
            object.set("status", "READY")?;
            object.set("num_of_files", &ready.num_of_files)?;
            object.set("size_of_export", &ready.size_of_export)?;
            object.set("ready_at", &ready.at)?;
            self.deliver(Delivery::Line(object))?;
        }
        Ok(())
    }

    /// `--poll-once`: the line so far, and status 75.
    fn not_ready(&mut self, job: Job, why: &str) -> anyhow::Result<()> {
        let e = error::try_later(format!("{}: {why}", job.order));
        self.give_back(job)?;
        self.deliver(Delivery::Problem(e))
    }

    /// Where the caller comes back, it needs the lines so far.
    fn give_back(&mut self, job: Job) -> anyhow::Result<()> {
        if !self.shop.options.poll_once {
            return Ok(());
        }
        let lines = match job.wants {
            Wants::All(object) => vec![object],
            Wants::Pages(_, pages) => pages.into_iter().map(|(_, object)| object).collect(),
        };
        for object in lines {
            self.deliver(Delivery::Line(object))?;
        }
        Ok(())
    }

    fn lane(&mut self, job: &Job) -> &mut Lane {
        self.lanes.entry(job.order.group.clone()).or_default()
    }
}
