//! One export's life: SUBMITTED for half of its processing time, PROCESSING for the other half,
//! then READY, then EXPIRED, unless a fault ends it early. Its state follows from the clock, so no
//! thread has to advance it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;

use super::clock::Hour;
use super::order::Order;
use super::truth::{File, Truth};

#[derive(Clone, Copy, PartialEq)]
pub enum State {
    Submitted,
    Processing,
    Ready,
    Expired,
    Failed,
}

impl State {
    pub fn is_pending(self) -> bool {
        matches!(self, State::Submitted | State::Processing)
    }

    pub fn name(self) -> &'static str {
        match self {
            State::Submitted => "SUBMITTED",
            State::Processing => "PROCESSING",
            State::Ready => "READY",
            State::Expired => "EXPIRED",
            State::Failed => "FAILED",
        }
    }
}

/// The order and content of an export, shared with the threads that serve it.
pub struct Contents {
    pub order: Order,
    pub files: Vec<File>,
    size: OnceLock<u64>,
}

impl Contents {
    pub fn new(order: Order, truth: &Truth) -> Contents {
        let files = truth.files(&order.types, order.from, order.to);
        Contents {
            order,
            files,
            size: OnceLock::new(),
        }
    }

    pub fn member(&self, file: &File, truth: &Truth) -> (String, Vec<u8>) {
        truth.member(&self.order.group, file)
    }

    /// Uncompressed. Whether the vendor's number is, nobody knows.
    pub fn size(&self, truth: &Truth) -> u64 {
        let size_of = |file| self.member(file, truth).1.len() as u64;
        *self
            .size
            .get_or_init(|| self.files.iter().map(size_of).sum())
    }
}

pub struct Export {
    pub id: String,
    pub contents: Arc<Contents>,
    /// ZIPs sent, by page number.
    pub replies: BTreeMap<u64, u64>,
    pub created: Duration,
    pub processing: Duration,
    pub ready_life: Duration,
    pub ended: Option<State>,
}

#[derive(Serialize)]
pub struct Summary<'a> {
    export_id: &'a str,
    status: &'a str,
    group: &'a str,
    message_types: &'a [&'static str],
    from: String,
    to: String,
}

impl Export {
    pub fn state(&self, elapsed: Duration) -> State {
        let age = elapsed.saturating_sub(self.created);
        match self.ended {
            Some(state) => state,
            None if age < self.processing / 2 => State::Submitted,
            None if age < self.processing => State::Processing,
            None if age < self.processing + self.ready_life => State::Ready,
            None => State::Expired,
        }
    }

    /// `alias` is the name that a fault gives to pending exports.
    pub fn summary<'a>(&'a self, elapsed: Duration, alias: Option<&'a str>) -> Summary<'a> {
        let state = self.state(elapsed);
        let order = &self.contents.order;
        Summary {
            export_id: &self.id,
            status: alias.filter(|_| state.is_pending()).unwrap_or(state.name()),
            group: &order.group,
            message_types: &order.types,
            from: timestamp(order.from),
            to: timestamp(order.to),
        }
    }
}

fn timestamp(hour: Hour) -> String {
    hour.start().format("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}
