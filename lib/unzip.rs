//! The lines of the members of ZIPs, and their recordings.
//!
//! A member's bytes leave as they are; only a newline is added where the last
//! one lacks it, so that no two lines become one. A line that cannot be a JSON
//! object, by its first and last byte or because it is not UTF-8, is refused.
//! What is wrong with a member or an archive ends nothing but itself.

mod counts;
mod ending;
mod input;
mod lines;
mod wav;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use globset::{Glob, GlobMatcher};

use crate::archive::{Archive, Contents, Error, Limits, Member, Members, Unpacker};
use crate::output::Output;
use crate::rejects::{Reject, Rejects};
use crate::{ndjson, recording, store};

pub use counts::Counts;
pub use input::Input;

use ending::Ending;
use lines::Gate;

/// How much of a member is inflated at once.
const BLOCK: usize = 256 * 1024;

/// What to take out of a ZIP, and how.
#[derive(Args, Clone, Debug)]
pub struct Choice {
    /// Take only members whose whole name matches GLOB: `*` and `?` match `/`,
    /// too, as in unzip, because the vendor promises nothing about directories.
    /// Can be given more than once; a member is taken if any GLOB matches.
    #[arg(long, value_name = "GLOB")]
    pub member: Vec<Glob>,

    /// Write recordings, the members called `.wav`, to DIR and a line about each
    /// to stdout: path, bytes, sha256, group, account, timestamp, dialog_id,
    /// source and member. A recording that is there already is kept; one of the
    /// same name with other bytes gets another name. Without this option
    /// recordings are passed over and counted.
    #[arg(long, value_name = "DIR")]
    pub wav_dir: Option<PathBuf>,

    /// Wrap each line as {"source":…,"member":…,"line":N,"record":…}. The record
    /// keeps its bytes; blank lines and byte order marks are left out.
    #[arg(long)]
    pub with_source: bool,

    /// What an archive may declare.
    #[command(flatten)]
    pub limits: Limits,
}

/// Takes ZIPs apart, one after the other.
#[derive(Debug)]
pub struct Unzip<'a> {
    choice: &'a Choice,
    globs: Vec<(GlobMatcher, bool)>,
    output: &'a mut Output,
    rejects: &'a mut Rejects,
    buffer: Vec<u8>,
    counts: Counts,
}

impl<'a> Unzip<'a> {
    /// Creates the directory for recordings, if there is to be one.
    pub fn new(
        choice: &'a Choice,
        output: &'a mut Output,
        rejects: &'a mut Rejects,
    ) -> anyhow::Result<Unzip<'a>> {
        if let Some(directory) = &choice.wav_dir {
            store::create_directory(directory)?;
        }
        let matcher = |glob: &Glob| (glob.compile_matcher(), false);
        Ok(Unzip {
            globs: choice.member.iter().map(matcher).collect(),
            choice,
            output,
            rejects,
            buffer: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Takes apart the ZIP at `path`. That it cannot be read is said and
    /// remembered, like everything that is wrong with it.
    pub fn path(&mut self, path: &Path, spool_dir: &Path) -> anyhow::Result<()> {
        let source = path.display().to_string();
        match input::open(path, spool_dir) {
            Ok(file) => self.zip(&source, file),
            Err(e) => {
                self.counts.zips += 1;
                self.unreadable(&source, &e);
                Ok(())
            }
        }
    }

    /// Takes apart what stdin holds: a ZIP, or lines that name ZIPs.
    pub fn input(&mut self, input: Input, spool_dir: &Path) -> anyhow::Result<()> {
        let mut lines = match input {
            Input::Zip(file) => return self.zip("stdin", file),
            Input::Lines(bytes) => ndjson::Lines::new(bytes),
        };
        while let Some(line) = lines.next_line().context("reading stdin")? {
            let text = lines::record(line.bytes);
            if text.is_empty() {
                continue;
            }
            match input::path_of(text) {
                Ok(Some(path)) => self.path(Path::new(&path), spool_dir)?,
                Ok(None) => self.counts.unfinished += 1,
                Err(error) => self.rejects.add(Reject {
                    source: "stdin",
                    member: None,
                    line: Some(line.number),
                    offset: Some(line.offset),
                    error: &error,
                    raw: Some(line.bytes),
                })?,
            }
            if !lines.is_buffered() {
                self.output.flush()?;
            }
        }
        Ok(())
    }

    /// Takes apart one ZIP; `source` is what it is called in messages.
    pub fn zip(&mut self, source: &str, file: File) -> anyhow::Result<()> {
        self.counts.zips += 1;
        match self.members(source, file) {
            Ok(()) => Ok(()),
            Err(Ending::Fatal(e)) => Err(e),
            Err(Ending::Source(Error::Io(e))) => {
                self.unreadable(source, &e);
                Ok(())
            }
            Err(Ending::Source(Error::Bad(text))) => self.reject(source, None, &text),
        }
    }

    fn members(&mut self, source: &str, file: File) -> Result<(), Ending> {
        let mut archive = Archive::open(file)?;
        let mut unpacker = archive.unpacker();
        let mut members = archive.members(&self.choice.limits)?;
        while let Some(member) = members.next_member()? {
            if member.is_directory() {
                continue;
            }
            if !self.is_wanted(&member.name) {
                self.counts.skipped += 1;
                continue;
            }
            match self.member(source, &member, &mut members, &mut unpacker) {
                Err(Ending::Source(Error::Bad(text))) => {
                    self.reject(source, Some(&member.name), &text)?;
                }
                done => done?,
            }
        }
        Ok(())
    }

    fn is_wanted(&mut self, name: &str) -> bool {
        let mut wanted = self.globs.is_empty();
        for (glob, found) in &mut self.globs {
            if glob.is_match(name) {
                *found = true;
                wanted = true;
            }
        }
        wanted
    }

    fn member(
        &mut self,
        source: &str,
        member: &Member,
        members: &mut Members<'_>,
        unpacker: &mut Unpacker,
    ) -> Result<(), Ending> {
        if !recording::is_recording(&member.name) {
            let contents = unpacker.open(members.locate(member)?);
            return self.lines(source, member, contents);
        }
        let Some(directory) = &self.choice.wav_dir else {
            self.counts.recordings_skipped += 1;
            return Ok(());
        };
        let contents = unpacker.open(members.locate(member)?);
        let written = wav::write(directory, source, member, contents, &mut self.buffer)?;
        self.output.write_record(&written)?;
        self.counts.recordings += 1;
        Ok(())
    }

    fn lines(
        &mut self,
        source: &str,
        member: &Member,
        contents: Contents<'_>,
    ) -> Result<(), Ending> {
        let mut gate = Gate::new(source, &member.name, self.output, self.rejects);
        if self.choice.with_source {
            gate.wrap()?;
        }
        let done = gate.pump(contents, &mut self.buffer);
        let passed = gate.passed;
        self.counts.lines += passed;
        match done {
            Err(Ending::Source(Error::Bad(text))) if passed > 0 => {
                let text = format!("{text}; {passed} lines of it have left already");
                Err(Error::Bad(text).into())
            }
            Ok(()) => {
                self.counts.members += 1;
                Ok(())
            }
            failed => failed,
        }
    }

    fn reject(&mut self, source: &str, member: Option<&str>, error: &str) -> anyhow::Result<()> {
        self.rejects.add(Reject {
            source,
            member,
            line: None,
            offset: None,
            error,
            raw: None,
        })
    }

    fn unreadable(&mut self, source: &str, e: &io::Error) {
        self.counts.unreadable += 1;
        log::error!("{source}: {e}");
    }

    /// Says what was passed over, and what has been done.
    pub fn end(self) -> Counts {
        for (glob, _) in self.globs.iter().filter(|(_, found)| !found) {
            log::warn!("--member {}: no member matches", glob.glob());
        }
        let skipped = self.counts.recordings_skipped;
        if skipped > 0 {
            let s = if skipped == 1 { "" } else { "s" };
            log::warn!("{skipped} recording{s} passed over; --wav-dir DIR keeps them");
        }
        self.counts
    }
}
