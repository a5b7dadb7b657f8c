//! Adds existing exports to the ledger. The user gives the ids of these exports, which are from
//! another tool, from another machine, or from a run whose ledger is lost. Later runs treat these
//! exports like exports that they created.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde_json::Value;

use super::export_request::ExportRequest;
use super::exports::{Exports, Meaning};
use super::ledger::{Ledger, RequestState};
use crate::error;
use crate::export::window::Window;
use crate::json::lines::Lines;

/// Records the exports `ids` in the ledger. Each export must fit a line of `plan`: the export has
/// the group and types of the line, and its window is within the window of the line. Returns the
/// number of exports that the ledger did not have before. If an export does not fit, the error has
/// status 2 and the ledger does not change.
pub fn adopt(
    api: &Exports,
    ledger: &mut Ledger,
    ids: &[String],
    plan: &[u8],
) -> anyhow::Result<u64> {
    let planned = planned(api, plan)?;
    let groups: BTreeSet<&str> = planned.iter().map(|line| line.group.as_str()).collect();
    let mut lists = BTreeMap::new();
    for group in groups {
        let reply = api.get_list(group)?;
        lists.insert(group, api.profile().listed(&reply).cloned());
    }
    let mut found: Vec<(&str, ExportRequest)> = Vec::new();
    for id in ids {
        let refuse = |why: String| error::usage(format!("--adopt {id}: {why}"));
        let request = request_of(api, id, &lists).map_err(refuse)?;
        fits(&request, &planned).map_err(refuse)?;
        let is_other = |(other, known): &&(&str, ExportRequest)| {
            *other != id.as_str() && known.shares_records(&request)
        };
        if let Some((other, _)) = found.iter().find(is_other) {
            return Err(refuse(format!("it shares records with export {other}")));
        }
        is_new_in(ledger, id, &request).map_err(refuse)?;
        found.push((id, request));
    }
    let mut count = 0;
    for (id, request) in found {
        let history = ledger.history();
        if history.request_of(id).is_none() {
            log::info!("{request}: adopted export {id}");
            ledger.created(&request, id)?;
            count += 1;
        }
    }
    Ok(count)
}

/// The requests of a plan. Invalid lines are skipped here, because the run reports them.
fn planned(api: &Exports, plan: &[u8]) -> anyhow::Result<Vec<ExportRequest>> {
    let mut lines = Lines::new(plan);
    let mut planned = Vec::new();
    while let Some(line) = lines.next_line().context("reading stdin")? {
        if let Ok(request) = serde_json::from_slice::<ExportRequest>(line.record()) {
            planned.extend(api.profile().split(&request));
        }
    }
    Ok(planned)
}

/// The request of export `id`, from the service's lists of exports. The error says why the export
/// cannot be adopted.
fn request_of(
    api: &Exports,
    id: &str,
    lists: &BTreeMap<&str, Option<Vec<Value>>>,
) -> Result<ExportRequest, String> {
    let profile = api.profile();
    let mut entries = lists.values().flatten().flatten();
    let one = entries.find(|one| profile.export_id(one).as_deref() == Some(id));
    let Some(one) = one else {
        let groups: Vec<&str> = lists.keys().copied().collect();
        return Err(match groups.as_slice() {
            [] => "stdin has no plan line that could match it".to_owned(),
            groups => format!(
                "the list of {} does not show it: it belongs to another group, is older than the \
                 list, or does not exist",
                groups.join(", ")
            ),
        });
    };
    let state = profile.state(one).unwrap_or_default();
    if matches!(profile.meaning(&state), Meaning::Expired | Meaning::Failed) {
        return Err(format!("it is {state}, so it cannot be downloaded"));
    }
    let shown = profile.shown(one);
    let lacks = |key: &str| {
        format!("the list does not show its {key}: check [reply] {key} in the API profile")
    };
    let from = shown.from.ok_or_else(|| lacks("from"))?;
    let to = shown.to.ok_or_else(|| lacks("to"))?;
    Ok(ExportRequest {
        group: shown.group.ok_or_else(|| lacks("group"))?,
        types: shown.types.ok_or_else(|| lacks("types"))?,
        window: Window::new(from, to).ok_or_else(|| format!("it ends before it begins: {to}"))?,
    })
}

/// Fails if no line of the plan has the group and types of the request and contains its window.
fn fits(request: &ExportRequest, planned: &[ExportRequest]) -> Result<(), String> {
    let is_within = |line: &&ExportRequest| {
        line.window.from() <= request.window.from() && request.window.to() <= line.window.to()
    };
    let of_group: Vec<&ExportRequest> = planned
        .iter()
        .filter(|line| line.group == request.group)
        .collect();
    let of_types: Vec<&ExportRequest> = of_group
        .iter()
        .copied()
        .filter(|line| line.types == request.types)
        .collect();
    let what = match (of_group.is_empty(), of_types.is_empty()) {
        (true, _) => "group",
        (_, true) => "types",
        _ if of_types.iter().any(is_within) => return Ok(()),
        _ => "hours",
    };
    Err(format!(
        "it is {request}, and no line of the plan has the same {what}"
    ))
}

/// Fails if the ledger has export `id` for another request, or another export for a request that
/// shares records with `request`.
fn is_new_in(ledger: &Ledger, id: &str, request: &ExportRequest) -> Result<(), String> {
    let history = ledger.history();
    if let Some(known) = history.request_of(id) {
        return match known == request {
            true => Ok(()),
            false => Err(format!("the ledger knows it as {known}")),
        };
    }
    for (known, record) in history.known() {
        if let RequestState::Named(export) = &record.state
            && known.shares_records(request)
        {
            return Err(format!("the ledger has export {} for {known}", export.id));
        }
    }
    Ok(())
}
