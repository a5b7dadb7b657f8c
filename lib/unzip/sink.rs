//! Receives the output of members.

use std::io::{self, Write};

use super::counts::UnzipCounts;
use super::error::MemberError;
use super::wav;

/// The result of a member.
#[derive(Debug)]
pub(super) enum TaskOutcome {
    Lines,
    /// Verified, but without its final name.
    Recording(Box<wav::Unpacked>),
    PassedOver,
}

/// Receives the output of members, one after the other, in whole lines.
pub(super) trait MemberSink: Write {
    /// The counts of the member.
    fn counts(&mut self) -> &mut UnzipCounts;

    /// An error if the output is not needed any more. A job that writes nothing for long must check
    /// this sometimes.
    fn go_on(&mut self) -> io::Result<()>;

    /// Begins with a member.
    fn begin(&mut self, name: String);

    /// Skips a byte order mark before a line.
    fn skip_bom(&mut self);

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
    /// The length in bytes, with the line end.
    pub(super) length: u64,
    pub(super) error: &'static str,
    /// The bytes, without the line end.
    pub(super) raw: &'a [u8],
}
