//! A tenant whose Exports API is spelled otherwise than the suite guesses. Requests are translated
//! on the way in and replies on the way out, so that the rest of the simulator has one spelling.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::http::Request;
use super::reply::Reply;
use super::role::Role;

/// Where a parameter is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Query,
    Header,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    Array,
    Comma,
    /// One type, as a string.
    One,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    Rfc3339Ms,
    Rfc3339,
    OffsetMs,
    Offset,
    NoZoneMs,
    NoZone,
    Space,
    EpochMs,
    EpochS,
}

/// How a tenant spells it; by default as the suite guesses.
#[derive(Clone, Debug, PartialEq)]
pub struct Dialect {
    /// Method and path of create, list, status, metadata and data; `{id}` is the export's.
    pub endpoints: [(&'static str, String); 5],
    pub group: (String, Place),
    pub page_number: String,
    pub page_size: String,
    pub page_place: Place,
    /// The keys of a create: group, types, from, to.
    pub body: [String; 4],
    pub types: Types,
    pub time: Time,
    /// The object around a reply about one export, if there is one.
    pub wrapper: Option<String>,
    /// The keys that lead to the list.
    pub list: Vec<String>,
    /// Keys of replies, by the name that the suite guesses.
    pub keys: BTreeMap<&'static str, String>,
    /// States, by the documented name.
    pub words: BTreeMap<&'static str, String>,
    pub busy: u16,
    pub not_ready: u16,
    pub expired: u16,
}

const ROLES: [Role; 5] = [
    Role::Create,
    Role::List,
    Role::Status,
    Role::Metadata,
    Role::Data,
];

impl Default for Dialect {
    fn default() -> Dialect {
        let base = "/exports-api/v1/exports";
        let at = |method, tail: &str| (method, format!("{base}{tail}"));
        Dialect {
            endpoints: [
                at("POST", ""),
                at("GET", ""),
                at("GET", "/{id}"),
                at("GET", "/{id}/metadata"),
                at("GET", "/{id}/data"),
            ],
            group: ("group".to_owned(), Place::Query),
            page_number: "page_number".to_owned(),
            page_size: "page_size".to_owned(),
            page_place: Place::Query,
            body: ["group", "message_types", "from", "to"].map(str::to_owned),
            types: Types::Array,
            time: Time::Rfc3339Ms,
            wrapper: None,
            list: Vec::new(),
            keys: BTreeMap::new(),
            words: BTreeMap::new(),
            busy: 409,
            not_ready: 409,
            expired: 404,
        }
    }
}

impl Time {
    pub fn show(self, at: DateTime<Utc>) -> Value {
        let text = |form| Value::from(at.format(form).to_string());
        match self {
            Time::Rfc3339Ms => text("%Y-%m-%dT%H:%M:%S%.3fZ"),
            Time::Rfc3339 => text("%Y-%m-%dT%H:%M:%SZ"),
            Time::OffsetMs => text("%Y-%m-%dT%H:%M:%S%.3f+00:00"),
            Time::Offset => text("%Y-%m-%dT%H:%M:%S+00:00"),
            Time::NoZoneMs => text("%Y-%m-%dT%H:%M:%S%.3f"),
            Time::NoZone => text("%Y-%m-%dT%H:%M:%S"),
            Time::Space => text("%Y-%m-%d %H:%M:%S"),
            Time::EpochMs => at.timestamp_millis().into(),
            Time::EpochS => at.timestamp().into(),
        }
    }

    /// Only its own form.
    fn read(self, value: &Value) -> Option<DateTime<Utc>> {
        let at = match value {
            Value::Number(n) if self == Time::EpochMs => {
                DateTime::from_timestamp_millis(n.as_i64()?)
            }
            Value::Number(n) => DateTime::from_timestamp(n.as_i64()?, 0),
            Value::String(text) => {
                let zoned = DateTime::parse_from_rfc3339(text)
                    .map(|at| at.to_utc())
                    .ok();
                zoned.or_else(|| {
                    let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S"]
                        .iter()
                        .find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok())?;
                    Some(naive.and_utc())
                })
            }
            _ => None,
        }?;
        (self.show(at) == *value).then_some(at)
    }
}

impl Dialect {
    /// The request in the suite's spelling. `None` if it is for another service.
    pub fn read(&self, request: &Request) -> Option<Result<(Role, Request), Reply>> {
        let path = request.path();
        let is_ours = |path: &str| path.starts_with("/exports-api/") || path.starts_with("/batch/");
        if !is_ours(path) {
            return None;
        }
        let here: Vec<(usize, String)> = (0..5)
            .filter_map(|index| Some((index, captured(&self.endpoints[index].1, path)?)))
            .collect();
        // A fixed path comes before one with an id in it.
        let fixed = |index: &usize| !self.endpoints[*index].1.contains("{id}");
        let any_fixed = here.iter().any(|(index, _)| fixed(index));
        let here: Vec<_> = here
            .into_iter()
            .filter(|(index, _)| !any_fixed || fixed(index))
            .collect();
        if here.is_empty() {
            return Some(Err(Reply::message(404, "no such endpoint")));
        }
        let method = |index: &usize| self.endpoints[*index].0;
        let Some((index, id)) = here
            .iter()
            .find(|(index, _)| method(index) == request.method)
        else {
            let allow: Vec<&str> = here.iter().map(|(index, _)| method(index)).collect();
            let mut reply = Reply::message(405, "method not allowed");
            reply.headers.push(("Allow", allow.join(", ")));
            return Some(Err(reply));
        };
        let role = ROLES[*index];
        Some(
            self.translate(role, id, request)
                .map(|request| (role, request)),
        )
    }

    fn translate(&self, role: Role, id: &str, request: &Request) -> Result<Request, Reply> {
        let base = "/exports-api/v1/exports";
        let target = match role {
            Role::Create => base.to_owned(),
            Role::List => {
                let (name, place) = &self.group;
                format!("{base}?group={}", self.param(request, name, *place)?)
            }
            Role::Status => format!("{base}/{id}"),
            Role::Metadata => format!("{base}/{id}/metadata"),
            _ => {
                let number = self.param(request, &self.page_number, self.page_place)?;
                let size = self.param(request, &self.page_size, self.page_place)?;
                format!("{base}/{id}/data?page_number={number}&page_size={size}")
            }
        };
        let body = match role {
            Role::Create => self.order(&request.body)?,
            _ => Vec::new(),
        };
        let method = if role == Role::Create { "POST" } else { "GET" };
        Ok(request.rewritten(method, &target, body))
    }

    fn param(&self, request: &Request, name: &str, place: Place) -> Result<String, Reply> {
        let value = match place {
            Place::Query => request.query(name),
            Place::Header => request.header(name).map(str::to_owned),
        };
        value.ok_or_else(|| {
            let place = match place {
                Place::Query => "query parameter",
                Place::Header => "request header",
            };
            Reply::message(400, &format!("Required {place} '{name}' is not present"))
        })
    }

    /// The body of a create in the suite's spelling.
    fn order(&self, body: &[u8]) -> Result<Vec<u8>, Reply> {
        let bad = |text: String| Reply::message(400, &text);
        let body: Value = serde_json::from_slice(body).map_err(|e| bad(e.to_string()))?;
        let [group, types, from, to] = &self.body;
        let field = |name: &str| {
            let value = body.get(name).cloned();
            value.ok_or_else(|| bad(format!("{name} must not be null")))
        };
        let (group, kinds) = (field(group)?, field(types)?);
        let kinds = match (self.types, &kinds) {
            (Types::Array, Value::Array(_)) => kinds,
            (Types::Comma, Value::String(text)) => {
                text.split(',').map(Value::from).collect::<Value>()
            }
            (Types::One, Value::String(text)) if !text.contains(',') => json!([text]),
            (wanted, _) => {
                let wanted = match wanted {
                    Types::Array => "an array of strings",
                    Types::Comma => "a string with commas",
                    Types::One => "a string, one type at a time",
                };
                return Err(bad(format!("{types}: expected {wanted}")));
            }
        };
        let time = |name: &str| {
            let at = self.time.read(&field(name)?);
            let at = at.ok_or_else(|| bad(format!("{name}: the date format is not supported")))?;
            Ok::<Value, Reply>(Time::Rfc3339Ms.show(at))
        };
        let order = json!({
            "group": group, "message_types": kinds, "from": time(from)?, "to": time(to)?,
        });
        Ok(order.to_string().into_bytes())
    }

    /// A reply as this tenant words it.
    pub fn write(&self, role: Role, reply: &mut Reply) {
        let is_refusal =
            |reply: &Reply, word: &str| String::from_utf8_lossy(&reply.body).contains(word);
        match (role, reply.status) {
            (Role::Create, 409) => reply.status = self.busy,
            (_, 404 | 410) if is_refusal(reply, "EXPIRED") => reply.status = self.expired,
            (_, 409) => reply.status = self.not_ready,
            _ => {}
        }
        if role == Role::Data || reply.status >= 300 {
            return;
        }
        let Ok(value) = serde_json::from_slice::<Value>(&reply.body) else {
            return;
        };
        let value = match value {
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.export(item));
                let list = Value::Array(items.collect());
                let keys = self.list.iter().rev();
                keys.fold(
                    list,
                    |inner, key| json!({ key.as_str(): inner, "total": 1 }),
                )
            }
            one => self.export(one),
        };
        reply.body = value.to_string().into_bytes();
    }

    fn export(&self, value: Value) -> Value {
        let Value::Object(fields) = value else {
            return value;
        };
        let mut renamed = Map::new();
        for (name, value) in fields {
            let value = match (name.as_str(), value) {
                ("status", Value::String(state)) => {
                    let word = self.words.get(state.as_str());
                    word.cloned().unwrap_or(state).into()
                }
                ("from" | "to", Value::String(text)) => match DateTime::parse_from_rfc3339(&text) {
                    Ok(at) => self.time.show(at.to_utc()),
                    Err(_) => text.into(),
                },
                ("message_types", types) if self.types != Types::Array => {
                    let kinds = types.as_array().into_iter().flatten();
                    let kinds: Vec<&str> = kinds.filter_map(Value::as_str).collect();
                    kinds.join(",").into()
                }
                (_, value) => value,
            };
            let key = self.keys.get(name.as_str()).cloned().unwrap_or(name);
            renamed.insert(key, value);
        }
        match &self.wrapper {
            None => Value::Object(renamed),
            Some(key) => json!({ key.as_str(): renamed }),
        }
    }
}

/// What stands for `{id}` in a path; empty if the template has none.
fn captured(template: &str, path: &str) -> Option<String> {
    let (before, after) = match template.split_once("{id}") {
        None => return (template == path).then(String::new),
        Some(parts) => parts,
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then(|| id.to_owned())
}
