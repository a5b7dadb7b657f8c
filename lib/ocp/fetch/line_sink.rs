//! Where the lines go, and when the ledger says that they arrived: after the reader
//! of a pipe has read them, or around the rename that gives a list its name.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::site::Site;
use crate::cli::output::Output;
use crate::export::commit::Commit;
use crate::json::lines::{self};
use crate::json::object::Object;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::ledger::{Ledger, ListDelivery, has_its_name};
use crate::os::files;
use crate::os::pending_file::{self, PendingFile};
use crate::os::signals::Stop;

/// Where the lines are to go.
#[derive(Debug)]
pub enum LineTarget<'o> {
    /// Stdout, or what is no regular file.
    Stream(&'o mut Output),
    /// A file with this absolute path, when the run ends.
    List(PathBuf),
}

impl<'o> LineTarget<'o> {
    pub(super) fn open(self, ledger: &Ledger, stop: &Stop) -> LineOutput<'o> {
        match self {
            LineTarget::Stream(output) => LineOutput::Stream(Commit::new(output, stop, true)),
            LineTarget::List(path) => LineOutput::List(ListFile {
                path,
                prefix: ledger.list_prefix(),
                open: None,
            }),
        }
    }
}

/// The way out for lines.
pub(super) struct LineSink<'a, 'o> {
    site: &'a Site<'a>,
    out: LineOutput<'o>,
    /// Exports whose lines may not have been read yet, and where those end.
    unmarked: VecDeque<(u64, ExportRequest, String)>,
}

/// Where lines go.
pub(super) enum LineOutput<'o> {
    /// Stdout, or what is no file.
    Stream(Commit<'o>),
    /// A file that gets its name when the run ends.
    List(ListFile),
}

/// A list of lines. There is no file before the first line.
pub(super) struct ListFile {
    path: PathBuf,
    /// What the name of the temporary file begins with.
    prefix: String,
    open: Option<PendingFile>,
}

impl<'a, 'o> LineSink<'a, 'o> {
    pub(super) fn new(site: &'a Site<'a>, out: LineOutput<'o>) -> LineSink<'a, 'o> {
        LineSink {
            site,
            out,
            unmarked: VecDeque::new(),
        }
    }

    pub(super) fn write(&mut self, line: &Object) -> anyhow::Result<()> {
        match &mut self.out {
            LineOutput::Stream(commit) => commit.write_record(line),
            LineOutput::List(list) => list.write(line),
        }
    }

    /// Passes on what was written.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        match &mut self.out {
            LineOutput::Stream(commit) => commit.flush(),
            LineOutput::List(_) => Ok(()),
        }
    }

    /// All lines of an export are written. The ledger learns it when they are read.
    pub(super) fn complete(&mut self, request: &ExportRequest, export_id: &str) {
        let end = match &self.out {
            LineOutput::Stream(commit) => commit.bytes(),
            LineOutput::List(_) => 0,
        };
        self.unmarked
            .push_back((end, request.clone(), export_id.to_owned()));
    }

    /// Tells the ledger of the exports whose lines have been read by now.
    pub(super) fn mark_read(&mut self) -> anyhow::Result<()> {
        let LineOutput::Stream(commit) = &mut self.out else {
            return Ok(());
        };
        while let Some((end, request, id)) = self.unmarked.front() {
            if !commit.commit_up_to(*end, || mark(self.site, request, id))? {
                break;
            }
            self.unmarked.pop_front();
        }
        Ok(())
    }

    /// Waits until all lines are read, or gives a list its name, and tells the ledger.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        let unmarked = std::mem::take(&mut self.unmarked);
        let mut each = unmarked.iter();
        match &mut self.out {
            LineOutput::Stream(commit) => {
                commit.finish(|| each.try_for_each(|(_, request, id)| mark(self.site, request, id)))
            }
            LineOutput::List(list) => {
                let ids = unmarked.iter().map(|(_, _, id)| id.clone()).collect();
                list.commit(&mut self.site.ledger(), ids)?;
                each.try_for_each(|(_, request, _)| remove_ended(self.site, request))
            }
        }
    }
}

fn mark(site: &Site<'_>, request: &ExportRequest, export_id: &str) -> anyhow::Result<()> {
    site.ledger().fetched(export_id)?;
    remove_ended(site, request)
}

/// Removes the pages of an export's predecessors.
fn remove_ended(site: &Site<'_>, request: &ExportRequest) -> anyhow::Result<()> {
    match site.ledger().history().record(request) {
        Some(record) => site.zips.remove_ended(request, record),
        None => Ok(()),
    }
}

impl ListFile {
    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn write(&mut self, line: &Object) -> anyhow::Result<()> {
        let place = format!("writing {}", self.path.display());
        lines::write(self.opened()?, line).context(place)
    }

    fn opened(&mut self) -> anyhow::Result<&mut PendingFile> {
        let file = match self.open.take() {
            Some(file) => file,
            None => PendingFile::create(self.directory(), &self.prefix)
                .with_context(|| format!("creating a file in {}", self.directory().display()))?,
        };
        Ok(self.open.insert(file))
    }

    /// Gives the list its name, and the ledger both notes: `export_ids` name the
    /// exports whose lines are all in it. Killed at any point, [`resolve`] tells what
    /// happened. Without a line there is no file, unless one is there already: it
    /// becomes empty.
    fn commit(&mut self, ledger: &mut Ledger, export_ids: Vec<String>) -> anyhow::Result<()> {
        if self.open.is_some() || self.path.exists() {
            self.opened()?;
        }
        let Some(file) = self.open.take() else {
            return export_ids.iter().try_for_each(|id| ledger.fetched(id));
        };
        let delivery = ListDelivery {
            temp: file.keep()?,
            path: self.path.clone(),
            export_ids,
        };
        if !delivery.export_ids.is_empty() {
            ledger.delivering(&delivery)?;
        }
        if let Err(e) = files::commit_path(&delivery.temp, &self.path) {
            // Unless only the directory could not be synced.
            if !has_its_name(&delivery)? {
                ledger.withdrawn(&delivery.temp)?;
                files::remove(&delivery.temp)?;
            }
            return Err(e);
        }
        let mut ids = delivery.export_ids.iter();
        ids.try_for_each(|id| ledger.fetched(id))
    }
}

/// Finishes in the ledger what a killed run left open, and removes its unfinished
/// lists: those that the ledger names, and all others beside the target.
pub(super) fn resolve(ledger: &mut Ledger, target: &LineTarget<'_>) -> anyhow::Result<()> {
    for delivery in ledger.history().deliveries().to_vec() {
        let path = delivery.path.display();
        if has_its_name(&delivery)? {
            log::info!("{path}: an earlier run was killed just after it had written this list");
            for id in &delivery.export_ids {
                ledger.fetched(id)?;
            }
        } else {
            log::info!("{path}: an earlier run was killed before this list was complete");
            ledger.withdrawn(&delivery.temp)?;
            files::remove(&delivery.temp)?;
        }
    }
    match target {
        LineTarget::List(path) => {
            let directory = path.parent().unwrap_or(Path::new("/"));
            pending_file::remove_all(directory, &ledger.list_prefix())
        }
        LineTarget::Stream(_) => Ok(()),
    }
}
