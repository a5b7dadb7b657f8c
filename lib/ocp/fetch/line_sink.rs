//! The output for lines: a stream, or a list (a file or an object) with all lines of the run.
//!
//! The ledger records an export as fetched when the lines of this export are safe. In a stream,
//! lines are safe when the reader of the pipe has read them, or when they are on disk (`>> FILE`).
//! In a list, lines are safe when the list has its final name or is in its bucket.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::site::Site;
use crate::bucket::pending_object::PendingObject;
use crate::cli::output::Output;
use crate::export::commit::Commit;
use crate::json::lines::{self};
use crate::json::object::Object;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::ledger::{HeadObject, Ledger, ListDelivery, is_delivered};
use crate::os::files;
use crate::os::pending_file::{self, PendingFile};
use crate::os::signals::Stop;

/// The destination of the lines.
#[derive(Debug)]
pub enum LineTarget<'o> {
    /// Stdout, or a path that is not a regular file.
    Stream(&'o mut Output),
    /// A file with this absolute path, created at the end of the run.
    List(PathBuf),
    /// An object that is uploaded at the end of the run.
    Object(Box<PendingObject>),
}

impl<'o> LineTarget<'o> {
    pub(super) fn open(self, ledger: &Ledger, stop: &Stop) -> anyhow::Result<LineOutput<'o>> {
        Ok(match self {
            LineTarget::Stream(output) => LineOutput::Stream(Commit::new(output, stop, true)),
            LineTarget::List(path) => LineOutput::List(ListFile {
                path,
                prefix: ledger.list_prefix(),
                open: None,
            }),
            LineTarget::Object(pending) => LineOutput::Object(ListObject {
                writer: BufWriter::new(pending.as_file().try_clone()?),
                has_lines: false,
                pending,
            }),
        })
    }
}

/// The output for lines.
pub(super) struct LineSink<'a, 'o> {
    site: &'a Site<'a>,
    out: LineOutput<'o>,
    /// Exports whose lines are written, but not yet recorded as fetched. For each export: the
    /// offset in bytes after its last line in the output (0 for a list), its request and its id.
    unmarked: VecDeque<(u64, ExportRequest, String)>,
}

/// The open destination.
pub(super) enum LineOutput<'o> {
    /// Stdout, or a path that is not a regular file.
    Stream(Commit<'o>),
    /// A file that gets its name at the end of the run.
    List(ListFile),
    /// An object that is uploaded at the end of the run.
    Object(ListObject),
}

/// A list in a file. The temporary file is created with the first line.
pub(super) struct ListFile {
    path: PathBuf,
    /// The prefix of the name of the temporary file.
    prefix: String,
    open: Option<PendingFile>,
}

/// A list in an object of a bucket.
pub(super) struct ListObject {
    pending: Box<PendingObject>,
    writer: BufWriter<File>,
    has_lines: bool,
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
            LineOutput::Object(list) => list.write(line),
        }
    }

    /// Flushes a stream; does nothing for a list.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        match &mut self.out {
            LineOutput::Stream(commit) => commit.flush(),
            LineOutput::List(_) | LineOutput::Object(_) => Ok(()),
        }
    }

    /// The caller must call this when all lines of an export are written. The ledger records the
    /// export as fetched when the reader has read these lines, or when their list is complete.
    pub(super) fn complete(&mut self, request: &ExportRequest, export_id: &str) {
        let end = match &self.out {
            LineOutput::Stream(commit) => commit.bytes(),
            LineOutput::List(_) | LineOutput::Object(_) => 0,
        };
        self.unmarked
            .push_back((end, request.clone(), export_id.to_owned()));
    }

    /// Records in the ledger the exports whose lines in the stream are safe (see the top of this
    /// file). Does not wait for the reader. Does nothing for a list.
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

    /// Waits until the reader of a stream has read all lines, or completes the list: renames the
    /// file or uploads the object. Then records the complete exports in the ledger.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        let unmarked = std::mem::take(&mut self.unmarked);
        let mut each = unmarked.iter();
        let ids = || unmarked.iter().map(|(_, _, id)| id.clone()).collect();
        match &mut self.out {
            LineOutput::Stream(commit) => {
                return commit
                    .finish(|| each.try_for_each(|(_, request, id)| mark(self.site, request, id)));
            }
            LineOutput::List(list) => list.commit(&mut self.site.ledger(), ids())?,
            LineOutput::Object(list) => list.commit(&mut self.site.ledger(), ids())?,
        }
        each.try_for_each(|(_, request, _)| remove_ended(self.site, request))
    }
}

fn mark(site: &Site<'_>, request: &ExportRequest, export_id: &str) -> anyhow::Result<()> {
    site.ledger().fetched(export_id)?;
    remove_ended(site, request)
}

/// Deletes the pages of the request's ended exports.
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

    /// Gives the list its name by a rename, and writes to the ledger before and after the rename.
    /// `export_ids` are the exports whose lines are all in the list. If the run is killed at any
    /// point, [`resolve`] finds out in a later run whether the list is complete. If no line was
    /// written, an existing file becomes empty, and a missing file is not created.
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
            sha256: None,
        };
        if !delivery.export_ids.is_empty() {
            ledger.delivering(&delivery)?;
        }
        if let Err(e) = files::commit_path(&delivery.temp, &self.path) {
            // If only the sync of the directory failed, the list has its name and must stay.
            if !is_delivered(&delivery, &|_| Ok(None))? {
                ledger.withdrawn(&delivery.temp)?;
                files::remove(&delivery.temp)?;
            }
            return Err(e);
        }
        let mut ids = delivery.export_ids.iter();
        ids.try_for_each(|id| ledger.fetched(id))
    }
}

impl ListObject {
    fn write(&mut self, line: &Object) -> anyhow::Result<()> {
        self.has_lines = true;
        let place = || format!("writing the temporary file of {}", self.pending.url());
        lines::write(&mut self.writer, line).with_context(place)
    }

    /// Uploads the list, and writes to the ledger before and after the upload. If the run is killed
    /// or fails at any point, [`resolve`] finds out in a later run whether the list is complete. If
    /// no line was written, an existing object becomes empty, and a missing object is not created.
    fn commit(&mut self, ledger: &mut Ledger, export_ids: Vec<String>) -> anyhow::Result<()> {
        let place = format!("writing the temporary file of {}", self.pending.url());
        self.writer.flush().context(place)?;
        if self.has_lines || self.pending.is_there() {
            if !export_ids.is_empty() {
                let sha256 = self.pending.sha256()?;
                let url = self.pending.url();
                ledger.delivering(&ListDelivery::object(url, sha256, export_ids.clone()))?;
            }
            self.pending.finish()?;
        }
        export_ids.iter().try_for_each(|id| ledger.fetched(id))
    }
}

/// Records in the ledger whether the lists of a killed run are complete. Deletes the incomplete
/// lists, and all other temporary files of this ledger beside the target.
pub(super) fn resolve(
    ledger: &mut Ledger,
    target: &LineTarget<'_>,
    head: HeadObject<'_>,
) -> anyhow::Result<()> {
    for delivery in ledger.history().deliveries().to_vec() {
        let path = delivery.path.display();
        if is_delivered(&delivery, head)? {
            log::info!("{path}: an earlier run was killed just after it had written this list");
            for id in &delivery.export_ids {
                ledger.fetched(id)?;
            }
        } else {
            log::info!("{path}: an earlier run was killed before this list was complete");
            ledger.withdrawn(&delivery.temp)?;
            if delivery.sha256.is_none() {
                files::remove(&delivery.temp)?;
            }
        }
    }
    match target {
        LineTarget::List(path) => {
            let directory = path.parent().unwrap_or(Path::new("/"));
            pending_file::remove_all(directory, &ledger.list_prefix())
        }
        LineTarget::Stream(_) | LineTarget::Object(_) => Ok(()),
    }
}
