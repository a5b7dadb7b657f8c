//! Omilia's Metrics API: six endpoints over counts that grow after the end of their bucket.
//!
//! Taken from the vendor's page: paths, the request, names of metrics and filters, the shape of a
//! reply, 48 hours and 720 days. Guesses: that drilling goes down to the keys that the request
//! names, that `end` is exclusive, that buckets without events are there as 0, and all statuses but
//! the body of an error. Its calendar stands still until a test moves it; it is in `Date`, too.

mod calendar;
mod counts;
mod many;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::http::Request;
use super::lock;
use super::reply::{Delivery, Reply};
use super::spelling::instant;
use calendar::Buckets;
use counts::Leaf;

/// The settings that a test can change at any time.
#[derive(Clone)]
pub struct Knobs {
    pub versions: Vec<&'static str>,
    pub groups: Vec<String>,
    /// A request for more buckets is answered with 413.
    pub most_buckets: usize,
    /// The last bucket of each reply is left out.
    pub drops_last: bool,
    /// Buckets without events are left out.
    pub drops_zeros: bool,
    /// No random counts: only what a test adds.
    pub is_empty: bool,
    /// An event is known at most so long after it happened.
    pub lateness: TimeDelta,
    pub seed: String,
    /// Metrics that the service does not know: 400 for the whole request.
    pub unknown: Vec<&'static str>,
    /// Values of the tag `flow_name` or `miniapp_name`.
    pub flows: usize,
    /// Drilling adds no tags.
    pub has_no_tags: bool,
    /// Weeks begin on a Sunday.
    pub has_sundays: bool,
    /// The number of series of each metric in place of all others, made while they are sent.
    pub many: Option<usize>,
}

/// One thing that happened.
#[derive(Clone)]
struct Event {
    category: String,
    metric: String,
    at: DateTime<Utc>,
    known: DateTime<Utc>,
}

struct State {
    knobs: Knobs,
    /// Calendar and real time when the calendar was set last, and how fast it goes.
    set: (DateTime<Utc>, Instant, f64),
    events: Vec<Event>,
    /// By category, metric and the beginning of the bucket, for all tags together.
    restated: BTreeMap<(String, String, DateTime<Utc>), u64>,
    hidden: Vec<(String, DateTime<Utc>)>,
    /// Replies that come before all others.
    scripted: VecDeque<Reply>,
    bodies: Vec<Value>,
}

pub struct Metrics {
    state: Mutex<State>,
}

impl Metrics {
    pub fn new(groups: Vec<String>, now: DateTime<Utc>) -> Metrics {
        let knobs = Knobs {
            versions: vec!["v3"],
            groups,
            most_buckets: usize::MAX,
            drops_last: false,
            drops_zeros: false,
            is_empty: false,
            lateness: TimeDelta::hours(1),
            seed: "metrics".to_owned(),
            unknown: Vec::new(),
            flows: 2,
            has_no_tags: false,
            has_sundays: false,
            many: None,
        };
        Metrics {
            state: Mutex::new(State {
                knobs,
                set: (now, Instant::now(), 0.0),
                events: Vec::new(),
                restated: BTreeMap::new(),
                hidden: Vec::new(),
                scripted: VecDeque::new(),
                bodies: Vec::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn set(&self, change: impl FnOnce(&mut Knobs)) {
        change(&mut self.state().knobs);
    }

    /// Stops the calendar at this time, in RFC 3339.
    pub fn set_now(&self, text: &str) {
        let now = instant(text).expect("a time");
        self.state().set = (now, Instant::now(), 0.0);
    }

    /// Lets the calendar go `speed` times as fast as real time.
    pub fn run(&self, speed: f64) {
        let mut state = self.state();
        state.set = (state.now(), Instant::now(), speed);
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.state().now()
    }

    /// Something that happens at one time and is known at another, in RFC 3339.
    pub fn event(&self, category: &str, metric: &str, at: &str, known: &str) {
        let time = |text| instant(text).expect("a time");
        let event = Event {
            category: category.to_owned(),
            metric: metric.to_owned(),
            at: time(at),
            known: time(known),
        };
        self.state().events.push(event);
    }

    /// Gives a bucket another value, when nothing is drilled down.
    pub fn restate(&self, category: &str, metric: &str, from: &str, value: u64) {
        let from = instant(from).expect("a time");
        let key = (category.to_owned(), metric.to_owned(), from);
        self.state().restated.insert(key, value);
    }

    /// Leaves out a bucket of a metric, or gives it back.
    pub fn hide(&self, metric: &str, from: &str, is_hidden: bool) {
        let key = (metric.to_owned(), instant(from).expect("a time"));
        let mut state = self.state();
        state.hidden.retain(|hidden| *hidden != key);
        if is_hidden {
            state.hidden.push(key);
        }
    }

    /// Answers the next request like this, whatever it is.
    pub fn reply_with(&self, status: u16, body: &str) {
        let reply = Reply::new(status, "application/json", body);
        self.state().scripted.push_back(reply);
    }

    /// The next reply breaks off in the middle.
    pub fn cut_next(&self, body: &str) {
        let mut reply = Reply::new(200, "application/json", body);
        reply.delivery = Delivery::Half(std::time::Duration::ZERO);
        self.state().scripted.push_back(reply);
    }

    /// The bodies of all requests so far.
    pub fn bodies(&self) -> Vec<Value> {
        self.state().bodies.clone()
    }

    /// What a request is answered with when everything is known: by metric, tags and key.
    pub fn truth(&self, source: &str, category: &str, body: &Value) -> BTreeMap<String, Value> {
        let state = self.state();
        let end = instant("2099-01-01T00:00:00Z").expect("a time");
        let series = state.series(source, category, body, end, state.now());
        let mut truth = BTreeMap::new();
        for one in series.as_array().expect("an array") {
            for (key, value) in one["dps"].as_object().expect("an object") {
                let name = format!(
                    "{} {} {key}",
                    one["metric"].as_str().expect("a name"),
                    one["tags"]
                );
                truth.insert(name, value.clone());
            }
        }
        truth
    }

    pub fn answer(&self, request: &Request) -> Reply {
        let mut state = self.state();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        state.bodies.push(body.clone());
        match state.scripted.pop_front() {
            Some(reply) => reply,
            None => state
                .reply(request.path(), &body)
                .unwrap_or_else(|refused| refused),
        }
    }

    /// The header that every reply has, refused ones included.
    pub fn head(&self, reply: &mut Reply) {
        let date = self.now().format("%a, %d %b %Y %H:%M:%S GMT");
        reply.headers.push(("Date", date.to_string()));
    }
}

impl State {
    fn now(&self) -> DateTime<Utc> {
        let (now, since, speed) = self.set;
        let passed = since.elapsed().as_secs_f64() * speed * 1000.0;
        now + TimeDelta::milliseconds(passed as i64)
    }

    fn reply(&self, path: &str, body: &Value) -> Result<Reply, Reply> {
        let words: Vec<&str> = path.split('/').collect();
        let ["", "metrics-api", version, source, "metrics", category] = words[..] else {
            return Err(Reply::message(404, "no such endpoint"));
        };
        if !self.knobs.versions.contains(&version) {
            return Err(Reply::message(404, "no such version"));
        }
        let refuse = |text: &str| Err(Reply::message(400, text));
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        if !self.knobs.groups.iter().any(|group| group == text("group")) {
            return Err(Reply::message(403, "no rights for the group"));
        }
        let Some(metrics) = body["metrics"].as_array().filter(|all| !all.is_empty()) else {
            return refuse("Metrics list cannot be null.");
        };
        if !body["filters"].is_object() {
            return refuse("Filters list cannot be null.");
        }
        if metrics
            .iter()
            .any(|one| self.knobs.unknown.iter().any(|name| one == name))
        {
            return refuse("unknown metric");
        }
        let Some(buckets) = Buckets::of(body, self.knobs.has_sundays) else {
            return refuse("start, end, downsampling or timezone is wrong");
        };
        let kept = match source {
            "realtime" => TimeDelta::hours(48),
            _ => TimeDelta::days(720),
        };
        if buckets.start < self.now() - kept {
            return refuse("start is too old");
        }
        if buckets.list().len() > self.knobs.most_buckets {
            return Err(Reply::message(413, "too much"));
        }
        if let Some(count) = self.knobs.many {
            let metrics = metrics.iter().filter_map(Value::as_str).map(str::to_owned);
            return Ok(many::reply(
                count,
                metrics.collect(),
                text("group"),
                &buckets,
            ));
        }
        let now = self.now();
        Ok(Reply::json(
            200,
            &self.series(source, category, body, now, now),
        ))
    }

    /// The series as they are known at `known`, of buckets that have begun at `now`.
    fn series(
        &self,
        source: &str,
        category: &str,
        body: &Value,
        known: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Value {
        let mut buckets = Buckets::of(body, self.knobs.has_sundays)
            .expect("checked")
            .list();
        buckets.retain(|bucket| bucket.from <= now);
        if self.knobs.drops_last {
            buckets.pop();
        }
        let group = body["group"].as_str().unwrap_or_default();
        let leaves = Leaf::all(self.knobs.flows);
        let mut all = Vec::new();
        for metric in body["metrics"].as_array().into_iter().flatten() {
            let metric = metric.as_str().unwrap_or_default();
            let mut by_tags: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
            for leaf in leaves.iter().filter(|leaf| leaf.passes(&body["filters"])) {
                let mut tags = json!({ "group": group });
                if body["drilldown"] == true && !self.knobs.has_no_tags {
                    leaf.tag(&body["filters"], &mut tags);
                }
                let dps = by_tags.entry(tags.to_string()).or_default();
                for bucket in &buckets {
                    if self.hidden.contains(&(metric.to_owned(), bucket.from)) {
                        continue;
                    }
                    let mut count = match self.knobs.is_empty {
                        true => 0,
                        false => leaf.count(&self.knobs, source, group, metric, bucket, known),
                    };
                    if *leaf == leaves[0] {
                        count += self.events(category, metric, bucket, known);
                    }
                    let key = bucket.key.clone();
                    *dps.entry(key).or_default() += count;
                }
            }
            for (tags, mut dps) in by_tags {
                for bucket in &buckets {
                    let key = (category.to_owned(), metric.to_owned(), bucket.from);
                    if let (Some(value), Some(count)) =
                        (self.restated.get(&key), dps.get_mut(&bucket.key))
                    {
                        *count = *value;
                    }
                }
                if self.knobs.drops_zeros {
                    dps.retain(|_, count| *count > 0);
                }
                if !dps.is_empty() {
                    let tags: Value = serde_json::from_str(&tags).expect("made here");
                    all.push(json!({ "metric": metric, "tags": tags, "dps": dps }));
                }
            }
        }
        Value::Array(all)
    }

    fn events(
        &self,
        category: &str,
        metric: &str,
        bucket: &calendar::Bucket,
        known: DateTime<Utc>,
    ) -> u64 {
        let is_here = |event: &&Event| {
            (event.category.as_str(), event.metric.as_str()) == (category, metric)
                && bucket.from <= event.at
                && event.at < bucket.to
                && event.known <= known
        };
        self.events.iter().filter(is_here).count() as u64
    }
}
