//! Where the lines go, and when the ledger says that they arrived: after the reader
//! of a pipe has read them, or around the rename that gives a list its name.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::export::commit::Commit;
use crate::json::lines::{self, Object};
use crate::ocp::ledger::{Ledger, ListDelivery, has_its_name};
use crate::os::files;
use crate::os::pending_file::{self, PendingFile};

/// The way out for lines.
pub(super) enum LineSink<'o> {
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

impl LineSink<'_> {
    pub(super) fn write(&mut self, line: &Object) -> anyhow::Result<()> {
        match self {
            LineSink::Stream(commit) => commit.write_record(line),
            LineSink::List(list) => list.write(line),
        }
    }
}

impl ListFile {
    /// A list that is to be called `path`, which is absolute.
    pub(super) fn new(path: PathBuf, ledger: &Ledger) -> ListFile {
        ListFile {
            path,
            prefix: ledger.list_prefix(),
            open: None,
        }
    }

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
    pub(super) fn deliver(
        &mut self,
        ledger: &mut Ledger,
        export_ids: Vec<String>,
    ) -> anyhow::Result<()> {
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
        if let Err(e) = files::rename(&delivery.temp, &self.path) {
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
/// lists: those that the ledger names, and all others beside `list`.
pub(super) fn resolve(ledger: &mut Ledger, list: Option<&Path>) -> anyhow::Result<()> {
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
    match list.and_then(Path::parent) {
        Some(directory) => pending_file::remove_all(directory, &ledger.list_prefix()),
        None => Ok(()),
    }
}
