//! Where the lines go, and when the ledger says that they arrived: after the reader
//! of a pipe has read them, or around the rename that gives a list its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempPath;

use crate::export::commit::Commit;
use crate::json::lines::{self, Object};
use crate::ocp::ledger::{Ledger, ListDelivery, has_its_name};
use crate::os::files;

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
    open: Option<OpenList>,
}

struct OpenList {
    temp: TempPath,
    writer: BufWriter<File>,
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

    fn place(&self) -> String {
        format!("writing {}", self.path.display())
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn write(&mut self, line: &Object) -> anyhow::Result<()> {
        let place = self.place();
        lines::write(&mut self.opened()?.writer, line).context(place)
    }

    fn opened(&mut self) -> anyhow::Result<&mut OpenList> {
        if self.open.is_none() {
            let (temp, file) = self.create_temp().with_context(|| self.place())?;
            self.open = Some(OpenList {
                temp: TempPath::try_from_path(temp)?,
                writer: BufWriter::new(file),
            });
        }
        self.open.as_mut().context("the list is open")
    }

    fn create_temp(&self) -> io::Result<(PathBuf, File)> {
        for number in 1_u64.. {
            let temp = self
                .directory()
                .join(format!("{}{number}.list", self.prefix));
            let mut options = OpenOptions::new();
            match options.write(true).create_new(true).mode(0o666).open(&temp) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                file => return Ok((temp, file?)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
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
        let Some(OpenList { temp, writer }) = self.open.take() else {
            return export_ids.iter().try_for_each(|id| ledger.fetched(id));
        };
        let place = || self.place();
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .with_context(place)?;
        file.sync_all().with_context(place)?;
        files::sync_each(&[self.directory()])?;
        let delivery = ListDelivery {
            // From here on the file says whether the list was delivered.
            temp: temp.keep().map_err(|e| e.error).with_context(place)?,
            path: self.path.clone(),
            export_ids,
        };
        if !delivery.export_ids.is_empty() {
            ledger.delivering(&delivery)?;
        }
        if let Err(e) = fs::rename(&delivery.temp, &self.path) {
            ledger.withdrawn(&delivery.temp)?;
            remove(&delivery.temp)?;
            return Err(e).with_context(place);
        }
        files::sync_each(&[self.directory()])?;
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
            remove(&delivery.temp)?;
        }
    }
    let Some(directory) = list.and_then(Path::parent) else {
        return Ok(());
    };
    let place = || format!("tidying {}", directory.display());
    let prefix = ledger.list_prefix();
    for entry in fs::read_dir(directory).with_context(place)? {
        let entry = entry.with_context(place)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(".list") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}
