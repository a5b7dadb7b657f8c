//! Unpacks ZIPs: the lines of their members, and their recordings. A member is a file in a ZIP.
//!
//! The bytes of a record do not change. Byte order marks before lines are left out. If the last
//! line of a member has no newline, one is added, so that the line does not run into the next line.
//! A line that is not blank is refused if it does not begin with `{` and end with `}`, or if it is
//! not UTF-8. After an error in a member or a ZIP, the other members and ZIPs are still unpacked.

mod args;
mod blocks;
mod bucket_zips;
mod counts;
mod error;
mod input;
mod line_validator;
mod memory_budget;
mod parallel;
mod places;
mod ranged_zip;
mod records;
mod replay_buffer;
mod sink;
mod stdin_lines;
mod task;
mod walk;
mod wav;
mod worker;
mod writer;
mod zip_line;

use std::io::{self, Write};
use std::sync::Arc;

use crate::bucket::address::BucketUrl;
use crate::bucket::file_or_object::FileOrObject;
use crate::cli::output::Output;
use crate::cli::progress_line::ProgressLine;
use crate::cli::run::Report;
use crate::export::rejects::Rejects;
use crate::format::zip::{Unpacker, ZipBytes};
use crate::lake::layout::Layout;
use crate::os::files;
use crate::schema::Survey;

pub use args::MemberArgs;
pub use counts::UnzipCounts;
pub use input::ZipInput;
pub use places::ZipPlaces;

use bucket_zips::BucketZips;
use parallel::Parallel;
use records::Records;
use stdin_lines::{StdinLine, StdinLines};
use walk::Zip;
use writer::Writer;
use zip_line::ZipLine;

/// Unpacks ZIPs, one after the other.
#[derive(Debug)]
pub struct Unzip<'a> {
    selection: &'a MemberArgs,
    writer: Writer<'a>,
    buffer: Vec<u8>,
    /// The threads that unpack; `None` if the calling thread unpacks.
    parallel: Option<Parallel>,
    progress: ProgressLine,
    places: ZipPlaces<'a>,
    in_buckets: BucketZips,
}

impl<'a> Unzip<'a> {
    /// Prepares a run, and creates the directory for recordings, if one is requested. With several
    /// threads, or if the output is a pipe, the last records are possibly not written before
    /// [`Unzip::finish`] is called. The order of the records is the same in all cases.
    pub fn new(
        selection: &'a MemberArgs,
        threads: usize,
        output: &'a mut Output,
        rejects: &'a mut Rejects,
        places: ZipPlaces<'a>,
    ) -> anyhow::Result<Unzip<'a>> {
        if let Some(directory) = &selection.wav_dir {
            files::create_directory(directory)?;
            files::tidy(directory);
        }
        // A verified member is written without a pause, and is often larger than a pipe can hold.
        // With one thread, the reader of the pipe would wait during unpacking, and the unpacking
        // would wait for the reader. So if the output is a pipe, a separate thread unpacks.
        let is_apart = threads > 1 || output.is_pipe()?;
        Ok(Unzip {
            selection,
            writer: Writer::new(
                selection,
                Records::new(selection, &places)?,
                output,
                rejects,
            ),
            buffer: Vec::new(),
            parallel: is_apart
                .then(|| Parallel::new(threads, selection))
                .flatten(),
            progress: ProgressLine::default(),
            in_buckets: BucketZips::new(threads, places.spool_dir.to_owned()),
            places,
        })
    }

    /// Shows the progress on this line.
    #[must_use]
    pub fn showing(self, progress: ProgressLine) -> Unzip<'a> {
        progress.say(|| "waiting for a ZIP".to_owned());
        Unzip { progress, ..self }
    }

    /// Unpacks the ZIP at `place`; `following` are the places of the next ZIPs. An error in the ZIP
    /// is logged and counted. An error of the bucket service ends the run.
    pub fn named(
        &mut self,
        place: &FileOrObject,
        following: &[FileOrObject],
    ) -> anyhow::Result<()> {
        self.open(place, following.iter(), None)
    }

    fn open<'p>(
        &mut self,
        place: &FileOrObject,
        following: impl Iterator<Item = &'p FileOrObject>,
        line: Option<ZipLine>,
    ) -> anyhow::Result<()> {
        let spool_dir = self.places.spool_dir;
        let opened = match place {
            FileOrObject::File(path) => {
                if !path.is_file() {
                    // Reading a pipe may take long, so the output of earlier ZIPs is written first.
                    self.finish()?;
                }
                input::open(path, spool_dir).map(|file| Arc::new(file) as Arc<dyn ZipBytes>)
            }
            FileOrObject::Object(url) => self.open_object(url, following)?,
        };
        let source = place.to_string();
        match opened {
            Ok(bytes) => self.zip(&source, bytes, line),
            Err(e) => {
                self.finish()?;
                self.writer.enter(&source.into());
                self.writer.unreadable(&e);
                Ok(())
            }
        }
    }

    fn open_object<'p>(
        &mut self,
        url: &BucketUrl,
        following: impl Iterator<Item = &'p FileOrObject>,
    ) -> anyhow::Result<io::Result<Arc<dyn ZipBytes>>> {
        let service = (self.places.service)()?;
        let zip = match self.in_buckets.open(&service, url)? {
            Ok(zip) => zip,
            Err(e) => return Ok(Err(e)),
        };
        if !self.in_buckets.has_room(&zip) {
            self.finish()?;
        }
        let following = following.filter_map(FileOrObject::object);
        self.in_buckets.read(&service, &zip, following);
        Ok(Ok(zip.bytes))
    }

    /// Unpacks stdin: a ZIP, or lines that name ZIPs.
    pub fn input(&mut self, input: ZipInput) -> anyhow::Result<()> {
        let mut lines = match input {
            ZipInput::Zip(file) => return self.zip("stdin", Arc::new(file), None),
            ZipInput::Lines(bytes) => StdinLines::new(bytes),
        };
        while let Some(line) = lines.next_line()? {
            match line {
                StdinLine::Blank => continue,
                StdinLine::Zip(place, named) => {
                    self.open(&place?, lines.next_zips(), Some(named))?;
                }
                StdinLine::WithoutZip(named) if named.is_empty() => {
                    self.finish()?;
                    self.writer.say_empty(&named)?;
                }
                // A line of `export-fetch --poll-once` about an export that has no ZIP yet.
                StdinLine::WithoutZip(_) => self.writer.counts.unfinished += 1,
                StdinLine::Bad(bad) => {
                    self.finish()?;
                    bad.reject(self.writer.rejects)?;
                }
            }
            if !lines.is_buffered() {
                self.finish()?;
                self.writer.flush()?;
            }
        }
        Ok(())
    }

    /// Unpacks one ZIP; `source` is its name in messages.
    fn zip(
        &mut self,
        source: &str,
        bytes: Arc<dyn ZipBytes>,
        line: Option<ZipLine>,
    ) -> anyhow::Result<()> {
        let zip = Arc::new(Zip {
            source: source.into(),
            bytes,
            line,
        });
        let writer = &mut self.writer;
        let say = |counts: &UnzipCounts| {
            self.progress.say(|| {
                let UnzipCounts {
                    zips,
                    members,
                    lines,
                    ..
                } = counts;
                format!("{source}: {lines} lines and {members} members of {zips} ZIPs so far")
            });
        };
        if let Some(parallel) = &mut self.parallel {
            let walked = walk::walk(&zip.bytes, self.selection, |task| {
                say(&writer.counts);
                parallel.push(&zip, task, writer)
            });
            return parallel.end(zip, walked);
        }
        writer.enter(&zip.source);
        let mut unpacker = Unpacker::new(Arc::clone(&zip.bytes));
        let buffer = &mut self.buffer;
        let walked = walk::walk(&zip.bytes, self.selection, |task| {
            say(&writer.counts);
            task.run(self.selection, &zip.source, &mut unpacker, buffer, writer)
        });
        writer.counts.skipped += walked.skipped;
        writer.leave(walked.result, zip.line.as_ref())
    }

    /// Waits until all pending members are unpacked, and writes their output.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.parallel {
            None => Ok(()),
            Some(parallel) => parallel.finish(&mut self.writer),
        }
    }

    /// Logs what was skipped, and fills the report. Returns the counts, the survey of the records
    /// if one was requested (the caller writes it), and the layout if there is one, so that the
    /// caller can call [`Layout::listed`].
    pub(crate) fn end(self, report: &mut Report) -> (UnzipCounts, Option<Survey>, Option<Layout>) {
        self.writer.end(report)
    }
}
