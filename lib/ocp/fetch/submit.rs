//! Gets the export of a request: resumes it, adopts it from the list, or creates it.

use super::export_job::{ExportJob, set_named};
use super::exporter::Exporter;
use super::options::Until;
use super::queues::{Running, pause};
use crate::error::{self, Status};
use crate::ocp::export_request::ExportRequest;
use crate::ocp::exports::{Created, ExportStatus, Meaning, Ownership};
use crate::ocp::ledger::{ExportEntry, RequestState};

impl Exporter<'_> {
    /// Continues a request from its state in the ledger.
    pub(super) fn begin(&mut self, mut job: ExportJob) -> anyhow::Result<()> {
        let mut ledger = self.site.ledger();
        let state = ledger.history().state(&job.request).clone();
        // The output line of an earlier stage (`--until`) can name an export that has ended in the
        // meantime.
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
            (_, None) if self.site.options.adopt_ready => {
                drop(ledger);
                match self.adopt_if(&job, |seen| seen.meaning == Meaning::Ready)? {
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

    /// Continues with an export that an earlier run or an earlier stage (`--until`) requested.
    pub(super) fn resume(&mut self, job: ExportJob, export: &ExportEntry) -> anyhow::Result<()> {
        if let (Some(ready), Until::Fetched) = (export.ready, self.site.options.until) {
            let files = (ready.num_of_files, ready.size_of_export);
            if self.has_all(export, &job.wants.numbers(ready.pages()))? {
                return self.fetch(job, &export.id, files);
            }
        }
        self.wait(job, export.id.clone(), self.retry().instant());
        Ok(())
    }

    fn has_all(&self, export: &ExportEntry, numbers: &[u64]) -> anyhow::Result<bool> {
        for number in numbers {
            match export.pages.get(number) {
                Some(page) if self.site.zips.has(page)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Creates an export. The ledger records the create before it is sent, so that the next run can
    /// search for the export if the reply was lost.
    pub(super) fn create(&mut self, mut job: ExportJob) -> anyhow::Result<()> {
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
                self.queue_of(&job).is_served = true;
                self.accepted(job, &seen)
            }
            Created::Refused {
                error,
                whole_group,
                is_general,
            } => {
                self.site.ledger().refused(&job.request)?;
                let queue = self.queue_of(&job);
                let text = is_general.then(|| error.to_string());
                // If the service refuses two requests for the same reason and has accepted no
                // export of the group, the window is not the reason.
                let is_repeated = !queue.is_served && text.is_some() && queue.refusal == text;
                if whole_group || is_repeated {
                    queue.refuse(Status::of(&error));
                }
                queue.refusal = text;
                Err(error)
            }
            Created::Busy(said) => match self.adopt(&job)? {
                Some(seen) => self.accepted(job, &seen),
                None => self.wait_for_slot(job, &said),
            },
            Created::Unnamed(advice) => match self.adopt(&job)? {
                Some(seen) => self.accepted(job, &seen),
                None => Err(error::misspelled(format!(
                    "the request for the export was accepted, but neither the reply nor the list names the export: {advice}"
                ))),
            },
            Created::Lost(why) => {
                log::warn!(
                    "{}: no reply to the request for the export: {why}; searching the list for the export",
                    job.request
                );
                if let Some(seen) = self.adopt(&job)? {
                    return self.accepted(job, &seen);
                }
                job.lost += 1;
                let Some(wait) = self.retry().wait(job.lost) else {
                    return Err(error::try_later(format!(
                        "no reply to the request for the export: {why}, after {} tries",
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

    /// Searches the list for an export of this request that the ledger does not know, for example
    /// because the reply to the create was lost.
    pub(super) fn adopt(&mut self, job: &ExportJob) -> anyhow::Result<Option<ExportStatus>> {
        self.adopt_if(job, |seen| {
            !matches!(seen.meaning, Meaning::Expired | Meaning::Failed)
        })
    }

    /// Searches the list for an export of this request that has not ended and for which `wanted` is
    /// true.
    fn adopt_if(
        &mut self,
        job: &ExportJob,
        wanted: impl Fn(&ExportStatus) -> bool,
    ) -> anyhow::Result<Option<ExportStatus>> {
        let found = self.site.api.find(&job.request)?;
        let ledger = self.site.ledger();
        let has_ended = |seen: &ExportStatus| ledger.history().is_ended(&seen.export_id);
        let seen = (found.into_iter()).find(|seen| wanted(seen) && !has_ended(seen));
        drop(ledger);
        if let Some(seen) = &seen {
            log::info!("{}: found as export {}", job.request, seen.export_id);
            self.counts.adopted += 1;
        }
        Ok(seen)
    }

    pub(super) fn accepted(&mut self, job: ExportJob, seen: &ExportStatus) -> anyhow::Result<()> {
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

    /// Whether an export belongs to the request. Reads the list of exports if `seen` does not show
    /// this.
    pub(super) fn owner(
        &self,
        request: &ExportRequest,
        seen: &ExportStatus,
    ) -> anyhow::Result<Ownership> {
        match seen.owner {
            Ownership::Unknown => self.site.api.owner_in_list(request, &seen.export_id),
            owner => Ok(owner),
        }
    }

    /// Handles an export that belongs to somebody else or to another request.
    pub(super) fn not_ours(&mut self, running: Running) -> anyhow::Result<()> {
        let Running { job, export_id, .. } = running;
        self.site.ledger().ended(&export_id, "FOREIGN")?;
        if job.is_id_given {
            return Err(foreign(&export_id));
        }
        let said = format!("the service named export {export_id}");
        self.foreign_ids.insert(export_id);
        self.wait_for_slot(job, &said)
    }

    /// Waits until the other export of the group has ended.
    pub(super) fn wait_for_slot(&mut self, job: ExportJob, said: &str) -> anyhow::Result<()> {
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
            log::warn!("{}: {BUSY} ({said}); waiting until it ends", job.request);
        }
        self.progress
            .waits(&format!("{}: {BUSY}", job.request.group));
        self.queue_of(&job).waiting.push_front(job);
        Ok(())
    }
}

fn foreign(export_id: &str) -> anyhow::Error {
    error::bad_input(format!(
        "export {export_id} has another group, other types or other hours"
    ))
}
