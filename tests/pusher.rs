//! What pushes to a customer's receiver, as the vendor's page and the defaults of its likely client
//! say: kept connections in a pool, one silent retry after a reset, a token until a minute before
//! its end, delivered only when the reply is 2xx with a JSON object. Records that were not
//! delivered come again later, regrouped, beside new ones.
//!
//! The same seed pushes the same bytes in the same order on each connection.

pub mod canonical;
mod check;
mod envelope;
mod pool;
mod token;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::sim::lock;
use crate::sim::prng::Prng;
use crate::sim::subscriptions::{Feed, Settings};
pub use envelope::Shape;
use pool::Pool;
pub use pool::Trust;
pub use token::TokenForm;
use token::Tokens;
use wire::{Break, Wire};

/// How a pusher behaves.
#[derive(Clone)]
pub struct Habits {
    pub seed: String,
    /// Kept connections, each with a thread of its own.
    pub connections: usize,
    pub form: TokenForm,
    /// Records of a push, at most.
    pub per_push: u64,
    /// Of a hundred pushes, how many are cut off within the body, and how many stall there first.
    pub cuts: u64,
    pub stalls: u64,
    pub stall: Duration,
    /// Of a hundred delivered pushes, how many come again: regrouped, with other ids, keys in another
    /// order, `exported` flipped.
    pub repeats: u64,
    /// The forms that a body takes, in turn at random.
    pub shapes: Vec<Shape>,
    /// After how many 401 in a row it gives up.
    pub patience: u64,
    /// The certificates that it trusts; `None` for the platform's, or plain HTTP.
    pub trust: Option<Trust>,
}

impl Habits {
    pub fn seeded(seed: &str) -> Habits {
        Habits {
            seed: seed.to_owned(),
            connections: 8,
            form: TokenForm::Basic,
            per_push: 5,
            cuts: 0,
            stalls: 0,
            stall: Duration::from_millis(20),
            repeats: 0,
            shapes: vec![Shape::Envelope],
            patience: u64::MAX,
            trust: None,
        }
    }
}

/// The records that are delivered to one subscription.
#[derive(Clone)]
pub struct Load {
    pub feed: Feed,
    pub records: Vec<String>,
}

/// A recording of one call.
pub struct Recording<'a> {
    pub dialog: &'a str,
    pub bytes: &'a [u8],
    /// The header `X-OML-ORN`, if there is one.
    pub orn: Option<String>,
    /// After how many bytes of the body the connection ends.
    pub cut: Option<usize>,
}

/// What became of it.
#[derive(Default)]
pub struct Account {
    /// Records of pushes that were answered as they should be.
    pub delivered: Vec<String>,
    /// Records that were not delivered, by subscription.
    pub dropped: Vec<Load>,
    pub pushes: u64,
    /// Replies by status; 0 stands for none.
    pub replies: BTreeMap<u16, u64>,
}

impl Account {
    fn add(&mut self, other: Account) {
        self.delivered.extend(other.delivered);
        self.dropped.extend(other.dropped);
        self.pushes += other.pushes;
        for (status, count) in other.replies {
            *self.replies.entry(status).or_default() += count;
        }
    }
}

pub struct Pusher {
    habits: Habits,
    pool: Pool,
    tokens: Tokens,
    /// Runs so far: each has randomness of its own.
    runs: Mutex<u64>,
}

impl Pusher {
    pub fn new(habits: Habits) -> Pusher {
        Pusher {
            pool: Pool::new(habits.trust.as_ref()),
            tokens: Tokens::new(habits.form),
            runs: Mutex::new(0),
            habits,
        }
    }

    /// Pushes each load once, over all connections, and says what became of it.
    pub fn run(self: &Arc<Self>, loads: &[Load]) -> Account {
        let run = {
            let mut runs = lock(&self.runs);
            *runs += 1;
            *runs
        };
        let connections = self.habits.connections;
        let mut shares: Vec<Vec<Load>> = vec![Vec::new(); connections];
        let mut random = Prng::seeded(&[&self.habits.seed, "shares", &run.to_string()]);
        for load in loads {
            let mut rest = &load.records[..];
            while !rest.is_empty() {
                let count = (1 + random.below(self.habits.per_push) as usize).min(rest.len());
                let (now, later) = rest.split_at(count);
                rest = later;
                shares[random.below(connections as u64) as usize].push(Load {
                    feed: load.feed.clone(),
                    records: now.to_vec(),
                });
            }
        }
        let threads: Vec<_> = shares
            .into_iter()
            .enumerate()
            .map(|(number, share)| {
                let pusher = Arc::clone(self);
                thread::spawn(move || pusher.work(&share, run, number))
            })
            .collect();
        let mut account = Account::default();
        for thread in threads {
            account.add(thread.join().expect("a pusher's thread does not panic"));
        }
        account
    }

    /// New records and records that were dropped earlier, side by side.
    pub fn run_beside(self: &Arc<Self>, live: &[Load], backlog: &[Load]) -> Account {
        let pusher = Arc::clone(self);
        let backlog = regrouped(backlog, &self.habits.seed);
        let repair = thread::spawn(move || pusher.run(&backlog));
        let mut account = self.run(live);
        account.add(repair.join().expect("a pusher's thread does not panic"));
        account
    }

    /// Repeats what is dropped until nothing is, at most so often.
    pub fn repair(self: &Arc<Self>, mut dropped: Vec<Load>, most: usize) -> Account {
        let mut account = Account::default();
        for _ in 0..most {
            let mut round = self.run(&regrouped(&dropped, &self.habits.seed));
            dropped = std::mem::take(&mut round.dropped);
            account.add(round);
            if dropped.is_empty() {
                break;
            }
        }
        account.dropped = dropped;
        account
    }

    /// A recording in chunks; the answer is whether it counts as delivered.
    pub fn record(&self, feed: &Feed, recording: &Recording<'_>) -> bool {
        let mut random = Prng::seeded(&[&self.habits.seed, "wav", recording.dialog]);
        let Some(token) = self.tokens.get(&feed.settings, &self.pool) else {
            return false;
        };
        let mut headers = vec![("Content-Type", "application/octet-stream".to_owned())];
        headers.extend(recording.orn.clone().map(|orn| ("X-OML-ORN", orn)));
        let wire = Wire::chunked(
            &feed.settings.callback_url,
            &token,
            &headers,
            recording.bytes,
            &mut random,
        );
        let wire = wire.broken(recording.cut.map(|at| Break {
            at,
            stall: Duration::ZERO,
        }));
        let reply = self.pool.send(&feed.settings.callback_url, &wire);
        reply.is_ok_and(|reply| reply.status / 100 == 2 && is_object(&reply.body))
    }

    fn work(&self, share: &[Load], run: u64, number: usize) -> Account {
        let seed = [
            &self.habits.seed,
            "work",
            &run.to_string(),
            &number.to_string(),
        ];
        let mut random = Prng::seeded(&seed);
        let mut account = Account::default();
        let mut refused = 0;
        for load in share {
            if refused >= self.habits.patience {
                account.dropped.push(load.clone());
                continue;
            }
            let status = self.push(load, &mut random, &mut account);
            refused = if status == 401 { refused + 1 } else { 0 };
        }
        account
    }

    /// One push, and perhaps once more what it was.
    fn push(&self, load: &Load, random: &mut Prng, account: &mut Account) -> u16 {
        let settings = in_use(&load.feed, random);
        let shape = random.pick(&self.habits.shapes);
        let body = envelope::body(&settings.name, &load.records, shape, random);
        let status = self.send(settings, &body, random, account);
        let is_delivered = status / 100 == 2;
        if !is_delivered {
            account.dropped.push(load.clone());
        } else if shape.has_records() {
            account.delivered.extend(load.records.iter().cloned());
        }
        if is_delivered && random.below(100) < self.habits.repeats {
            let mut records = load.records.clone();
            records.rotate_left(random.below(load.records.len() as u64) as usize);
            let records: Vec<String> = records
                .iter()
                .map(|record| envelope::respelled(record, random))
                .collect();
            for part in records.chunks(1 + random.below(3) as usize) {
                let body = envelope::body(&settings.name, part, Shape::Envelope, random);
                self.send(settings, &body, random, account);
            }
        }
        status
    }

    fn send(
        &self,
        settings: &Settings,
        body: &[u8],
        random: &mut Prng,
        account: &mut Account,
    ) -> u16 {
        account.pushes += 1;
        let chance = random.below(100);
        let at = random.below(body.len() as u64 + 1) as usize;
        let id = random.uuid();
        let Some(token) = self.tokens.get(settings, &self.pool) else {
            *account.replies.entry(0).or_default() += 1;
            return 0;
        };
        let headers = [
            ("Content-Type", "application/json".to_owned()),
            ("Client-Corelation-Id", id),
        ];
        let habits = &self.habits;
        let broken = match chance {
            _ if chance < habits.cuts => Some(Break {
                at,
                stall: Duration::ZERO,
            }),
            _ if chance < habits.cuts + habits.stalls => Some(Break {
                at,
                stall: habits.stall,
            }),
            _ => None,
        };
        let wire = Wire::sized(&settings.callback_url, &token, &headers, body).broken(broken);
        let status = match self.pool.send(&settings.callback_url, &wire) {
            Ok(reply) if reply.status / 100 != 2 => {
                if reply.status == 401 {
                    self.tokens.forget(settings);
                }
                reply.status
            }
            Ok(reply) if is_object(&reply.body) => reply.status,
            // Not a reply that counts.
            Ok(_) | Err(_) => 0,
        };
        *account.replies.entry(status).or_default() += 1;
        status
    }
}

/// The new settings, or while an update is under way also the old ones.
fn in_use<'f>(feed: &'f Feed, random: &mut Prng) -> &'f Settings {
    match &feed.old {
        Some(old) if random.below(2) == 0 => old,
        _ => &feed.settings,
    }
}

fn is_object(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object())
}

/// The same records in other groups and another order.
fn regrouped(loads: &[Load], seed: &str) -> Vec<Load> {
    let mut by_feed: BTreeMap<&str, Load> = BTreeMap::new();
    for load in loads {
        let entry = by_feed.entry(&load.feed.id).or_insert_with(|| Load {
            feed: load.feed.clone(),
            records: Vec::new(),
        });
        entry.records.extend(load.records.iter().cloned());
    }
    let mut random = Prng::seeded(&[seed, "regrouped", &loads.len().to_string()]);
    let mut loads: Vec<Load> = by_feed.into_values().collect();
    for load in &mut loads {
        for at in (1..load.records.len()).rev() {
            load.records.swap(at, random.below(at as u64 + 1) as usize);
        }
    }
    loads
}
