//! Receives the output of members.

use std::io::{self, Write};

use super::counts::UnzipCounts;
use super::error::MemberError;
use super::wav;

/// The result of unpacking a member of a ZIP without an error.
#[derive(Debug)]
pub(super) enum TaskOutcome {
    Lines,
    /// A recording that is verified, but does not have its final name yet.
    Recording(Box<wav::Unpacked>),
    PassedOver,
}

/// Receives the output of members, one after the other, in whole lines.
pub(super) trait MemberSink: Write {
    /// The counts to which the counts of the member are added.
    fn counts(&mut self) -> &mut UnzipCounts;

    /// Returns an error if the output is not needed any more. A job that writes nothing for a long
    /// time must call this function now and then.
    fn go_on(&mut self) -> io::Result<()>;

    /// Starts the output of the member `name`.
    fn begin(&mut self, name: String);

    /// Skips a byte order mark before a line.
    fn skip_bom(&mut self) -> io::Result<()>;

    /// Takes a refused line of the member.
    fn bad_line(&mut self, line: RejectedLine<'_>) -> anyhow::Result<()>;

    /// Ends the member. Returns an error only if the rest of the ZIP must be skipped, or the run
    /// must end.
    fn end(&mut self, done: Result<TaskOutcome, MemberError>) -> Result<(), MemberError>;
}

/// A line that cannot be a record.
pub(super) struct RejectedLine<'a> {
    /// The number of the line in its member, counted from 1.
    pub(super) number: u64,
    /// The offset of the line from the start of the member, in bytes.
    pub(super) offset: u64,
    /// The length in bytes, with the line end.
    pub(super) length: u64,
    pub(super) error: &'static str,
    /// The bytes, without the line end.
    pub(super) raw: &'a [u8],
}
