//! A commit: pushes, used paths and coverage in one transaction.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, OptionalExtension, Transaction, params};

use super::bodies::{BodyPacker, PackedBodies};
use super::{Store, StoreError};
use crate::error::Status;
use crate::receive::inbox::ReceiverState;
use crate::receive::push::{Push, PushContent};
use crate::time::Timestamp;

const INSERT: &str = "INSERT INTO inbox (received_at, path, client, correlation_id, orn, coverage, \
                      bytes, body, recording, sha256, start) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// A push. If the push is a recording, also the final name of the recording.
#[derive(Debug)]
pub(crate) struct NewPush<'p> {
    pub(crate) push: &'p Push,
    pub(crate) recording: Option<NewRecording>,
}

/// A recording with its final name.
#[derive(Clone, Debug)]
pub(crate) struct NewRecording {
    pub(crate) file: String,
    pub(crate) dialog_id: String,
}

/// The result of a commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committed {
    /// The number of the current row of coverage.
    pub(crate) coverage: Option<i64>,
    /// The bytes that the committed bodies take in the database.
    pub(crate) bytes: usize,
}

/// The start of a row of coverage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begin {
    pub(crate) at: Timestamp,
    pub(crate) state: ReceiverState,
    /// The change of the wall clock at this start, in milliseconds.
    pub(crate) clock_jump: Option<i64>,
}

/// The rows to commit besides pushes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// The client, the path and the time of each request that stored no push.
    pub(crate) uses: Vec<(String, String, Timestamp)>,
    pub(crate) refused: Vec<(Option<String>, Timestamp)>,
    pub(crate) begins: Vec<Begin>,
    pub(crate) certificate: Option<Timestamp>,
}

impl ReceiverState {
    /// The state as the database spells it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            ReceiverState::Up => "up",
            ReceiverState::Limited => "limited",
            ReceiverState::Down => "down",
        }
    }
}

impl Store {
    /// Writes pushes and notes to the disk in one transaction with one sync.
    pub(crate) fn commit(
        &mut self,
        pushes: &[NewPush<'_>],
        notes: &Notes,
        instance: &str,
        coverage: Option<i64>,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        let packed = self.pack(pushes)?;
        let coverage = self.database.write(|transaction| {
            let coverage = cover(transaction, pushes, notes, instance, coverage, now)?;
            let mut inserting = transaction.prepare_cached(INSERT)?;
            let mut frames = packed.frames.iter().peekable();
            let mut first = 0;
            for ((at, new), start) in pushes.iter().enumerate().zip(&packed.starts) {
                insert(transaction, &mut inserting, new, *start, coverage)?;
                let number = transaction.last_insert_rowid();
                if frames.peek().is_some_and(|packed| packed.first == at) {
                    first = number;
                }
                if let Some(packed) = frames.next_if(|packed| packed.last == at) {
                    let sql = "INSERT INTO frames VALUES (?1, ?2, ?3, ?4)";
                    let row = params![number, first, count(packed.length), packed.frame];
                    transaction.prepare_cached(sql)?.execute(row)?;
                }
            }
            note_uses(transaction, pushes, notes)?;
            for (path, at) in &notes.refused {
                let sql = "INSERT INTO refusals VALUES (?1, ?2, 1) ON CONFLICT (path) \
                           DO UPDATE SET last = max(last, ?2), refused = refused + 1";
                let path = path.as_deref().unwrap_or_default();
                transaction
                    .prepare_cached(sql)?
                    .execute(params![path, at.millis()])?;
            }
            if let Some(expires_at) = notes.certificate {
                let sql = "INSERT OR REPLACE INTO facts VALUES ('certificate_expires_at', ?1)";
                transaction.execute(sql, [expires_at.millis()])?;
            }
            Ok(coverage)
        })?;
        let long = pushes.iter().zip(&packed.starts);
        let long = long.filter_map(|(new, start)| body(new).filter(|_| start.is_none()));
        let frames = packed.frames.iter().map(|packed| packed.frame.len());
        Ok(Committed {
            coverage,
            bytes: long.map(<[u8]>::len).chain(frames).sum(),
        })
    }

    fn pack(&mut self, pushes: &[NewPush<'_>]) -> Result<PackedBodies, StoreError> {
        let packer = match self.packer.take() {
            Some(packer) => Ok(packer),
            None => BodyPacker::new(),
        };
        let packed = packer.and_then(|mut packer| {
            let packed = packer.pack(pushes.iter().map(body))?;
            self.packer = Some(packer);
            Ok(packed)
        });
        packed.map_err(|e| self.database.error(Status::Io, format!("compressing: {e}")))
    }

    /// The hash of the recording with this file name, if it exists.
    pub(crate) fn recording_hash(&self, file: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.database.read(|connection| {
            let sql = "SELECT sha256 FROM recordings WHERE file = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row([file], |row| row.get(0)).optional()
        })
    }
}

fn cover(
    transaction: &Transaction<'_>,
    pushes: &[NewPush<'_>],
    notes: &Notes,
    instance: &str,
    mut current: Option<i64>,
    now: Timestamp,
) -> rusqlite::Result<Option<i64>> {
    for begin in &notes.begins {
        if let Some(id) = current {
            let sql = "UPDATE coverage SET stop = max(start, ?2) WHERE id = ?1";
            // After a jump of the clock, the end of the previous row is not changed.
            if begin.clock_jump.is_none() {
                transaction
                    .prepare_cached(sql)?
                    .execute(params![id, begin.at.millis()])?;
            }
        }
        let sql = "INSERT INTO coverage (start, stop, instance, state, clock_jump) \
                   VALUES (?1, ?1, ?2, ?3, ?4)";
        transaction.prepare_cached(sql)?.execute(params![
            begin.at.millis(),
            instance,
            begin.state.word(),
            begin.clock_jump
        ])?;
        current = Some(transaction.last_insert_rowid());
    }
    if let Some(id) = current {
        let sql = "UPDATE coverage SET stop = max(stop, ?2), pushes = pushes + ?3, \
                   refused = refused + ?4 WHERE id = ?1";
        transaction.prepare_cached(sql)?.execute(params![
            id,
            now.millis(),
            count(pushes.len()),
            count(notes.refused.len())
        ])?;
    }
    Ok(current)
}

/// The body of a push; `None` if it is a recording.
fn body<'p>(new: &NewPush<'p>) -> Option<&'p [u8]> {
    match &new.push.content {
        PushContent::Json(body) => Some(body),
        PushContent::Recording { .. } => None,
    }
}

fn insert(
    transaction: &Transaction<'_>,
    inserting: &mut CachedStatement<'_>,
    new: &NewPush<'_>,
    start: Option<usize>,
    coverage: Option<i64>,
) -> rusqlite::Result<()> {
    let push = new.push;
    let (bytes, body, sha256) = match &push.content {
        PushContent::Json(body) => {
            let own = start.is_none().then_some(&body[..]);
            (count(body.len()), own, None)
        }
        PushContent::Recording { bytes, sha256, .. } => (
            i64::try_from(*bytes).unwrap_or(i64::MAX),
            None,
            Some(&sha256[..]),
        ),
    };
    let recording = new.recording.as_ref();
    if let Some(recording) = recording {
        let sql = "INSERT OR IGNORE INTO recordings (file, dialog_id, sha256) VALUES (?1, ?2, ?3)";
        transaction.prepare_cached(sql)?.execute(params![
            recording.file,
            recording.dialog_id,
            sha256
        ])?;
    }
    inserting.execute(params![
        push.received_at.millis(),
        push.path,
        push.client,
        push.correlation_id,
        push.orn,
        coverage,
        bytes,
        body,
        recording.map(|recording| &recording.file),
        sha256,
        start.map(count),
    ])?;
    Ok(())
}

/// When a client first and last used a path in this commit, and the number of its pushes.
struct NewUse {
    first: Timestamp,
    last: Timestamp,
    pushes: i64,
}

/// Updates one row for each client and path, for all pushes and notes of the commit.
fn note_uses(
    transaction: &Transaction<'_>,
    pushes: &[NewPush<'_>],
    notes: &Notes,
) -> rusqlite::Result<()> {
    let pushed = pushes.iter().map(|new| {
        let push = new.push;
        (&push.client, &push.path, push.received_at, 1)
    });
    let others = notes.uses.iter();
    let others = others.map(|(client, path, at)| (client, path, *at, 0));
    let mut uses: BTreeMap<(&str, &str), NewUse> = BTreeMap::new();
    for (client, path, at, pushes) in pushed.chain(others) {
        let none = NewUse {
            first: at,
            last: at,
            pushes: 0,
        };
        let one = uses.entry((client, path)).or_insert(none);
        one.first = one.first.min(at);
        one.last = one.last.max(at);
        one.pushes += pushes;
    }
    let sql = "INSERT INTO uses VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (client, path) \
               DO UPDATE SET last = max(last, ?4), pushes = pushes + ?5";
    let mut statement = transaction.prepare_cached(sql)?;
    for ((client, path), one) in uses {
        let (first, last) = (one.first.millis(), one.last.millis());
        statement.execute(params![client, path, first, last, one.pushes])?;
    }
    Ok(())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::receive::directory::ReceiveDirectory;

    #[test]
    fn all_uses_of_a_commit_are_counted_by_client_and_path() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open_checked(&ReceiveDirectory::new(dir.path())).unwrap();
        let at = Timestamp::from_millis;
        let push = |path: &str, millis| Push {
            received_at: at(millis),
            path: path.to_owned(),
            client: "c".to_owned(),
            correlation_id: None,
            orn: None,
            content: PushContent::Json(Bytes::new()),
        };
        let notes = Notes {
            uses: vec![("c".to_owned(), "g/a".to_owned(), at(9))],
            ..Notes::default()
        };
        for start in [0, 10] {
            let pushes = [("g/a", 5), ("g/b", 3), ("g/a", 2)];
            let pushes = pushes.map(|(path, millis)| push(path, start + millis));
            let pushes = pushes.each_ref().map(|push| NewPush {
                push,
                recording: None,
            });
            store.commit(&pushes, &notes, "i", None, at(0)).unwrap();
        }
        let uses = store.uses().unwrap();
        let uses = uses
            .iter()
            .map(|one| (one.path.as_str(), one.first, one.last, one.pushes));
        let expected = [("g/a", at(2), at(15), 4), ("g/b", at(3), at(13), 2)];
        assert_eq!(uses.collect::<Vec<_>>(), expected);
    }
}
