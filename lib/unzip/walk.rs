//! Reads the directory of a ZIP, and makes a task of each member that the flags select.

use std::mem;
use std::sync::Arc;

use super::args::MemberArgs;
use super::task::{Task, Work};
use crate::format::zip::{Archive, ArchiveError, Member, MemberWalk, ZipBytes};
use crate::lake::recording;
use crate::unzip::error::MemberError;
use crate::unzip::zip_line::ZipLine;

/// A ZIP that is being unpacked.
#[derive(Debug)]
pub(super) struct Zip {
    /// The name of the ZIP in messages.
    pub(super) source: Arc<str>,
    pub(super) bytes: Arc<dyn ZipBytes>,
    /// The line of stdin that names the ZIP.
    pub(super) line: Option<ZipLine>,
}

/// How the walk through the directory of a ZIP ended.
#[derive(Debug)]
pub(super) struct Walked {
    /// The number of members that --member left out after the last task.
    pub(super) skipped: u64,
    pub(super) result: Result<(), MemberError>,
}

/// Makes a task of each member that the flags select, in the order of the ZIP's directory, and
/// calls `each` with it. An error of `each` ends the walk.
pub(super) fn walk(
    bytes: &Arc<dyn ZipBytes>,
    selection: &MemberArgs,
    mut each: impl FnMut(Task) -> Result<(), MemberError>,
) -> Walked {
    let mut skipped = 0;
    let mut tasks = || -> Result<(), MemberError> {
        let mut archive = Archive::open(Arc::clone(bytes))?;
        let mut members = archive.members(&selection.limits)?;
        while let Some(member) = members.next_member()? {
            if member.is_directory() {
                continue;
            }
            if !selection.wants(&member.name) {
                skipped += 1;
                continue;
            }
            each(Task {
                work: work(&member, &mut members, selection),
                name: member.name,
                skipped: mem::take(&mut skipped),
            })?;
        }
        Ok(())
    };
    let result = tasks();
    Walked { skipped, result }
}

fn work(
    member: &Member,
    members: &mut MemberWalk<'_>,
    selection: &MemberArgs,
) -> Result<Work, ArchiveError> {
    if !recording::is_recording(&member.name) {
        return members.locate(member).map(Work::Lines);
    }
    match selection.wav_dir {
        None => Ok(Work::PassOver),
        Some(_) => members.locate(member).map(Work::Recording),
    }
}
