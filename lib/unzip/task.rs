//! Unpacks one member of a ZIP, on any thread.

use super::args::MemberArgs;
use super::sink::{MemberSink, TaskOutcome};
use super::wav;
use crate::format::zip::{ArchiveError, MemberData, Unpacker};
use crate::unzip::error::MemberError;
use crate::unzip::line_validator::{LineValidator, prefix};

/// A member of a ZIP, and how it is unpacked. `work` is an error if the member cannot be unpacked.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) work: Result<Work, ArchiveError>,
    /// The number of members that --member left out between the previous task and this one.
    pub(super) skipped: u64,
}

/// How a member of a ZIP is unpacked: as lines, as a recording, or not at all.
#[derive(Debug)]
pub(super) enum Work {
    Lines(MemberData),
    Recording(MemberData),
    PassOver,
}

impl Task {
    /// The number of bytes of the member after unpacking; 0 if it is not unpacked.
    pub(super) fn size(&self) -> u64 {
        self.data().map_or(0, MemberData::size)
    }

    /// The number of bytes of the member in the ZIP; 0 if it is not unpacked.
    pub(super) fn compressed_size(&self) -> u64 {
        self.data().map_or(0, MemberData::compressed_size)
    }

    fn data(&self) -> Option<&MemberData> {
        match &self.work {
            Ok(Work::Lines(data) | Work::Recording(data)) => Some(data),
            Ok(Work::PassOver) | Err(_) => None,
        }
    }

    /// Unpacks the member. After an error, the caller must skip the rest of the ZIP, or end the
    /// run.
    pub(super) fn run(
        self,
        selection: &MemberArgs,
        source: &str,
        unpacker: &mut Unpacker,
        buffer: &mut Vec<u8>,
        sink: &mut impl MemberSink,
    ) -> Result<(), MemberError> {
        sink.go_on()?;
        sink.counts().skipped += self.skipped;
        let done = match (self.work, &selection.wav_dir) {
            (Ok(Work::Lines(data)), _) => {
                // If the fields of records are read, `Records` wraps the records.
                let wrap = selection.with_source && !selection.looks_inside();
                let prefix = wrap.then(|| prefix(source, &self.name));
                sink.begin(self.name);
                LineValidator::new(sink, prefix, selection.layout.layout.is_none())
                    .pump(unpacker.open(data), buffer)
                    .map(|()| TaskOutcome::Lines)
            }
            (Ok(Work::Recording(data)), Some(directory)) => {
                let unpacked =
                    wav::unpack(directory, &self.name, unpacker.open(data), buffer, || {
                        sink.go_on()
                    });
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
