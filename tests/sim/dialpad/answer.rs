//! Which messages a request gives, and how they are written.

use std::collections::BTreeMap;

use serde_json::Value;

use super::message::{Message, beside};
use super::{Config, Offset, Order, Shape, Unit, Zero};
use crate::sim::http::Request;
use crate::sim::prng::Prng;
use crate::sim::reply::Reply;
use crate::sim::role::Role;

const WEEK: i64 = 7 * 86_400_000;

struct Asked {
    provider: String,
    session: Option<String>,
    times: Option<(i64, i64)>,
    limit: u64,
    offset: u64,
}

pub fn answer(
    role: Role,
    provider: &str,
    request: &Request,
    messages: &[Message],
    die: &mut Prng,
    config: &Config,
) -> Result<Reply, Reply> {
    let asked = match role {
        Role::Session => by_query(provider, request)?,
        _ => by_body(request)?,
    };
    let known = config.provider.to_string();
    if asked.provider != known || request.query("providerid").is_some_and(|id| id != known) {
        return Ok(render(&[], config));
    }
    let millis = |time: i64| match config.unit {
        Unit::Ms => Some(time),
        Unit::S => time.checked_mul(1000),
    };
    let window = match asked.times {
        None if asked.session.is_some() && !config.needs_times => None,
        None => return Err(bad("start and end are missing")),
        Some((start, end)) => {
            let (Some(start), Some(end)) = (millis(start), millis(end)) else {
                return Err(bad("start or end is no time"));
            };
            if end - start > WEEK || end < start {
                return match config.refuses_long {
                    true => Err(bad("the difference can not be more than 7 days")),
                    false => Ok(render(&[], config)),
                };
            }
            Some((start, end))
        }
    };
    let is_asked = |message: &&Message| {
        let of_session = asked
            .session
            .as_ref()
            .is_none_or(|id| *id == message.session);
        let of_window = window.is_none_or(|(start, end)| is_within(message.ts, start, end, config));
        of_session && of_window
    };
    let mut found: Vec<&Message> = messages.iter().filter(is_asked).collect();
    if found.len() as u64 > config.too_much {
        return Err(Reply::message(504, "upstream timed out"));
    }
    match config.order {
        Order::OldestFirst => {}
        Order::NewestFirst => found.reverse(),
        Order::Mixed => shuffle(&mut found, &mut Prng::seeded(&["mixed"])),
        Order::Shuffled => shuffle(&mut found, die),
    }
    let size = match (asked.limit, config.zero) {
        (0, Zero::All) => u64::MAX,
        (0, Zero::None) => 0,
        (0, Zero::Cap(cap)) => cap,
        (limit, _) => limit,
    };
    let size = size.min(config.most);
    let skipped = match config.offset {
        Offset::RowsOfLimit if asked.limit == 0 => 0,
        Offset::Rows | Offset::RowsOfLimit => asked.offset,
        Offset::Pages => asked.offset.saturating_mul(size),
    };
    let page: Vec<&Message> = found
        .into_iter()
        .skip(usize::try_from(skipped).unwrap_or(usize::MAX))
        .take(usize::try_from(size).unwrap_or(usize::MAX))
        .collect();
    Ok(render(&page, config))
}

fn is_within(ts: i64, start: i64, end: i64, config: &Config) -> bool {
    // A service that counts in seconds does not see more of `ts`.
    let ts = match config.unit {
        Unit::Ms => ts,
        Unit::S => ts.div_euclid(1000) * 1000,
    };
    (start < ts || start == ts && config.starts_inclusive)
        && (ts < end || ts == end && config.ends_inclusive)
}

fn shuffle(messages: &mut [&Message], die: &mut Prng) {
    for index in (1..messages.len()).rev() {
        messages.swap(index, die.below(index as u64 + 1) as usize);
    }
}

fn by_query(provider: &str, request: &Request) -> Result<Asked, Reply> {
    let number = |name: &str| match request.query(name) {
        None => Ok(None),
        Some(text) => text.parse::<i64>().map(Some).map_err(|_| bad(name)),
    };
    let count = |name: &str| number(name).map(|count| count.unwrap_or(0).unsigned_abs());
    let session = request.query("customersessionid");
    Ok(Asked {
        provider: provider.to_owned(),
        session: Some(session.ok_or_else(|| bad("customersessionid is missing"))?),
        times: match (number("start")?, number("end")?) {
            (Some(start), Some(end)) => Some((start, end)),
            _ => None,
        },
        limit: count("limit")?,
        offset: count("offset")?,
    })
}

fn by_body(request: &Request) -> Result<Asked, Reply> {
    if request.header("content-type") != Some("application/json") {
        return Err(Reply::message(415, "application/json, please"));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| bad("no JSON"))?;
    let number = |name: &str| body[name].as_i64().ok_or_else(|| bad(name));
    Ok(Asked {
        provider: number("providerId")?.to_string(),
        session: None,
        times: Some((number("start")?, number("end")?)),
        limit: number("limit")?.unsigned_abs(),
        offset: number("offset")?.unsigned_abs(),
    })
}

fn render(page: &[&Message], config: &Config) -> Reply {
    let list = |messages: &[&Message]| {
        let texts: Vec<&str> = messages
            .iter()
            .map(|message| message.json.as_str())
            .collect();
        texts.join(",")
    };
    let body = match config.shape {
        Shape::Bare if page.is_empty() => String::new(),
        Shape::Flat | Shape::Bare => format!("[{}]", list(page)),
        Shape::Object => format!("{{\"total\":{},\"messages\":[{}]}}", page.len(), list(page)),
        Shape::Wrapped => {
            let mut sessions: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
            for message in page {
                sessions.entry(&message.session).or_default().push(message);
            }
            let wrapped: Vec<String> = sessions
                .iter()
                .map(|(session, messages)| {
                    format!("{{\"messages\":[{}],{}}}", list(messages), beside(session))
                })
                .collect();
            format!("[{}]", wrapped.join(",\n "))
        }
    };
    Reply::new(config.status, "application/json", body)
}

fn bad(what: &str) -> Reply {
    Reply::message(400, what)
}
