//! Waits for an export until it can be downloaded.

use std::time::{Duration, Instant};

use super::export_job::{ExportJob, Fetchable, OwedLines, set_named, set_ready};
use super::exporter::Exporter;
use super::message::DownloaderEvent;
use super::options::Until;
use super::queues::{Running, pause};
use crate::error;
use crate::ocp::exports::{Meaning, Metadata, Ownership, Withheld};
use crate::time::show_duration;

/// A new export counts as lost if the service does not show it within this many times the duration
/// `--poll`: 5 minutes by default.
const LAG_POLLS: u32 = 150;

/// How often a request may lose its export, and how often the service may refuse the pages of a
/// READY export, before the request fails.
const PATIENCE: u32 = 5;

impl Exporter<'_> {
    /// Waits for an export of an earlier run or of an earlier stage (`--until`); `next_poll` is the
    /// time of the first request for the state of the export.
    pub(super) fn wait(&mut self, job: ExportJob, export_id: String, next_poll: Instant) {
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

    pub(super) fn start(&mut self, running: Running) {
        let queue = self.queue_of(&running.job);
        match queue.running {
            // Another export of the group is running. This job can wait in the queue, because the
            // ledger contains its export.
            Some(_) => queue.waiting.push_front(running.job),
            None => queue.running = Some(running),
        }
    }

    /// Polls a READY export again after the service refused its metadata or one of its pages: first
    /// at once, then after longer and longer pauses. After more than `PATIENCE` refusals, the
    /// request fails: with status 75 if the refusal can be temporary, otherwise with status 69,
    /// because a path in the profile is wrong.
    pub(super) fn requeue(
        &mut self,
        mut job: ExportJob,
        export_id: String,
        withheld: &Withheld,
    ) -> anyhow::Result<()> {
        job.setbacks += 1;
        if job.setbacks > PATIENCE {
            return Err(withheld.error(&export_id, job.setbacks));
        }
        let pause = self.site.options.poll * ((1 << (job.setbacks - 1)) - 1);
        self.wait(job, export_id, self.retry().instant() + pause);
        Ok(())
    }

    pub(super) fn poll(&mut self, mut running: Running) -> anyhow::Result<()> {
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
                "{}: export {export_id} is {state}, an unknown state, which is treated as not ready: if it means something else, set [states] in the API profile",
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
                Metadata::NotReady(withheld) if withheld.is_passing => {
                    self.keep_waiting(running, &state, false)
                }
                Metadata::NotReady(withheld) => {
                    self.requeue(running.job, running.export_id, &withheld)
                }
            },
            Meaning::Pending | Meaning::Unknown => {
                if meaning == Meaning::Unknown {
                    self.check_unknown(&running, &state)?;
                }
                let is_reported = running.is_reported;
                self.keep_waiting(running, &state, is_reported)
            }
        }
    }

    /// Fails if an export in an unknown state has metadata: only a READY export has metadata, so
    /// the unknown state means READY.
    fn check_unknown(&mut self, running: &Running, state: &str) -> anyhow::Result<()> {
        let api = self.site.api;
        let (request, export_id) = (&running.job.request, &running.export_id);
        let metadata = api.metadata(&request.group, export_id)?;
        // The export has possibly become READY since its unknown state was read. So the state is
        // read again, and the metadata counts only if the state is still the same.
        let has_metadata = matches!(metadata, Metadata::Known { .. })
            && (api.status(request, export_id)?).is_some_and(|seen| seen.state == state);
        if !has_metadata {
            return Ok(());
        }
        let advice = api.profile().fit_state(state, true);
        Err(error::misspelled(format!(
            "export {export_id} is {state}, an unknown state, and has metadata, as READY exports have: {advice}"
        )))
    }

    pub(super) fn keep_waiting(
        &mut self,
        mut running: Running,
        state: &str,
        is_reported: bool,
    ) -> anyhow::Result<()> {
        let options = self.site.options;
        let now = self.retry().instant();
        let waited = now - running.since;
        running.is_reported = is_reported;
        if !options.poll_once && waited > options.max_wait && self.unknown_states.contains(state) {
            // A longer wait does not help, because the profile does not say what this state means.
            let advice = self.site.api.profile().fit_state(state, false);
            return Err(error::misspelled(format!(
                "export {} is {state}, an unknown state, for {}: {advice}",
                running.export_id,
                show_duration(Duration::from_secs(waited.as_secs()))
            )));
        }
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

    /// Whether the service has not shown the export yet, and the export is so new that this is
    /// normal.
    pub(super) fn may_be_hidden(&self, running: &Running) -> bool {
        let now = self.retry().now();
        let lag = self.site.options.poll * LAG_POLLS;
        let ledger = self.site.ledger();
        let export = ledger.history().export(&running.export_id);
        !running.was_seen && export.is_some_and(|export| now.since(export.created_at) < lag)
    }

    /// Requests a new export in place of an expired or lost export. Pages of the old export are not
    /// used for the new export. Fails if the input lines are for single pages.
    pub(super) fn ask_anew(
        &mut self,
        mut job: ExportJob,
        export_id: &str,
        state: &str,
    ) -> anyhow::Result<()> {
        self.site.ledger().ended(export_id, state)?;
        if matches!(job.wants, OwedLines::Pages(..)) {
            return Err(error::refused(format!(
                "export {export_id} is {state}: its pages cannot be mixed with those of another \
                 export; plan its window again"
            )));
        }
        job.renewals += 1;
        if job.renewals > PATIENCE {
            return Err(error::refused(format!(
                "export {export_id} is {state}, like the {PATIENCE} exports before it"
            )));
        }
        log::warn!(
            "{}: export {export_id} is {state}; requesting it again",
            job.request
        );
        job.setbacks = 0;
        self.create(job)
    }

    /// Handles a READY export: passes it to the downloader, or only writes its lines (`--until`).
    /// `files` holds the number of files, and the number of bytes if that is known.
    pub(super) fn fetch(
        &mut self,
        job: ExportJob,
        export_id: &str,
        files: (u64, Option<u64>),
    ) -> anyhow::Result<()> {
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
}
