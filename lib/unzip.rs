//! The lines of the members of ZIPs, and their recordings.
//!
//! A member's bytes leave as they are; only a newline is added where the last
//! one lacks it, so that no two lines become one. A line that cannot be a JSON
//! object, by its first and last byte or because it is not UTF-8, is refused.
//! What is wrong with a member or an archive ends nothing but itself.

mod args;
mod blocks;
mod counts;
mod error;
mod input;
mod line_validator;
mod parallel;
mod records;
mod replay_buffer;
mod sink;
mod task;
mod walk;
mod wav;
mod worker;
mod writer;
mod zip_line;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use globset::{Glob, GlobMatcher};

use crate::cli::output::Output;
use crate::cli::run::Report;
use crate::error::{Failure, Status};
use crate::export::rejects::{Reject, Rejects};
use crate::format::zip::Unpacker;
use crate::json::lines::Lines;
use crate::os::files;
use crate::os::local_path::explain_address;
use crate::schema::Survey;

pub use args::MemberArgs;
pub use counts::UnzipCounts;
pub use input::ZipInput;

use parallel::Parallel;
use records::Records;
use walk::Zip;
use writer::Writer;
use zip_line::ZipLine;

/// Takes ZIPs apart, one after the other.
#[derive(Debug)]
pub struct Unzip<'a> {
    selection: &'a MemberArgs,
    globs: Vec<GlobMatcher>,
    writer: Writer<'a>,
    buffer: Vec<u8>,
    /// What does the work if it is not done here.
    parallel: Option<Parallel>,
}

impl<'a> Unzip<'a> {
    /// Creates the directory for recordings, if there is to be one. With more
    /// than one thread, or into a pipe, what is taken apart may leave as late as
    /// in [`Unzip::finish`], but it leaves in the same order.
    pub fn new(
        selection: &'a MemberArgs,
        threads: usize,
        output: &'a mut Output,
        rejects: &'a mut Rejects,
    ) -> anyhow::Result<Unzip<'a>> {
        if let Some(directory) = &selection.wav_dir {
            files::create_directory(directory)?;
            files::tidy(directory);
        }
        let globs: Vec<_> = selection.member.iter().map(Glob::compile_matcher).collect();
        // A member leaves at once when it is proven, and is often more than a pipe
        // holds. Its reader would wait while the next one is unpacked, and the
        // unpacking while it reads: into a pipe, a thread of its own unpacks.
        let is_apart = threads > 1 || output.is_pipe()?;
        Ok(Unzip {
            selection,
            writer: Writer::new(
                selection,
                globs.clone(),
                Records::new(selection)?,
                output,
                rejects,
            ),
            globs,
            buffer: Vec::new(),
            parallel: is_apart
                .then(|| Parallel::new(threads, selection))
                .flatten(),
        })
    }

    /// Takes apart the ZIP at `path`. That it cannot be read is said and
    /// remembered, like everything that is wrong with it.
    pub fn path(&mut self, path: &Path, spool_dir: &Path) -> anyhow::Result<()> {
        self.named(path, None, spool_dir)
    }

    fn named(
        &mut self,
        path: &Path,
        line: Option<ZipLine>,
        spool_dir: &Path,
    ) -> anyhow::Result<()> {
        if !path.is_file() {
            // It may be a pipe, and slow.
            self.finish()?;
        }
        let source = path.display().to_string();
        match input::open(path, spool_dir) {
            Ok(file) => self.zip(&source, file, line),
            Err(e) => {
                self.finish()?;
                self.writer.enter(&source.into());
                self.writer.unreadable(&e);
                Ok(())
            }
        }
    }

    /// Takes apart what stdin holds: a ZIP, or lines that name ZIPs.
    pub fn input(&mut self, input: ZipInput, spool_dir: &Path) -> anyhow::Result<()> {
        let mut lines = match input {
            ZipInput::Zip(file) => return self.zip("stdin", file, None),
            ZipInput::Lines(bytes) => Lines::new(bytes),
        };
        while let Some(line) = lines.next_line().context("reading stdin")? {
            let text = line.record();
            if text.is_empty() {
                continue;
            }
            match ZipLine::parse(text) {
                Ok(named) => match named.path.clone() {
                    Some(path) => {
                        if let Some(said) = explain_address(&path) {
                            let line = line.number;
                            let text = format!("stdin:{line}: path {path}: {said}");
                            return Err(Failure::new(Status::Usage, text).into());
                        }
                        self.named(Path::new(&path), Some(named), spool_dir)?;
                    }
                    None if named.is_empty() => {
                        self.finish()?;
                        self.writer.say_empty(&named)?;
                    }
                    // As `export-fetch --poll-once` writes it.
                    None => self.writer.counts.unfinished += 1,
                },
                Err(error) => {
                    self.finish()?;
                    self.writer.rejects.add(Reject {
                        source: "stdin",
                        member: None,
                        line: Some(line.number),
                        offset: Some(line.offset),
                        error: &error,
                        raw: Some(line.bytes),
                    })?;
                }
            }
            if !lines.is_buffered() {
                self.finish()?;
                self.writer.flush()?;
            }
        }
        Ok(())
    }

    /// Takes apart one ZIP; `source` is what it is called in messages.
    fn zip(&mut self, source: &str, file: File, line: Option<ZipLine>) -> anyhow::Result<()> {
        let zip = Arc::new(Zip {
            source: source.into(),
            file: file.into(),
            line,
        });
        let writer = &mut self.writer;
        if let Some(parallel) = &mut self.parallel {
            let walked = walk::walk(&zip.file, self.selection, &self.globs, |task| {
                parallel.push(&zip, task, writer)
            });
            return parallel.end(zip, walked);
        }
        writer.enter(&zip.source);
        let mut unpacker = Unpacker::new(Arc::clone(&zip.file));
        let buffer = &mut self.buffer;
        let walked = walk::walk(&zip.file, self.selection, &self.globs, |task| {
            task.run(self.selection, &zip.source, &mut unpacker, buffer, writer)
        });
        writer.counts.skipped += walked.skipped;
        writer.leave(walked.result, zip.line.as_ref())
    }

    /// Has all leave that has been taken apart.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.parallel {
            None => Ok(()),
            Some(parallel) => parallel.finish(&mut self.writer),
        }
    }

    /// Says what was passed over, and what has been done. What was seen of the
    /// records, if that is wanted, is still to be written.
    pub fn end(self, report: &mut Report) -> (UnzipCounts, Option<Survey>) {
        self.writer.end(report)
    }
}
