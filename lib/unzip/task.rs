//! What is done with one member, on whatever thread.

use std::io::{self, Write};

use serde_json::Value;

use super::counts::UnzipCounts;
use super::{MemberArgs, wav};
use crate::format::zip::{ArchiveError, MemberData, Unpacker};
use crate::unzip::error::MemberError;
use crate::unzip::line_validator::LineValidator;

/// A member and what is to be done with it.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) work: Result<Work, ArchiveError>,
    /// Members in front of it that --member left out.
    pub(super) skipped: u64,
}

/// What is to be done with a member.
#[derive(Debug)]
pub(super) enum Work {
    Lines(MemberData),
    Recording(MemberData),
    PassOver,
}

/// What has been done with a member.
#[derive(Debug)]
pub(super) enum TaskOutcome {
    Lines,
    /// Proven, but without its name.
    Recording(Box<wav::Unpacked>),
    PassedOver,
}

/// Where what comes of members goes, one after the other. What is written to it
/// are whole lines.
pub(super) trait MemberSink: Write {
    /// What is counted while a member passes.
    fn counts(&mut self) -> &mut UnzipCounts;

    /// An error if nobody wants any more. To be asked now and then by what writes
    /// nothing here for long.
    fn go_on(&mut self) -> io::Result<()>;

    /// Begins with a member.
    fn begin(&mut self, name: String);

    /// Refuses a line of it.
    fn bad_line(&mut self, line: RejectedLine<'_>) -> anyhow::Result<()>;

    /// Ends it. An error is one that ends more than the member.
    fn end(&mut self, done: Result<TaskOutcome, MemberError>) -> Result<(), MemberError>;
}

/// A line that cannot be a record.
pub(super) struct RejectedLine<'a> {
    /// Counted from 1.
    pub(super) number: u64,
    /// Bytes from the start of the member.
    pub(super) offset: u64,
    /// With its line end.
    pub(super) length: u64,
    pub(super) error: &'static str,
    /// Without its line end.
    pub(super) raw: &'a [u8],
}

impl Task {
    /// Bytes to unpack.
    pub(super) fn size(&self) -> u64 {
        match &self.work {
            Ok(Work::Lines(data) | Work::Recording(data)) => data.size(),
            Ok(Work::PassOver) | Err(_) => 0,
        }
    }

    /// Does it. An error ends the archive, or everything.
    pub(super) fn run(
        self,
        choice: &MemberArgs,
        source: &str,
        unpacker: &mut Unpacker,
        buffer: &mut Vec<u8>,
        sink: &mut impl MemberSink,
    ) -> Result<(), MemberError> {
        sink.go_on()?;
        sink.counts().skipped += self.skipped;
        let done = match (self.work, &choice.wav_dir) {
            (Ok(Work::Lines(data)), _) => {
                // What is looked into is wrapped behind that.
                let wrap = choice.with_source && !choice.looks_inside();
                let prefix = wrap.then(|| prefix(source, &self.name));
                sink.begin(self.name);
                LineValidator::new(sink, prefix, choice.layout.layout.is_none())
                    .pump(unpacker.open(data), buffer)
                    .map(|()| TaskOutcome::Lines)
            }
            (Ok(Work::Recording(data)), Some(directory)) => {
                let unpacked =
                    wav::unpack(directory, &self.name, unpacker.open(data), buffer, sink);
                sink.begin(self.name);
                unpacked.map(|unpacked| TaskOutcome::Recording(Box::new(unpacked)))
            }
            (Ok(_), _) => {
                sink.begin(self.name);
                Ok(TaskOutcome::PassedOver)
            }
            (Err(e), _) => {
                sink.begin(self.name);
                Err(e.into())
            }
        };
        sink.end(done)
    }
}

/// What stands before the number of a line in a wrapped record.
pub(super) fn prefix(source: &str, member: &str) -> String {
    let (source, member) = (Value::from(source), Value::from(member));
    format!("{{\"source\":{source},\"member\":{member},\"line\":")
}
