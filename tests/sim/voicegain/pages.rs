//! Which calls a query gives, and how they are written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::call::Call;
use super::{Config, StopRule, error};
use crate::sim::http::Request;
use crate::sim::reply::Reply;

/// Not the documented order, because nobody knows the real one, and a column that nobody knows.
const HEADER: [&str; 17] = [
    "callId",
    "contextId",
    "startTime",
    "endTime",
    "duration",
    "externalEndpoint",
    "agent.id",
    "agent.name",
    "queue.id",
    "sentiment",
    "notes",
    "tags",
    "reviewNotes",
    "progressPhase",
    "markers",
    "recording",
    "fieldOfNextYear",
];

pub fn answer(
    request: &Request,
    calls: &BTreeMap<u64, Call>,
    config: &Config,
    number_of_request: u64,
) -> Result<Reply, Reply> {
    let bad = |detail: &str| error(400, "bad request", detail);
    let number = |name: &str, default: u64| match request.query(name) {
        None => Ok(default),
        Some(text) => text.parse::<u64>().map_err(|_| bad(name)),
    };
    let time = |name: &str| match request.query(name) {
        None => Ok(None),
        Some(text) if text.len() > 32 => Err(bad(name)),
        Some(text) => DateTime::parse_from_rfc3339(&text)
            .map(|time| Some(time.to_utc()))
            .map_err(|_| bad(name)),
    };
    let consecutive = request.query("consecutive").as_deref() == Some("true");
    let descending = request.query("sort_dir").as_deref() == Some("desc");
    if consecutive && (request.query("sort_by").is_some() || request.query("sort_dir").is_some()) {
        return Err(bad("sort_by and sort_dir do not go with consecutive"));
    }
    let (page, per_page) = (number("page", 1)?, number("per_page", 50)?);
    if page == 0 || !(1..=10_000).contains(&per_page) {
        return Err(bad("page or per_page"));
    }
    let after = number("afterCallId", 0)?;
    let (from, to): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) =
        (time("fromTime")?, time("toTime")?);
    let list = |name: &str| -> Vec<String> {
        let values = request.query_all(name);
        values
            .iter()
            .take(if config.reads_one_of_each {
                1
            } else {
                usize::MAX
            })
            .flat_map(|v| v.split(','))
            .map(str::to_owned)
            .collect()
    };
    let (agents, queues) = (list("agentId"), list("queueId"));
    let is_wanted = |call: &&Call| {
        from.is_none_or(|from| call.start >= from)
            && to.is_none_or(|to| call.start <= to)
            && (agents.is_empty() || agents.contains(&call.agent()))
            && (queues.is_empty() || queues.contains(&call.queue()))
    };
    let per_page = per_page.min(config.max_per_page) as usize;
    let skipped = (page as usize - 1) * per_page;
    let passes = |call: &&Call| {
        call.is_finished()
            || config.ignores_consecutive
            || call.phase == "STOPPED" && !config.stopped_blocks
    };
    let mut found: Vec<&Call> = if consecutive {
        let behind = calls
            .range(after + 1..)
            .map(|(_, call)| call)
            .filter(is_wanted);
        match config.stop {
            StopRule::Query => behind
                .take_while(passes)
                .skip(skipped)
                .take(per_page)
                .collect(),
            StopRule::Page => behind
                .skip(skipped)
                .take(per_page)
                .take_while(passes)
                .collect(),
        }
    } else {
        let mut all: Vec<&Call> = calls.values().filter(is_wanted).collect();
        if descending && !config.ignores_sort_dir {
            all.reverse();
        }
        all.into_iter().skip(skipped).take(per_page).collect()
    };
    let total = found.len();
    if config.disordered && number_of_request == 2 && total > 1 {
        found.swap(total - 1, total - 2);
    }
    let mut reply = match request.query("format").as_deref() {
        None | Some("json") => {
            let lines: Vec<String> = found.iter().map(|call| call.json(config)).collect();
            Reply::new(200, "application/json", format!("[{}]", lines.join(",")))
        }
        Some("csv") => Reply::new(200, "text/csv;charset=UTF-8", csv(&found, config)),
        Some(_) => return Err(bad("format")),
    };
    reply.headers.push(("X-Total-Count", total.to_string()));
    Ok(reply)
}

fn csv(calls: &[&Call], config: &Config) -> String {
    let mut text = String::from(if config.bom { "\u{feff}" } else { "" });
    text += &HEADER.join(",");
    text += "\r\n";
    for call in calls {
        let cells: Vec<String> = call.cells(config).iter().map(|cell| quoted(cell)).collect();
        text += &cells.join(",");
        text += "\r\n";
    }
    text
}

/// As little as RFC 4180 asks for: other line ends than CR and LF stand bare.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
