//! Dialpad's `POST Dashboard/Messages` and `GET Dashboard/{id}/RedactedMessages`, for one provider
//! and one key.
//!
//! Taken from the vendor's public documentation: paths, parameters, the fields of a message, that
//! more than 7 days are refused, and that what does not exist is answered with an empty array.
//! Unknown, and therefore a choice of the test: what `start` and `end` count and whether they are
//! inclusive, what `limit` 0 and `offset` mean, the highest limit, the order, the shape of a reply,
//! and how ids are typed.

mod answer;
mod message;

use std::sync::{Mutex, MutexGuard};

use chrono::{DateTime, Utc};

pub use message::{IdForm, Message};

use super::http::Request;
use super::lock;
use super::prng::Prng;
use super::reply::Reply;
use super::role::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Ms,
    S,
}

/// The result of a limit of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    All,
    None,
    /// At most this number.
    Cap(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    Rows,
    Pages,
    /// Rows, where there is a limit; else nothing.
    RowsOfLimit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `[{…}, …]`
    Flat,
    /// `[{"messages":[…], …}, …]`, an object a session.
    Wrapped,
    /// `{"messages":[…]}`
    Object,
    /// Nothing at all where there is nothing, else flat.
    Bare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
    /// Any, the same each time.
    Mixed,
    /// Another one for every request.
    Shuffled,
}

#[derive(Clone)]
pub struct Config {
    pub key: String,
    pub provider: u64,
    /// Messages, spread over `days` before now.
    pub messages: u64,
    pub days: f64,
    /// After how many messages a burst comes, and how many it has within a second.
    pub bursts: Option<(u64, u64)>,
    /// Letters in a text: what makes a message big.
    pub letters: usize,
    pub unit: Unit,
    pub zero: Zero,
    /// Whatever the limit.
    pub most: u64,
    pub offset: Offset,
    pub starts_inclusive: bool,
    pub ends_inclusive: bool,
    pub shape: Shape,
    pub order: Order,
    pub id_form: IdForm,
    pub status: u16,
    /// Whether a session is asked for without times in vain.
    pub needs_times: bool,
    /// Whether more than 7 days are refused, or nothing comes for them.
    pub refuses_long: bool,
    /// A window that holds more is answered with 504.
    pub too_much: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            key: "demo-key".to_owned(),
            provider: 1020,
            messages: 300,
            days: 10.0,
            bursts: None,
            letters: 20,
            unit: Unit::Ms,
            zero: Zero::All,
            most: u64::MAX,
            offset: Offset::Rows,
            starts_inclusive: true,
            ends_inclusive: false,
            shape: Shape::Wrapped,
            order: Order::OldestFirst,
            id_form: IdForm::Text,
            status: 200,
            needs_times: false,
            refuses_long: true,
            too_much: u64::MAX,
        }
    }
}

struct Provider {
    /// By `ts`.
    messages: Vec<Message>,
    /// Messages that there are only from the n-th request on.
    late: Vec<(u64, Message)>,
    requests: u64,
    die: Prng,
}

pub struct Dialpad {
    config: Config,
    now: DateTime<Utc>,
    provider: Mutex<Provider>,
}

impl Dialpad {
    pub fn new(config: Config, now: DateTime<Utc>) -> Dialpad {
        Dialpad {
            provider: Mutex::new(Provider {
                messages: message::history(&config, now.timestamp_millis()),
                late: Vec::new(),
                requests: 0,
                die: Prng::seeded(&["order"]),
            }),
            config,
            now,
        }
    }

    fn provider(&self) -> MutexGuard<'_, Provider> {
        lock(&self.provider)
    }

    /// Adds a message, or has it come just before the n-th request, counted from 1.
    pub fn add(&self, ts: i64, text: &str, from_request: u64) {
        let mut provider = self.provider();
        let number = provider.messages.len() + provider.late.len();
        let message = Message::new(&self.config, ts, number as u64, text);
        provider.late.push((from_request, message));
        provider.arrive();
    }

    /// A session of `count` messages, all at one time.
    pub fn talk(&self, session: &str, count: u64) {
        let mut provider = self.provider();
        for index in 0..count {
            let ts = self.now.timestamp_millis() - 1000;
            let mut message = Message::new(&self.config, ts, 2, &format!("said {index}"));
            message.json = message.json.replace(&message.session, session);
            session.clone_into(&mut message.session);
            provider.messages.push(message);
        }
    }

    /// Adds `count` messages within the last `days`.
    pub fn grow(&self, count: u64, days: f64, now: DateTime<Utc>) {
        let config = Config {
            messages: count,
            days,
            ..self.config.clone()
        };
        let mut provider = self.provider();
        let grown = message::numbered(&config, now.timestamp_millis(), provider.messages.len());
        provider.messages.extend(grown);
        provider.messages.sort_by_key(|message| message.ts);
    }

    /// The time `millis` before the simulator was started.
    pub fn before_now(&self, millis: i64) -> i64 {
        self.now.timestamp_millis() - millis
    }

    pub fn requests(&self) -> u64 {
        self.provider().requests
    }

    /// Every message that there is, line for line, by its time.
    pub fn truth(&self) -> Vec<String> {
        let provider = self.provider();
        provider.messages.iter().map(|m| m.json.clone()).collect()
    }

    /// The same in a stretch of time, in milliseconds since the epoch.
    pub fn truth_between(&self, from: i64, to: i64) -> Vec<String> {
        let provider = self.provider();
        let there = provider
            .messages
            .iter()
            .filter(|m| (from..to).contains(&m.ts));
        there.map(|m| m.json.clone()).collect()
    }

    pub fn sessions(&self) -> Vec<String> {
        let provider = self.provider();
        let mut ids: Vec<String> = provider
            .messages
            .iter()
            .map(|m| m.session.clone())
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }

    pub fn truth_of(&self, session: &str) -> Vec<String> {
        let provider = self.provider();
        let of = provider.messages.iter().filter(|m| m.session == session);
        of.map(|m| m.json.clone()).collect()
    }

    /// Whether a request has the key, in one of the two ways.
    pub fn knows(&self, request: &Request) -> bool {
        let bearer = format!("Bearer {}", self.config.key);
        request.header("authorization") == Some(&bearer)
            || request.query("apiKey").as_deref() == Some(&self.config.key)
    }

    pub fn answer(&self, role: Role, provider: &str, request: &Request) -> Reply {
        let mut state = self.provider();
        state.requests += 1;
        state.arrive();
        let state = &mut *state;
        answer::answer(
            role,
            provider,
            request,
            &state.messages,
            &mut state.die,
            &self.config,
        )
        .unwrap_or_else(|refused| refused)
    }
}

impl Provider {
    fn arrive(&mut self) {
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= self.requests);
        self.late = later;
        let due: Vec<(u64, Message)> = due;
        if !due.is_empty() {
            self.messages
                .extend(due.into_iter().map(|(_, message)| message));
            self.messages.sort_by_key(|message| message.ts);
        }
    }
}
