//! The request to create an export, and the documented limits that refuse it: at least an hour, at most two
//! days, at most two months back, at least two hours old, minutes ignored at both ends.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::clock::Hour;
use super::config::Config;
use super::reply::Reply;
use super::spelling::instant;
use super::truth::TYPES;

const MIN_HOURS: i64 = 1;
const MAX_HOURS: i64 = 48;

/// Half-open, `[from, to)`.
pub struct Order {
    pub group: String,
    pub types: Vec<&'static str>,
    pub from: Hour,
    pub to: Hour,
}

#[derive(Deserialize)]
struct Body {
    group: String,
    message_types: Vec<String>,
    from: String,
    to: String,
}

impl Order {
    /// The order that a create's body makes, or the reply that refuses it.
    pub fn parse(body: &[u8], config: &Config, now: DateTime<Utc>) -> Result<Order, Reply> {
        let body: Body = serde_json::from_slice(body).map_err(|e| bad_request(&e.to_string()))?;
        if !config.groups.contains(&body.group) {
            return Err(forbidden(&body.group));
        }
        let from = instant(&body.from).map_err(|e| bad_request(&e.to_string()))?;
        let to = instant(&body.to).map_err(|e| bad_request(&e.to_string()))?;
        let order = Order {
            types: expand(&body.message_types)?,
            group: body.group,
            from: Hour::floor(from),
            to: Hour::floor(to),
        };
        let hours = order.to.0 - order.from.0;
        if hours < MIN_HOURS {
            Err(bad_request("the date range must be at least 1 hour"))
        } else if hours > MAX_HOURS {
            Err(bad_request("the date range must be at most 2 days"))
        } else if order.from < Hour::floor(now - config.history) {
            Err(bad_request(
                "the date range is further back than data are kept",
            ))
        } else if order.to > Hour::floor(now - config.freshness) {
            Err(bad_request(
                "the requested data must be at least 2 hours old",
            ))
        } else {
            Ok(order)
        }
    }
}

/// The types named, each once and in the order in which files come; `ALL` stands for those of
/// dialogs.
pub fn expand(names: &[impl AsRef<str>]) -> Result<Vec<&'static str>, Reply> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let is_known = |name: &&&str| TYPES.contains(name) || **name == "ALL";
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        return Err(bad_request(&format!("unknown message type {unknown}")));
    }
    if names.is_empty() {
        return Err(bad_request("no message types"));
    }
    let is_wanted = |kind: &&str| {
        let by_all = kind.starts_with("dialog_");
        names
            .iter()
            .any(|name| name == kind || (*name == "ALL" && by_all))
    };
    Ok(TYPES.into_iter().filter(is_wanted).collect())
}

pub fn bad_request(message: &str) -> Reply {
    Reply::message(400, message)
}

pub fn forbidden(group: &str) -> Reply {
    Reply::message(403, &format!("no access to group {group}"))
}
