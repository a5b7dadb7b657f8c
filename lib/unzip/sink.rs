//! Where what comes of members goes.

use std::io::{self, Write};

use super::counts::UnzipCounts;
use super::error::MemberError;
use super::wav;

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

    /// Goes past a byte order mark of it, in front of a line.
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
    /// With its line end.
    pub(super) length: u64,
    pub(super) error: &'static str,
    /// Without its line end.
    pub(super) raw: &'a [u8],
}
