//! One limit for the request rate of all processes of a user on a machine. The requests are counted
//! in a file.
//!
//! The file is in the directory of the token cache. There is one file for each API origin and
//! account, or, with `--rate-scope group`, one for each OCP group. Without a cache directory, or on
//! a file system without locks, each process has its own rate.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::error;
use crate::net::rate::Rate;
use crate::net::turns::Turns;
use crate::os::clock::{Clock, MachineTime};
use crate::os::digest;
use crate::os::mutex::lock;
use crate::os::private;
use crate::os::shared_record::{HeldRecord, SharedContent, SharedRecord};
use crate::os::signals::Stop;

/// The pause between two attempts to lock the record. A process usually keeps the record locked for
/// about 1 ms.
const PAUSE: Duration = Duration::from_millis(2);
/// The number of attempts to lock the record, which take 30 s in all. All attempts fail if the
/// process with the lock is stopped (SIGSTOP).
const PAUSES: u32 = 15_000;

/// If a request is sent more than this time after its grant, the record gets the time of sending as
/// the time of the grant.
const STALE: Duration = Duration::from_millis(500);

/// A waiting process asks again at least this often, to show that it is still running.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);

/// The runs that share a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RateScope {
    // Named after the origin of the API's URL. The account counts, too.
    /// One rate for all runs with the same API and account.
    Origin,
    /// One rate for all runs with the same API, account and OCP group.
    Group,
    /// Each run has its own rate.
    None,
}

/// Where and how the processes of one account share a rate.
#[derive(Clone, Debug)]
pub struct RateShare {
    /// Whether each lane (OCP group) has its own rate.
    pub by_lane: bool,
    /// The cache directory, which contains the shared record; `None` if there is no such directory.
    pub home: Option<PathBuf>,
    /// Identifies the API and the account.
    pub identity: Vec<String>,
    /// A number that distinguishes this process from other processes.
    pub seed: u64,
}

/// One process's access to a rate that several processes share.
#[derive(Debug)]
pub(super) struct SharedBudget {
    record: SharedRecord,
    rate: Rate,
    clock: Clock,
    seed: u64,
    own: Mutex<OwnPlaces>,
}

/// The places of this process. A place is the entry of one request in the shared record.
#[derive(Debug, Default)]
struct OwnPlaces {
    named: u64,
    waiting: Option<String>,
    /// The places that are granted but not counted yet, each with the time of its grant.
    granted: VecDeque<(String, Instant)>,
}

/// The answer to [`SharedBudget::ask`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The request may be sent.
    Granted,
    /// The rate allows the request after this time.
    Wait(Duration),
    /// No request may be sent for this time: the rest of a pause that the service asked one of the
    /// processes for.
    Closed(Duration),
}

impl SharedBudget {
    /// Opens the shared budget of `lane`. `None` if there is no cache directory. If the file in
    /// this directory cannot be used, logs a warning and returns `None`.
    pub(super) fn open(
        share: &RateShare,
        lane: &str,
        rate: Rate,
        clock: &Clock,
    ) -> Option<SharedBudget> {
        let home = share.home.as_deref()?;
        match open_record(home, share, lane) {
            Ok(record) => Some(SharedBudget {
                record,
                rate,
                clock: clock.clone(),
                seed: share.seed,
                own: Mutex::default(),
            }),
            Err(why) => {
                log::warn!("{why}: --rate does not count the requests of other processes");
                None
            }
        }
    }

    /// Asks, perhaps again, whether a request that counts as `units` may be sent. The request needs
    /// one granted place for each unit. Granted places of this process that are not counted yet are
    /// used first.
    pub(super) fn ask(&self, units: usize) -> anyhow::Result<Turn> {
        let mut own = lock(&self.own);
        self.renew(&mut own)?;
        if own.granted.len() >= units {
            return Ok(Turn::Granted);
        }
        let id = own.waiting.clone().unwrap_or_else(|| {
            own.named += 1;
            format!("{:x}-{}", self.seed, own.named)
        });
        let turn = self.change(|turns, now| {
            let closed = turns.closed_for(now);
            if !closed.is_zero() {
                return Turn::Closed(closed);
            }
            match turns.ask(&id, self.rate, now) {
                Duration::ZERO => Turn::Granted,
                wait => Turn::Wait(wait),
            }
        })?;
        match turn {
            Turn::Granted => {
                own.waiting = None;
                own.granted.push_back((id, self.clock.instant()));
                Ok(match own.granted.len() < units {
                    true => Turn::Wait(Duration::ZERO),
                    false => Turn::Granted,
                })
            }
            turn => {
                own.waiting = Some(id);
                Ok(turn)
            }
        }
    }

    /// If places were granted longer than `STALE` ago, sets the times of the grants to now.
    fn renew(&self, own: &mut OwnPlaces) -> anyhow::Result<()> {
        let now = self.clock.instant();
        let is_stale = |(_, at): &(String, Instant)| now.saturating_duration_since(*at) > STALE;
        if own.granted.iter().any(is_stale) {
            let kept = self.change(|turns, time| {
                let mut granted = own.granted.clone();
                granted.retain(|(id, _)| turns.renew(id, time));
                granted
            })?;
            own.granted = kept.into_iter().map(|(id, _)| (id, now)).collect();
        }
        Ok(())
    }

    /// Counts a granted request, whose reply began at the time `at`.
    pub(super) fn count(&self, at: Instant) {
        let granted = lock(&self.own).granted.pop_front();
        let Some((id, _)) = granted else { return };
        let ago = self.clock.instant().saturating_duration_since(at);
        self.try_change(|turns, now| turns.count(&id, now.minus(ago)));
    }

    /// Removes all granted and waiting places of this process from the record, because the request
    /// was not sent, did not reach the service, or was refused with 429.
    pub(super) fn leave(&self) {
        let mut own = lock(&self.own);
        let OwnPlaces {
            granted, waiting, ..
        } = std::mem::take(&mut *own);
        let ids: Vec<String> = granted.into_iter().map(|(id, _)| id).collect();
        let ids: Vec<String> = ids.into_iter().chain(waiting).collect();
        if !ids.is_empty() {
            self.try_change(|turns, _| ids.iter().for_each(|id| turns.leave(id)));
        }
    }

    /// Stops the requests of all processes for `length`, because the service asked for this pause.
    pub(super) fn close(&self, length: Duration) {
        self.try_change(|turns, now| turns.close(length, now));
    }

    /// Like [`SharedBudget::change`], but logs an error and does not return it. If a granted place
    /// cannot be removed, it stays in the record and counts as used.
    fn try_change(&self, change: impl FnOnce(&mut Turns, &MachineTime)) {
        if let Err(e) = self.change(change) {
            log::warn!("counting requests for --rate: {e:#}");
        }
    }

    /// Reads the record, changes it and writes it, under the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Turns, &MachineTime) -> T) -> anyhow::Result<T> {
        let mut held = self.hold()?;
        let now = self.clock.machine_time();
        let mut turns = match held.read()? {
            SharedContent::Whole(turns) => turns,
            SharedContent::Empty => Turns::default(),
            SharedContent::Damaged => {
                log::warn!(
                    "{}: the file is damaged, as after a crash: assuming that all of --rate is \
                     used",
                    self.record.path().display()
                );
                Turns::spent(self.rate, &now)
            }
        };
        let result = change(&mut turns, &now);
        held.write(&turns)?;
        Ok(result)
    }

    fn hold(&self) -> anyhow::Result<HeldRecord> {
        for _ in 0..PAUSES {
            if let Some(held) = self.record.hold()? {
                return Ok(held);
            }
            // No signal ends this wait, because a process usually keeps the lock for about a
            // millisecond.
            self.clock.sleep(&Stop::default(), PAUSE)?;
        }
        let place = self.record.path().display();
        Err(error::try_later(format!(
            "{place}: another process has locked it"
        )))
    }
}

impl Drop for SharedBudget {
    fn drop(&mut self) {
        self.leave();
    }
}

fn open_record(home: &Path, share: &RateShare, lane: &str) -> Result<SharedRecord, String> {
    let directory = private::cache_directory(home)?;
    let lane = [lane.to_owned()];
    // Each part of the identity is written after its length. Otherwise `u` + `acme` and `ua` +
    // `cme` would be the same text.
    let parts = share.identity.iter().chain(&lane);
    let parts: String = parts.map(|part| format!("{}:{part}", part.len())).collect();
    let name = digest::sha256(parts.as_bytes());
    let path = directory.join(format!("rate-{}.json", &name[..32]));
    SharedRecord::open(&path).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use std::fs;

    fn share(home: &Path, seed: u64, account: &str) -> RateShare {
        RateShare {
            by_lane: false,
            home: Some(home.to_owned()),
            identity: vec!["https://api".to_owned(), account.to_owned()],
            seed,
        }
    }

    fn processes(home: &Path, clock: &Clock) -> [SharedBudget; 2] {
        [1, 2].map(|seed| {
            let rate = "1/10s".parse().unwrap();
            SharedBudget::open(&share(home, seed, "u"), "", rate, clock).unwrap()
        })
    }

    fn start() -> Clock {
        Clock::manual(Timestamp::from_millis(1_795_176_000_000))
    }

    #[test]
    fn two_processes_share_and_what_is_granted_is_granted_once() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), start());
        let [one, two] = processes(dir.path(), &clock);
        assert_eq!(one.ask(1).unwrap(), Turn::Granted);
        assert_eq!(one.ask(1).unwrap(), Turn::Granted, "the same place");
        assert_eq!(two.ask(1).unwrap(), Turn::Wait(Duration::from_secs(10)));
        one.count(clock.instant());
        clock.advance(Duration::from_millis(9_500));
        assert_eq!(two.ask(1).unwrap(), Turn::Wait(Duration::from_millis(500)));
        clock.advance(Duration::from_millis(500));
        assert_eq!(two.ask(1).unwrap(), Turn::Granted);
        // As if the granted request was not sent.
        two.leave();
        assert_eq!(one.ask(1).unwrap(), Turn::Granted);
        drop(one);
        assert_eq!(two.ask(1).unwrap(), Turn::Granted, "who ends gives back");
    }

    #[test]
    fn another_account_and_another_lane_have_a_budget_of_their_own() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), start());
        let rate: Rate = "1/10s".parse().unwrap();
        for (account, lane) in [("u", ""), ("v", ""), ("u", "acme"), ("ua", "cme")] {
            let share = share(dir.path(), 1, account);
            let budget = SharedBudget::open(&share, lane, rate, &clock).unwrap();
            assert_eq!(budget.ask(1).unwrap(), Turn::Granted, "{account} {lane}");
            budget.count(clock.instant());
        }
    }

    #[test]
    fn a_pause_that_the_service_asks_of_one_is_kept_by_all() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), start());
        let [one, two] = processes(dir.path(), &clock);
        one.close(Duration::from_secs(40));
        clock.advance(Duration::from_secs(15));
        assert_eq!(two.ask(1).unwrap(), Turn::Closed(Duration::from_secs(25)));
    }

    #[test]
    fn a_half_written_record_costs_one_period_and_blocks_nobody() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), start());
        let [one, _] = processes(dir.path(), &clock);
        assert_eq!(one.ask(1).unwrap(), Turn::Granted);
        one.count(clock.instant());
        let path = one.record.path();
        let whole = fs::read(path).unwrap();
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
        clock.advance(Duration::from_secs(60));
        let mut waited = Duration::ZERO;
        while let Turn::Wait(wait) = one.ask(1).unwrap() {
            clock.advance(wait);
            waited += wait;
        }
        assert_eq!(waited, Duration::from_secs(10));
    }

    #[test]
    fn without_a_place_for_it_there_is_none() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), start());
        let rate: Rate = "1/10s".parse().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(SharedBudget::open(&share(&file, 1, "u"), "", rate, &clock).is_none());
        let mut nowhere = share(&file, 1, "u");
        nowhere.home = None;
        assert!(SharedBudget::open(&nowhere, "", rate, &clock).is_none());
    }
}
