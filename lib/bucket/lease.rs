//! A bucket has no locks, so a run takes a lease instead: an object that says which run may write,
//! and until when.
//!
//! All times are by the service's clock. A holder renews its lease while it runs. The lease of a
//! killed holder expires, and the next run takes it. If a holder was suspended for too long, its
//! next conditional write fails. So the lease only avoids useless work, and the condition of the
//! write protects the data.
//!
//! The first run with a lease also tests whether the service respects the conditions of writes. If
//! the service ignores them, the run ends with status 2.

use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::bucket::address::BucketUrl;
use crate::bucket::objects::{PutCondition, StoredObject};
use crate::bucket::service::BucketService;
use crate::error;
use crate::os::mutex::lock;
use crate::time::Timestamp;

/// How long a lease lasts if it is not renewed.
const LASTS: Duration = Duration::from_secs(120);

/// The time between two renewals of a lease.
const RENEWED: Duration = Duration::from_secs(30);

/// The most attempts to take a lease. An attempt fails if another run writes the lease meanwhile.
const TRIES: usize = 5;

/// The content of a lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LeaseNote {
    /// The host and the process, for people.
    holder: String,
    /// An id that no other holder has.
    id: String,
    since: Timestamp,
    expires_at: Timestamp,
    /// Whether a test has shown that the service respects the conditions of writes.
    #[serde(default)]
    proven: bool,
}

/// A lease that this run holds. The lease is renewed until this value is dropped.
#[derive(Debug)]
pub struct BucketLease {
    held: Arc<HeldLease>,
    keeper: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

#[derive(Debug)]
struct HeldLease {
    service: Arc<BucketService>,
    url: BucketUrl,
    note: LeaseNote,
    /// Whether the previous holder did not release the lease.
    is_taken_over: bool,
    hold: Mutex<Hold>,
}

/// The part of a lease that changes.
#[derive(Debug)]
struct Hold {
    /// The version of the lease object; `None` if another run has taken the lease.
    etag: Option<String>,
    /// When the lease expires, by the clock of the service.
    expires_at: Timestamp,
}

impl BucketLease {
    /// Takes the lease of `object` for `holder`. Returns an error with status 75, which names the
    /// holder, if another run has the lease, and with status 2 if the service ignores the
    /// conditions of writes.
    pub fn take(
        service: &Arc<BucketService>,
        object: &BucketUrl,
        holder: String,
    ) -> anyhow::Result<BucketLease> {
        let url = object.with_ending(".lease");
        let id = service.unique_name();
        let held = take(service, url, holder, id).with_context(|| object.to_string())?;
        let (held, (end, ended)) = (Arc::new(held), mpsc::channel());
        let renewing = held.clone();
        let renew = move || {
            while ended.recv_timeout(RENEWED) == Err(mpsc::RecvTimeoutError::Timeout) {
                // After an error, the next renewal tries again.
                if let Err(e) = renewing.renew() {
                    log::debug!("{e:#}");
                }
            }
        };
        let thread = thread::Builder::new()
            .name("lease".to_owned())
            .spawn(renew)?;
        Ok(BucketLease {
            held,
            keeper: Some((end, thread)),
        })
    }

    /// Checks that this run still holds the lease. If the lease has expired, for example because
    /// this run was suspended, first renews it. Returns an error with status 75, which names the
    /// new holder, if another run has taken the lease.
    pub fn check(&self) -> anyhow::Result<()> {
        if lock(&self.held.hold).expires_at <= self.held.service.now() {
            return self.confirm();
        }
        self.require()
    }

    /// Renews the lease now. Returns an error with status 75, which names the new holder, if
    /// another run has taken the lease. On success, no other run has held the lease since this run
    /// took it.
    pub fn confirm(&self) -> anyhow::Result<()> {
        self.held.renew()?;
        self.require()
    }

    fn require(&self) -> anyhow::Result<()> {
        match lock(&self.held.hold).etag.is_some() {
            true => Ok(()),
            false => Err(self.lost()),
        }
    }

    /// Whether the previous holder did not release the lease: it was killed, or it is suspended.
    pub fn is_taken_over(&self) -> bool {
        self.held.is_taken_over
    }

    /// Returns the error for a run that has lost the lease: another run has written an object that
    /// only the holder of the lease may write.
    pub fn lost(&self) -> anyhow::Error {
        let HeldLease { service, url, .. } = &*self.held;
        let found = service.get(url).ok().flatten();
        let note = found.and_then(|found| serde_json::from_slice::<LeaseNote>(&found.bytes).ok());
        let who = match note {
            Some(note) if note.id != self.held.note.id => format!(": {}", note.holder),
            _ => String::new(),
        };
        error::try_later(format!("another run has changed it meanwhile{who}"))
    }
}

impl Drop for BucketLease {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.keeper.take() {
            drop(end);
            let _ = thread.join();
        }
        self.held.service.end();
        self.held.release();
    }
}

fn take(
    service: &Arc<BucketService>,
    url: BucketUrl,
    holder: String,
    id: String,
) -> anyhow::Result<HeldLease> {
    for _ in 0..TRIES {
        let found = service.get(&url)?;
        let earlier = found.as_ref().map(note_of).transpose()?;
        let now = service.now();
        if let Some(note) = earlier.as_ref().filter(|note| note.expires_at > now) {
            return Err(error::try_later(format!(
                "another run holds it: {}, since {}; its lease ends at {} unless that run renews it",
                note.holder, note.since, note.expires_at
            )));
        }
        let given_back = Timestamp::from_millis(0);
        let is_taken_over = (earlier.as_ref()).is_some_and(|note| note.expires_at != given_back);
        let mut note = LeaseNote {
            holder: holder.clone(),
            id: id.clone(),
            since: now,
            expires_at: now.plus(LASTS),
            proven: earlier.is_some_and(|note| note.proven),
        };
        let condition = match &found {
            None => PutCondition::Absent,
            Some(found) => PutCondition::Version(&found.etag),
        };
        let Some(mut etag) = service.put(&url, &serde_json::to_vec(&note)?, condition)? else {
            continue;
        };
        if !note.proven {
            prove(service, &url, &etag, &id)?;
            note.proven = true;
            let bytes = serde_json::to_vec(&note)?;
            match service.put(&url, &bytes, PutCondition::Version(&etag))? {
                Some(proven) => etag = proven,
                None => continue,
            }
        }
        return Ok(HeldLease {
            service: service.clone(),
            url,
            is_taken_over,
            hold: Mutex::new(Hold {
                etag: Some(etag),
                expires_at: note.expires_at,
            }),
            note,
        });
    }
    Err(error::try_later(
        "several runs tried to take it at the same time; try again",
    ))
}

fn note_of(found: &StoredObject) -> anyhow::Result<LeaseNote> {
    serde_json::from_slice(&found.bytes).map_err(|e| {
        error::bad_input(format!(
            "its lease, the object whose name ends with .lease, is not valid ({e}): if no run uses it, delete that object"
        ))
    })
}

/// Tests whether the service respects the conditions of writes. Returns an error with status 2 if
/// it does not, and with status 75 if another run has taken the lease meanwhile. `id` is the id of
/// this run.
fn prove(service: &BucketService, url: &BucketUrl, etag: &str, id: &str) -> anyhow::Result<()> {
    let dialect = service.dialect();
    let tried = [
        (dialect.is_absent(), PutCondition::Absent),
        (
            dialect.has_version(dialect.no_version()),
            PutCondition::Version(dialect.no_version()),
        ),
    ];
    for ((name, _), condition) in tried {
        if service.put(url, b"{}", condition)?.is_some() {
            service.delete(url)?;
            return Err(error::usage(format!(
                "the service ignores {name} in a PUT, so two runs could overwrite each other's state: use a service that supports {name}, or a path on this machine"
            )));
        }
    }
    let read = service.get(url)?;
    if read.as_ref().is_none_or(|read| read.etag != etag) {
        let other = read.as_ref().and_then(|read| note_of(read).ok());
        if let Some(other) = other.filter(|other| other.id != id) {
            return Err(error::try_later(format!(
                "another run has taken it meanwhile: {}",
                other.holder
            )));
        }
        return Err(error::usage(
            "the service does not return the object that was just written: use another service, or a path on this machine",
        ));
    }
    Ok(())
}

impl HeldLease {
    /// Writes the lease with a new expiry, if this run still holds it.
    fn renew(&self) -> anyhow::Result<()> {
        self.replace(self.service.now().plus(LASTS))
    }

    /// Ends the lease, so that another run can take it at once.
    fn release(&self) {
        if let Err(e) = self.replace(Timestamp::from_millis(0)) {
            log::debug!("{e:#}");
        }
    }

    fn replace(&self, expires_at: Timestamp) -> anyhow::Result<()> {
        let mut hold = lock(&self.hold);
        let Some(etag) = &hold.etag else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(&LeaseNote {
            expires_at,
            ..self.note.clone()
        })?;
        let condition = PutCondition::Version(etag);
        let etag = self.service.put(&self.url, &bytes, condition)?;
        *hold = Hold { etag, expires_at };
        Ok(())
    }
}
