//! Notes about ZIPs whose files are in a lake, but were not listed by a run that ended with
//! status 0.
//!
//! A program that reads the lines of a run often uses only those with the status `written`. If the
//! run is killed or fails, it can be that the program has not read these lines. Then the next run
//! must not list the files as `kept`. So before the first file of a ZIP gets its name, a run writes
//! a note of the ZIP. When the run has succeeded, it removes its notes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::parcel::{Parcel, PublishStatus};
use crate::os::digest;

/// The number of digits of the hash in the name of a ZIP.
const DIGITS: usize = 16;

/// The name of a ZIP in notes: its stem, and a hash of the names of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotedZip {
    stem: String,
    name: String,
}

impl NotedZip {
    pub(super) fn new(stem: &str, parcels: &[Parcel]) -> NotedZip {
        let mut names = String::new();
        for parcel in parcels {
            let [file, _] = parcel.files(false);
            names += &file;
            names.push('\n');
        }
        let hash = digest::sha256(names.as_bytes());
        NotedZip {
            name: format!("{stem}-{}", &hash[..DIGITS]),
            stem: stem.to_owned(),
        }
    }
}

/// The notes of other runs. The key is the name of a note, the value its text: one ZIP on each
/// line.
pub(super) type OtherNotes = BTreeMap<String, String>;

/// The place where notes are stored.
pub(super) trait NotePlace: Debug {
    /// The notes of other runs. Notes of runs that are known to be running are left out: these runs
    /// will list their files themselves.
    fn others(&self) -> anyhow::Result<OtherNotes>;

    /// Notes a ZIP for this run. When this returns, the note survives a crash.
    fn add(&mut self, zip: &str) -> anyhow::Result<()>;

    /// Removes the last ZIP from the note of this run. It does no harm if the ZIP stays in the
    /// note.
    fn take_back(&mut self);

    /// Removes a note of another run. It is no error if the note does not exist.
    fn remove_other(&self, name: &str) -> anyhow::Result<()>;

    /// Removes all notes of this run.
    fn remove_own(&mut self) -> anyhow::Result<()>;
}

/// The notes of this run, and those that other runs have left.
#[derive(Debug)]
pub(super) struct UnlistedZips<P> {
    place: P,
    /// The ZIPs in each note of another run, by the name of the note.
    left: BTreeMap<String, BTreeSet<String>>,
    /// The ZIPs that this run has listed as written.
    listed: BTreeSet<String>,
}

impl<P: NotePlace> UnlistedZips<P> {
    pub(super) fn new(place: P) -> UnlistedZips<P> {
        UnlistedZips {
            place,
            left: BTreeMap::new(),
            listed: BTreeSet::new(),
        }
    }

    /// Adds the ZIP to the notes if necessary, and returns the status for those files of the ZIP
    /// that exist already. The ZIP has `all` files, and `missing` of them do not exist yet. Call
    /// this before the first file of the ZIP gets its name.
    pub(super) fn begin(
        &mut self,
        zip: &NotedZip,
        missing: usize,
        all: usize,
    ) -> anyhow::Result<PublishStatus> {
        if all == 0 {
            return Ok(PublishStatus::Kept);
        }
        // The notes of other runs are read even if all files are missing, so that `take_over` also
        // removes the note of a run that gave no file its name.
        let is_left = self.is_left(zip)? && !self.listed.contains(&zip.name);
        let is_written = is_left || missing == all;
        if is_written || missing > 0 {
            self.place.add(&zip.name)?;
        }
        if !is_written {
            return Ok(PublishStatus::Kept);
        }
        self.listed.insert(zip.name.clone());
        self.take_over();
        Ok(PublishStatus::Written)
    }

    /// Removes each note of another run if all ZIPs in the note are also in the notes of this run.
    /// So runs that fail again and again leave only one note. A note that is not removed does no
    /// harm.
    fn take_over(&mut self) {
        let (place, listed) = (&self.place, &self.listed);
        self.left.retain(|name, zips| {
            let is_ours = zips.is_subset(listed);
            !is_ours || place.remove_other(name).is_err()
        });
    }

    /// Whether a note of another run has a ZIP with the same stem as `zip`.
    fn is_left(&mut self, zip: &NotedZip) -> anyhow::Result<bool> {
        let mut is_left = false;
        for (name, text) in self.place.others()? {
            // A line without its newline is incomplete, so no file of its ZIP has got its name.
            let lines = text.split_inclusive('\n');
            let whole = lines.filter_map(|line| line.strip_suffix('\n'));
            let zips: BTreeSet<String> = whole.map(str::to_owned).collect();
            is_left |= zips.iter().any(|noted| stem_of(noted) == zip.stem);
            self.left.insert(name, zips);
        }
        Ok(is_left)
    }

    /// Removes the last ZIP from the notes. Call this only if no file of this ZIP has its final
    /// name.
    pub(super) fn take_back(&mut self) {
        self.place.take_back();
    }

    /// Removes the notes of this run. Call this when the lines about all files were printed.
    pub(super) fn remove(&mut self) {
        if let Err(e) = self.place.remove_own() {
            log::warn!("{e:#}: the next run lists files as written again");
        }
    }
}

fn stem_of(noted: &str) -> &str {
    noted.rsplit_once('-').map_or(noted, |(stem, _)| stem)
}
