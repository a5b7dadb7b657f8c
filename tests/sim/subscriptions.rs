//! The subscription API, which is the suite's own guess throughout: one running subscription per
//! type and group; secrets are masked; an update takes the whole body, and what it leaves out is
//! wiped; for some time after one both settings are in use.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::clock::Clock;
use super::config::Config;
use super::http::Request;
use super::lock;
use super::order::{bad_request, forbidden};
use super::prng::Prng;
use super::reply::Reply;

pub struct Subscriptions {
    config: Arc<Config>,
    clock: Clock,
    desk: Mutex<Desk>,
}

struct Desk {
    held: Vec<Subscription>,
    random: Prng,
}

struct Subscription {
    id: String,
    settings: Settings,
    /// Whatever else a body had.
    extra: Map<String, Value>,
    old: Option<(Settings, Duration)>,
}

/// The data that a pusher needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub group: String,
    pub message_type: String,
    pub name: String,
    pub callback_url: String,
    pub token_url: String,
    pub client_id: String,
    pub client_secret: String,
}

/// A subscription as its pushes use it: the new settings, and the old ones as long as those may be
/// in use.
#[derive(Clone, Debug)]
pub struct Feed {
    pub id: String,
    pub settings: Settings,
    pub old: Option<Settings>,
}

impl Settings {
    fn parse(body: &[u8]) -> Result<(Settings, Map<String, Value>), Reply> {
        let value: Value = serde_json::from_slice(body).map_err(|e| bad_request(&e.to_string()))?;
        let Value::Object(mut body) = value else {
            return Err(bad_request("the body is not an object"));
        };
        let mut auth = match body.remove("auth") {
            Some(Value::Object(auth)) => auth,
            _ => return Err(bad_request("auth is missing")),
        };
        let text = |members: &mut Map<String, Value>, name: &str| match members.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            _ => Err(bad_request(&format!("{name} is missing"))),
        };
        let settings = Settings {
            group: text(&mut body, "group")?,
            message_type: text(&mut body, "message_type")?,
            name: text(&mut body, "name")?,
            callback_url: text(&mut body, "callback_url")?,
            token_url: text(&mut auth, "token_url")?,
            client_id: text(&mut auth, "client_id")?,
            client_secret: text(&mut auth, "client_secret")?,
        };
        Ok((settings, body))
    }
}

impl Subscription {
    fn summary(&self, elapsed: Duration, sync: Duration) -> Value {
        let settings = &self.settings;
        let is_updating = self.old(elapsed, sync).is_some();
        let mut summary = json!({
            "subscription_id": self.id,
            "status": if is_updating { "UPDATING" } else { "ACTIVE" },
            "group": settings.group,
            "message_type": settings.message_type,
            "name": settings.name,
            "callback_url": settings.callback_url,
            "auth": {
                "type": "oauth2",
                "token_url": settings.token_url,
                "client_id": settings.client_id,
                "client_secret": "********",
            },
        });
        let members = summary.as_object_mut().expect("made as an object");
        members.extend(self.extra.clone());
        summary
    }

    fn old(&self, elapsed: Duration, sync: Duration) -> Option<&Settings> {
        let (old, at) = self.old.as_ref()?;
        (elapsed.saturating_sub(*at) < sync).then_some(old)
    }
}

impl Subscriptions {
    pub fn new(config: Arc<Config>, clock: Clock) -> Subscriptions {
        let desk = Desk {
            held: Vec::new(),
            random: Prng::unrepeatable(),
        };
        Subscriptions {
            config,
            clock,
            desk: Mutex::new(desk),
        }
    }

    pub fn create(&self, request: &Request) -> Reply {
        let (settings, mut extra) = match Settings::parse(&request.body) {
            Ok(parsed) => parsed,
            Err(refused) => return refused,
        };
        if !self.config.groups.contains(&settings.group) {
            return forbidden(&settings.group);
        }
        let mut desk = lock(&self.desk);
        let is_same = |one: &Subscription| {
            one.settings.group == settings.group
                && one.settings.message_type == settings.message_type
        };
        if desk.held.iter().any(is_same) {
            let kind = &settings.message_type;
            return Reply::message(409, &format!("A subscription for {kind} already exists"));
        }
        extra.insert(
            "delivery".to_owned(),
            json!({"method": "http", "batch": 50}),
        );
        let subscription = Subscription {
            id: desk.random.uuid(),
            settings,
            extra,
            old: None,
        };
        let reply = json!({"subscription_id": subscription.id, "status": "CREATED"});
        desk.held.push(subscription);
        Reply::json(201, &reply)
    }

    pub fn list(&self, group: Option<&str>) -> Reply {
        if let Some(group) = group.filter(|group| !self.config.groups.iter().any(|g| g == group)) {
            return forbidden(group);
        }
        let (now, sync) = (self.clock.elapsed(), self.config.subscription_sync);
        let desk = lock(&self.desk);
        let asked_for = |one: &&Subscription| group.is_none_or(|g| one.settings.group == g);
        let listed: Vec<Value> = desk
            .held
            .iter()
            .filter(asked_for)
            .map(|one| one.summary(now, sync))
            .collect();
        Reply::json(200, &listed)
    }

    pub fn get(&self, id: &str) -> Reply {
        let (now, sync) = (self.clock.elapsed(), self.config.subscription_sync);
        match lock(&self.desk).held.iter().find(|one| one.id == id) {
            Some(one) => Reply::json(200, &one.summary(now, sync)),
            None => unknown(id),
        }
    }

    /// The whole body counts: what it leaves out is gone.
    pub fn update(&self, id: &str, request: &Request) -> Reply {
        let (settings, extra) = match Settings::parse(&request.body) {
            Ok(parsed) => parsed,
            Err(refused) => return refused,
        };
        let now = self.clock.elapsed();
        let mut desk = lock(&self.desk);
        let Some(one) = desk.held.iter_mut().find(|one| one.id == id) else {
            return unknown(id);
        };
        one.old = Some((std::mem::replace(&mut one.settings, settings), now));
        one.extra = extra;
        Reply::json(202, &one.summary(now, self.config.subscription_sync))
    }

    pub fn delete(&self, id: &str) -> Reply {
        let mut desk = lock(&self.desk);
        let before = desk.held.len();
        desk.held.retain(|one| one.id != id);
        match desk.held.len() < before {
            true => Reply::empty(204),
            false => unknown(id),
        }
    }

    /// Who gets pushes now, and with what.
    pub fn feeds(&self) -> Vec<Feed> {
        let (now, sync) = (self.clock.elapsed(), self.config.subscription_sync);
        let feed = |one: &Subscription| Feed {
            id: one.id.clone(),
            settings: one.settings.clone(),
            old: one.old(now, sync).cloned(),
        };
        lock(&self.desk).held.iter().map(feed).collect()
    }

    pub fn reset(&self) {
        lock(&self.desk).held.clear();
    }
}

fn unknown(id: &str) -> Reply {
    Reply::message(404, &format!("Subscription {id} not found"))
}
