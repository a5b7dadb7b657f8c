//! Voicegain's `GET /sa/call` and `GET /data/{id}/file`, for one project and one token.
//!
//! Taken from the vendor's public documentation: the parameters and that `consecutive` does not go
//! with sorting, both formats, the quota and its headers, what the fields hold. Inferred: that pages
//! are rows by limit and offset, and that `documentId` rises with `callId`. Unknown, and therefore a
//! choice of the test: whether the stop at an unfinished call holds for the whole query or for each
//! page, whether STOPPED blocks, the highest `per_page`, and how ids are typed.

mod call;
mod pages;
mod quota;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use call::{Call, IdForm};

use super::http::Request;
use super::lock;
use super::prng::Prng;
use super::reply::Reply;
use super::role::Role;
use super::spelling::Misspelt;
use super::wav;
use quota::Quota;

/// Where a page ends that has an unfinished call in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRule {
    /// No page has a call after it.
    Query,
    /// It ends its own page; the next one begins at its usual row.
    Page,
}

#[derive(Clone)]
pub struct Config {
    pub token: String,
    /// Calls that there are from the start.
    pub calls: u64,
    /// The lowest id; the others follow with gaps.
    pub first_id: u64,
    pub stop: StopRule,
    /// Whether a STOPPED call blocks, as the documentation says by its letter.
    pub stopped_blocks: bool,
    pub max_per_page: u64,
    pub id_form: IdForm,
    /// A byte order mark before CSV.
    pub bom: bool,
    /// `startTime` of CSV as month-day-year instead of day-month-year.
    pub month_first: bool,
    /// Phrases in each word cloud: what makes a call big.
    pub phrases: u64,
    /// Requests in a minute and in an hour.
    pub quota: (u64, u64),
    /// The length of the minute; the hour is sixty of them.
    pub minute: Duration,
    /// Unfinished calls come like all others, as before `consecutive` was known.
    pub ignores_consecutive: bool,
    /// The last two calls of the second page come in the wrong order.
    pub disordered: bool,
    /// Calls come in ascending order, whatever was asked for.
    pub ignores_sort_dir: bool,
    /// Of a parameter that is repeated, it reads the first value.
    pub reads_one_of_each: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            token: "demo-jwt".to_owned(),
            calls: 40,
            first_id: 14_603,
            stop: StopRule::Query,
            stopped_blocks: true,
            max_per_page: 10_000,
            id_form: IdForm::Text,
            bom: false,
            month_first: false,
            phrases: 3,
            quota: (75, 2000),
            minute: Duration::from_secs(60),
            ignores_consecutive: false,
            disordered: false,
            ignores_sort_dir: false,
            reads_one_of_each: false,
        }
    }
}

/// Something that happens to the calls.
#[derive(Clone, Debug)]
pub enum Change {
    Phase(u64, &'static str),
    Delete(u64),
    /// A review note is written, long after.
    Edit(u64),
    /// Adds new calls, finished.
    Add(u64),
    /// A new call with this id, which may be lower than others.
    Insert(u64),
}

struct Project {
    calls: BTreeMap<u64, Call>,
    /// Of all calls that there ever were: an id is not given twice.
    last_id: u64,
    /// What happens just before a request for calls, by its number.
    script: Vec<(u64, Change)>,
    requests: u64,
    quota: Quota,
    die: Prng,
}

pub struct Voicegain {
    config: Config,
    now: DateTime<Utc>,
    project: Mutex<Project>,
}

impl Voicegain {
    pub fn new(config: Config, now: DateTime<Utc>) -> Voicegain {
        let project = Project {
            calls: BTreeMap::new(),
            last_id: 0,
            script: Vec::new(),
            requests: 0,
            quota: Quota::new(config.quota, config.minute),
            die: Prng::seeded(&["calls"]),
        };
        let simulated = Voicegain {
            project: Mutex::new(project),
            config,
            now,
        };
        simulated.change(Change::Add(simulated.config.calls));
        simulated
    }

    fn project(&self) -> MutexGuard<'_, Project> {
        lock(&self.project)
    }

    pub fn change(&self, change: Change) {
        self.project().apply(change, &self.config, self.now);
    }

    /// Has it happen just before the n-th request for calls, counted from 1.
    pub fn at(&self, request: u64, change: Change) {
        self.project().script.push((request, change));
    }

    /// Requests for calls so far, refused ones included.
    pub fn requests(&self) -> u64 {
        self.project().requests
    }

    pub fn ids(&self) -> Vec<u64> {
        self.project().calls.keys().copied().collect()
    }

    /// What every finished call is, line for line, by rising id.
    pub fn truth(&self) -> Vec<String> {
        let project = self.project();
        let finished = project.calls.values().filter(|call| call.is_finished());
        finished.map(|call| call.json(&self.config)).collect()
    }

    pub fn rate_violations(&self) -> u64 {
        self.project().quota.violations
    }

    pub fn start_of(&self, id: u64) -> DateTime<Utc> {
        self.project().calls[&id].start
    }

    /// Has the call begun so long ago.
    pub fn age(&self, id: u64, age: TimeDelta) {
        let mut project = self.project();
        project.calls.get_mut(&id).expect("a call").start = self.now - age;
    }

    /// A refusal, unless the request is let in.
    pub fn admit(&self, role: Role, request: &Request) -> Option<Reply> {
        let mut project = self.project();
        if role == Role::Calls {
            project.requests += 1;
            let number = project.requests;
            let (due, later) = std::mem::take(&mut project.script)
                .into_iter()
                .partition(|(at, _)| *at <= number);
            project.script = later;
            let due: Vec<(u64, Change)> = due;
            for (_, change) in due {
                project.apply(change, &self.config, self.now);
            }
        }
        let expected = format!("Bearer {}", self.config.token);
        if request.header("authorization") != Some(&expected) {
            return Some(error(401, "unauthorized", "JWT is not valid"));
        }
        let units = if role == Role::Recording { 10 } else { 1 };
        match project.quota.take(units) {
            Ok(()) => None,
            Err(wait) => {
                let mut reply = error(429, "rate limit exceeded", "try again later");
                reply.headers.push(("Retry-After", wait.to_string()));
                Some(reply)
            }
        }
    }

    /// The headers that every reply has.
    pub fn head(&self, reply: &mut Reply) {
        let mut project = self.project();
        let (limit, remaining, reset) = project.quota.state();
        reply.headers.push(("RateLimit-Limit", limit));
        reply
            .headers
            .push(("RateLimit-Remaining", remaining.to_string()));
        reply.headers.push(("RateLimit-Reset", reset.to_string()));
    }

    pub fn calls(&self, request: &Request) -> Reply {
        let project = self.project();
        pages::answer(request, &project.calls, &self.config, project.requests)
            .unwrap_or_else(|refused| refused)
    }

    pub fn recording(&self, id: &str, request: &Request) -> Reply {
        let project = self.project();
        let mut calls = project.calls.values();
        let Some(call) = calls.find(|call| call.merged() == id || call.original() == id) else {
            return error(404, "not found", "no such data");
        };
        let seed = if call.merged() == id {
            "merged"
        } else {
            "original"
        };
        let bytes = wav::noise(&format!("{seed} {}", call.id));
        let range = request.header("range").and_then(|range| {
            let from = range.strip_prefix("bytes=")?.strip_suffix('-')?;
            from.parse::<usize>()
                .ok()
                .filter(|from| *from < bytes.len())
        });
        match range {
            None => Reply::new(200, "audio/wav", bytes),
            Some(from) => {
                let mut reply = Reply::new(206, "audio/wav", &bytes[from..]);
                let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                reply.headers.push(("Content-Range", range));
                reply
            }
        }
    }
}

impl FromStr for Change {
    type Err = Misspelt;

    /// `phase 14603 PROCESSING`, `delete 14603`, `edit 14603`, `add 5`, `insert 14604`
    fn from_str(text: &str) -> Result<Change, Misspelt> {
        let expected = "phase ID PHASE, delete ID, edit ID, add COUNT or insert ID";
        let misspelt = || Misspelt::new(text, expected);
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &str| word.parse::<u64>().map_err(|_| misspelt());
        Ok(match words.as_slice() {
            ["phase", id, phase] => {
                let known = PHASES.iter().find(|known| *known == phase);
                Change::Phase(number(id)?, known.ok_or_else(misspelt)?)
            }
            ["delete", id] => Change::Delete(number(id)?),
            ["edit", id] => Change::Edit(number(id)?),
            ["add", count] => Change::Add(number(count)?),
            ["insert", id] => Change::Insert(number(id)?),
            _ => return Err(misspelt()),
        })
    }
}

const PHASES: [&str; 12] = [
    "INPUT_READY",
    "ACCEPTED",
    "WAITING",
    "QUEUED",
    "FETCHING",
    "FETCHED",
    "PROCESSING",
    "DONE",
    "STOPPED",
    "RECOMPUTING",
    "ERROR",
    "SOMETHING_NEW",
];

impl Project {
    fn apply(&mut self, change: Change, config: &Config, now: DateTime<Utc>) {
        match change {
            Change::Phase(id, phase) => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.phase = phase;
                }
            }
            Change::Delete(id) => {
                self.calls.remove(&id);
            }
            Change::Edit(id) => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.edits += 1;
                }
            }
            Change::Insert(id) => {
                self.calls
                    .insert(id, Call::new(id, now - TimeDelta::minutes(5)));
            }
            Change::Add(count) => {
                for left in (0..count).rev() {
                    let id = match self.last_id {
                        0 => config.first_id,
                        last => last + 1 + self.die.below(3),
                    };
                    self.last_id = id;
                    let start =
                        now - TimeDelta::seconds(40 + 90 * i64::try_from(left).expect("few"));
                    self.calls.insert(id, Call::new(id, start));
                }
            }
        }
    }
}

fn error(status: u16, reason: &str, detail: &str) -> Reply {
    let body = serde_json::json!({ "error": { "reason": reason, "detail": detail } });
    Reply::json(status, &body)
}
