//! Notes about unlisted ZIPs in a bucket: one or more objects for each run that has not succeeded.
//! A note does not show whether its run is still running, so it can happen that two runs list the
//! same files as written.

use std::sync::Arc;

use super::unlisted::{NotePlace, OtherNotes};
use crate::bucket::address::BucketUrl;
use crate::bucket::objects::PutCondition;
use crate::bucket::service::BucketService;

/// The directory of notes, below the root of the lake. Query engines ignore names that begin with a
/// dot.
const NOTES: &str = "/.callpipe-unlisted/";

/// The most ZIPs in one note. The number is limited because the whole object of the note is written
/// again for each new ZIP.
const MOST: usize = 500;

/// Stores the notes about unlisted ZIPs of a lake in a bucket.
#[derive(Debug)]
pub(super) struct BucketNotes {
    service: Arc<BucketService>,
    root: BucketUrl,
    /// The id of this run, which no other run has. The names of this run's notes begin with the id.
    id: String,
    zips: Vec<String>,
}

impl BucketNotes {
    pub(super) fn new(service: Arc<BucketService>, root: BucketUrl) -> BucketNotes {
        BucketNotes {
            id: service.unique_name(),
            service,
            root,
            zips: Vec::new(),
        }
    }

    fn note(&self, name: &str) -> BucketUrl {
        self.root.with_ending(&format!("{NOTES}{name}"))
    }

    fn own(&self, number: usize) -> String {
        format!("{}-{number}", self.id)
    }
}

impl NotePlace for BucketNotes {
    fn others(&self) -> anyhow::Result<OtherNotes> {
        let notes = self.note("");
        let mut others = OtherNotes::new();
        for listed in self.service.list(&notes)? {
            let name = listed.key.strip_prefix(notes.key()).unwrap_or_default();
            if name.starts_with(&self.id) {
                continue;
            }
            if let Some(found) = self.service.get(&self.note(name))? {
                let text = String::from_utf8_lossy(&found.bytes).into_owned();
                others.insert(name.to_owned(), text);
            }
        }
        Ok(others)
    }

    fn add(&mut self, zip: &str) -> anyhow::Result<()> {
        self.zips.push(format!("{zip}\n"));
        let (number, zips) = match self.zips.chunks(MOST).enumerate().next_back() {
            Some((number, zips)) => (number, zips.concat()),
            None => return Ok(()),
        };
        let note = self.note(&self.own(number));
        (self.service).put(&note, zips.as_bytes(), PutCondition::Always)?;
        Ok(())
    }

    /// This does nothing: the files of a lake in a bucket are never removed, so the ZIP must stay
    /// noted.
    fn take_back(&mut self) {}

    fn remove_other(&self, name: &str) -> anyhow::Result<()> {
        self.service.delete(&self.note(name))
    }

    fn remove_own(&mut self) -> anyhow::Result<()> {
        let count = self.zips.chunks(MOST).len();
        self.zips.clear();
        (0..count).try_for_each(|number| self.service.delete(&self.note(&self.own(number))))
    }
}
