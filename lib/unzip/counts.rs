//! The counts of a run, and its status.

use crate::cli::run::{Outcome, Report};
use crate::error::{Failure, Status};

/// The numbers of ZIPs, members, recordings and lines so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnzipCounts {
    /// ZIPs that were started.
    pub zips: u64,
    /// ZIPs that could not be opened or read, for example because the file or object does not
    /// exist.
    pub unreadable: u64,
    /// Exports that have no ZIP yet.
    pub unfinished: u64,
    /// Members whose lines were passed on.
    pub members: u64,
    /// Members that --member left out.
    pub skipped: u64,
    /// Recordings that were written, or that existed already.
    pub recordings: u64,
    /// Recordings that were skipped because --wav-dir is not given.
    pub recordings_skipped: u64,
    /// Byte order marks before lines; the marks are not written.
    pub boms: u64,
    /// Lines that were passed on, without blank lines.
    pub lines: u64,
}

impl UnzipCounts {
    /// Adds the counts in `other` to these counts.
    pub(super) fn add(&mut self, other: &UnzipCounts) {
        self.zips += other.zips;
        self.unreadable += other.unreadable;
        self.unfinished += other.unfinished;
        self.members += other.members;
        self.skipped += other.skipped;
        self.recordings += other.recordings;
        self.recordings_skipped += other.recordings_skipped;
        self.boms += other.boms;
        self.lines += other.lines;
    }

    /// Adds the counts to the report of `--report`.
    pub fn report(&self, report: &mut Report) {
        report.set("zips", self.zips);
        report.set("unreadable", self.unreadable);
        report.set("unfinished", self.unfinished);
        report.set("members", self.members);
        report.set("skipped", self.skipped);
        report.set("recordings", self.recordings);
        report.set("recordings_skipped", self.recordings_skipped);
        report.set("boms", self.boms);
        report.set("lines", self.lines);
    }

    /// Whether every ZIP could be opened and read, and no line of stdin is about an export that has
    /// no ZIP yet.
    pub fn is_complete(&self) -> bool {
        self.unreadable == 0 && self.unfinished == 0
    }

    /// The result of the run. If a ZIP is unreadable and there are also bad records, the unreadable
    /// ZIP decides the status.
    pub fn outcome(&self, rejects: anyhow::Result<()>) -> anyhow::Result<Outcome> {
        if self.unreadable > 0 {
            if let Err(e) = rejects {
                log::error!("{e:#}");
            }
            let text = format!(
                "{} of {} ZIPs could not be read",
                self.unreadable, self.zips
            );
            return Err(Failure::new(Status::Io, text).into());
        }
        rejects?;
        if self.unfinished > 0 {
            let text = format!("{} exports are not on disk yet", self.unfinished);
            return Err(Failure::new(Status::TryLater, text).into());
        }
        Ok(match self.lines + self.recordings {
            0 => Outcome::Nothing,
            _ => Outcome::Done,
        })
    }
}
