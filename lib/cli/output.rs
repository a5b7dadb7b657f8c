//! The output of records: stdout, or a file or object that is complete or absent.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use tempfile::NamedTempFile;

use crate::bucket::pending_object::PendingObject;
use crate::cli::unnamed_output::{FilledOutput, UnnamedOutput};
use crate::json::lines;
use crate::os::blocking::Blocking;
use crate::os::signals::Stop;
use crate::os::{files, logger, pipes, replaceable};

/// The buffer for a pipe of the default size, in bytes. A larger buffer is not faster.
const BUFFER: usize = 64 * 1024;

/// The buffer for an enlarged pipe, in bytes. Each write wakes the reader, so larger writes wake it
/// less often.
const WIDE: usize = 256 * 1024;

/// The output of records. Bytes can stay in a buffer until [`Output::flush`]. A file or object gets
/// its name only in [`Output::finish`].
#[derive(Debug)]
pub struct Output {
    writer: BufWriter<Blocking<File>>,
    held: Option<HeldOutput>,
    /// The name in messages.
    name: String,
    /// The final name, if the given name contained `{state}`.
    filled_name: Option<String>,
    live: bool,
    bytes: u64,
    /// Whether the first write must warn that stdout and stderr are the same pipe.
    warns: bool,
}

/// An output that gets its name at the end of the run.
#[derive(Debug)]
enum HeldOutput {
    File(NamedTempFile, PathBuf),
    Object(Box<PendingObject>),
    /// The file or object is opened in [`Output::fill_name`].
    Unnamed(Box<UnnamedOutput>),
}

impl Output {
    /// Stdout as a plain descriptor, because Rust's own stdout flushes every line.
    #[allow(clippy::disallowed_methods)]
    pub fn stdout() -> io::Result<Output> {
        let stdout = io::stdout();
        let file = File::from(stdout.as_fd().try_clone_to_owned()?);
        Ok(Output {
            writer: BufWriter::with_capacity(BUFFER, Blocking(file)),
            held: None,
            name: "stdout".to_owned(),
            filled_name: None,
            live: stdout.is_terminal(),
            bytes: 0,
            warns: false,
        })
    }

    /// A file that gets its name in [`Output::finish`]. An existing path that is not a regular
    /// file, such as `/dev/null` or a FIFO, is written directly; a symbolic link stays a link, and
    /// its target is written. Returns an error with status 2 for a file that
    /// [cannot be replaced](replaceable::check).
    pub fn file(path: &Path) -> anyhow::Result<Output> {
        let path = files::real(path);
        let is_special = path.metadata().is_ok_and(|there| !there.is_file());
        let name = path.display().to_string();
        let place = || format!("opening {name}");
        let (file, held) = if is_special {
            (files::open_special(&path).with_context(place)?, None)
        } else {
            replaceable::check(&path)?;
            // Incomplete files of killed runs can have gigabytes, so they are removed now.
            files::tidy_beside(&path);
            let temp = files::temp_beside(&path)?;
            let file = temp.as_file().try_clone()?;
            (file, Some(HeldOutput::File(temp, path)))
        };
        Ok(Output {
            writer: BufWriter::with_capacity(BUFFER, Blocking(file)),
            held,
            name,
            filled_name: None,
            live: false,
            bytes: 0,
            warns: false,
        })
    }

    /// An object that is uploaded in [`Output::finish`].
    pub fn object(pending: PendingObject) -> io::Result<Output> {
        let file = pending.as_file().try_clone()?;
        Ok(Output {
            writer: BufWriter::with_capacity(BUFFER, Blocking(file)),
            name: pending.url().to_string(),
            filled_name: None,
            held: Some(HeldOutput::Object(Box::new(pending))),
            live: false,
            bytes: 0,
            warns: false,
        })
    }

    /// An output whose name contains `{state}`. [`Output::fill_name`] opens the output.
    pub(super) fn unnamed(unnamed: UnnamedOutput) -> anyhow::Result<Output> {
        Ok(Output {
            writer: BufWriter::with_capacity(BUFFER, Blocking(unnamed.create()?)),
            name: unnamed.shown(),
            filled_name: None,
            held: Some(HeldOutput::Unnamed(Box::new(unnamed))),
            live: false,
            bytes: 0,
            warns: false,
        })
    }

    /// Opens an output whose name contains `{state}`. `state` is the name of the state that was
    /// read, and replaces `{state}`. The caller does this before it writes anything. An object is
    /// later replaced only if it has not changed since this call. Does nothing if the name does not
    /// contain `{state}`.
    pub(crate) fn fill_name(&mut self, state: &str) -> anyhow::Result<()> {
        let unnamed = match self.held.take() {
            Some(HeldOutput::Unnamed(unnamed)) => unnamed,
            other => {
                self.held = other;
                return Ok(());
            }
        };
        let (name, filled) = unnamed.fill(state)?;
        let output = match filled {
            FilledOutput::File(path) => Output::file(&path)?,
            FilledOutput::Object(pending) => Output::object(*pending)?,
        };
        log::info!("the output is {name}");
        *self = Output {
            filled_name: Some(name),
            ..output
        };
        Ok(())
    }

    /// The final name of the output, if the given name contained `{state}`.
    pub(super) fn filled_name(&self) -> Option<&str> {
        self.filled_name.as_deref()
    }

    /// Prepares for an output of gigabytes: if the output is a pipe that can be enlarged, enlarges
    /// it and writes to it in larger pieces.
    pub fn widen(&mut self) -> io::Result<()> {
        let file = self.writer.get_ref().0.try_clone()?;
        if pipes::grow(&file) {
            self.flush()?;
            self.writer = BufWriter::with_capacity(WIDE, Blocking(file));
        }
        Ok(())
    }

    /// Whether the output is a pipe or a socket.
    pub fn is_pipe(&self) -> io::Result<bool> {
        let kind = self.writer.get_ref().0.metadata()?.file_type();
        Ok(kind.is_fifo() || kind.is_socket())
    }

    /// The number of bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes one record: its bytes unchanged, and a newline if they do not end with one.
    pub fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.at_once(|output| {
            output.write_all(line)?;
            match line.last() {
                Some(b'\n') => Ok(()),
                _ => output.write_all(b"\n"),
            }
        })
    }

    /// Writes one record as a line of JSON.
    pub fn write_record<T: serde::Serialize + ?Sized>(&mut self, record: &T) -> io::Result<()> {
        self.at_once(|output| lines::write(output, record))
    }

    /// Writes a record. On a terminal, also flushes the record, and hides the progress line
    /// meanwhile.
    fn at_once(&mut self, write: impl FnOnce(&mut Output) -> io::Result<()>) -> io::Result<()> {
        if !self.live {
            return write(self);
        }
        logger::above(|| {
            write(self)?;
            self.flush()
        })
        .unwrap_or(Ok(()))
    }

    /// Flushes the buffer. If the output is a file, also waits until the bytes are on disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        let file = &self.writer.get_ref().0;
        match file.metadata()?.is_file() {
            true => files::sync_data(file).map_err(named(&self.name)),
            false => Ok(()),
        }
    }

    /// The number of written bytes that are *out*. For a pipe, these are the bytes that the reader
    /// has read. For any other output, these are all written bytes; a file is synced first. Returns
    /// the error `BrokenPipe` if the reader closed the pipe. If a reader fails after it has read
    /// the bytes, this failure is not noticed.
    pub fn bytes_out(&mut self) -> io::Result<u64> {
        self.sync()?;
        let file = &self.writer.get_ref().0;
        if !file.metadata()?.file_type().is_fifo() {
            return Ok(self.bytes);
        }
        // If the system does not know how many bytes are unread, all bytes count as read.
        let left = ioctl_fionread(file).unwrap_or(0);
        // The pipe is checked after its bytes are counted, because a reader can empty the pipe and
        // then close it.
        let mut fds = [PollFd::new(file, PollFlags::empty())];
        poll(&mut fds, Some(&Timespec::default()))?;
        match fds[0].revents().contains(PollFlags::ERR) {
            true => Err(named(&self.name)(io::ErrorKind::BrokenPipe.into())),
            false => Ok(self.bytes.saturating_sub(left)),
        }
    }

    /// Waits until all bytes are [out](Output::bytes_out). Returns an error if a stop is requested
    /// meanwhile.
    pub fn wait_until_read(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let mut pause = Duration::from_micros(50);
        while self.bytes_out()? < self.bytes {
            stop.sleep(pause)?;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The path that a file gets in [`Output::finish`]; `None` if the output is not such a file.
    pub fn target(&self) -> Option<&Path> {
        match &self.held {
            Some(HeldOutput::File(_, path)) => Some(path),
            Some(HeldOutput::Object(_) | HeldOutput::Unnamed(_)) | None => None,
        }
    }

    /// Takes the object that [`Output::finish`] would upload. The caller must then write and upload
    /// it.
    pub(crate) fn take_object(&mut self) -> Option<Box<PendingObject>> {
        match self.held.take() {
            Some(HeldOutput::Object(pending)) => Some(pending),
            other => {
                self.held = other;
                None
            }
        }
    }

    /// Turns off the warning that stdout and stderr are the same pipe. This is for output that
    /// people read.
    pub(crate) fn allow_shared_pipe(&mut self) {
        self.warns = false;
    }

    /// Whether the output gets its name only in [`Output::finish`].
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Ends the output: flushes the buffer, then gives a file its final name or uploads an object.
    /// A second call changes nothing.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.flush()?;
        match self.held.take() {
            None => Ok(()),
            Some(HeldOutput::File(temp, path)) => files::commit(temp, &path),
            Some(HeldOutput::Object(mut pending)) => pending.finish(),
            Some(HeldOutput::Unnamed(_)) => {
                anyhow::bail!(
                    "{}: no state was read, so this output has no name",
                    self.name
                )
            }
        }
    }
}

/// Adds the name of the output to an error, and keeps its kind.
fn named(name: &str) -> impl Fn(io::Error) -> io::Error {
    move |e| io::Error::new(e.kind(), format!("{name}: {e}"))
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if mem::take(&mut self.warns) {
            log::warn!(
                "stdout and stderr are the same pipe: records and messages mix, and a scheduler writes both to its log; write the records to a file with --output FILE"
            );
        }
        let count = self.writer.write(bytes).map_err(named(&self.name))?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(named(&self.name))
    }
}

/// Opens stdout for records. If stdout and stderr are the same pipe, the first write logs a
/// warning.
pub(super) fn stdout_of_records() -> anyhow::Result<Output> {
    let stdout = Output::stdout().context("opening stdout")?;
    Ok(Output {
        warns: is_pipe_of_stderr(),
        ..stdout
    })
}

fn is_pipe_of_stderr() -> bool {
    let place = |descriptor: BorrowedFd<'static>| {
        let file = File::from(descriptor.try_clone_to_owned().ok()?);
        let file = file.metadata().ok()?;
        let kind = file.file_type();
        (kind.is_fifo() || kind.is_socket()).then(|| (file.dev(), file.ino()))
    };
    let stdout = place(rustix::stdio::stdout());
    stdout.is_some() && stdout == place(rustix::stdio::stderr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let mut output = Output::file(&path).unwrap();
        assert!(output.is_held());
        output.write_line(b"one").unwrap();
        output.write_line(b"two\n").unwrap();
        output.write_record(&3).unwrap();
        output.flush().unwrap();
        assert!(!path.exists());
        output.finish().unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\n3\n");
        assert_eq!(output.bytes(), 10);
    }

    #[test]
    fn an_error_names_the_output_and_keeps_its_kind() {
        let mut output = Output::file(Path::new("/dev/full")).unwrap();
        output.write_line(b"x").unwrap();
        let error = output.flush().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().starts_with("/dev/full: "));
    }
}
