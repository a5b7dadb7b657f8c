//! The list of a group's exports, compared with the ledger.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::exports::{Exports, Meaning};
use super::ledger::{ExportEntry, History};
use crate::time::Timestamp;

/// How long an export stays READY.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// An export in the service's list.
#[derive(Debug, Serialize)]
pub struct ListedExport {
    group: String,
    export_id: Option<String>,
    types: Option<BTreeSet<String>>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    /// The state as the service spells it.
    status: Option<String>,
    /// The meaning of the state: pending, ready, expired, failed or unknown.
    meaning: &'static str,
    /// When the export expires, if the list shows it.
    expires_at: Option<Timestamp>,
    /// The latest time at which a READY export expires: a day after a run first saw this export
    /// READY.
    expires_before: Option<Timestamp>,
    /// Whether the export is running, and therefore blocks other exports of its group.
    holds_slot: bool,
    /// The state in the ledger: submitted, ready, downloading, fetched or ended; `None` if the
    /// export is not in the ledger.
    ledger: Option<&'static str>,
    pages_on_disk: Option<u64>,
    pages: Option<u64>,
}

/// The exports of a group, in the order in which the service lists them.
pub fn list(
    api: &Exports,
    group: &str,
    history: Option<&History>,
) -> anyhow::Result<Vec<ListedExport>> {
    let reply = api.get_list(group)?;
    let entries = api.profile().listed(&reply).into_iter().flatten();
    Ok(entries
        .map(|entry| listed(api, group, entry, history))
        .collect())
}

fn listed(api: &Exports, group: &str, entry: &Value, history: Option<&History>) -> ListedExport {
    let profile = api.profile();
    let (export_id, status) = (profile.export_id(entry), profile.state(entry));
    let meaning = status.as_deref().map(|status| profile.meaning(status));
    let shown = profile.shown(entry);
    let known = history.and_then(|history| history.export(export_id.as_deref()?));
    let has_ended = history.is_some_and(|history| {
        let id = export_id.as_deref();
        id.is_some_and(|id| history.is_ended(id))
    });
    let ready = known.and_then(|export| export.ready);
    let is_ready = meaning == Some(Meaning::Ready);
    ListedExport {
        group: shown.group.unwrap_or_else(|| group.to_owned()),
        types: shown.types,
        from: shown.from,
        to: shown.to,
        meaning: meaning.map_or("unknown", word),
        expires_at: shown.expires_at,
        expires_before: ready.filter(|_| is_ready).map(|ready| ready.at.plus(LIFE)),
        holds_slot: meaning == Some(Meaning::Pending),
        ledger: match known {
            Some(export) => Some(stage(export)),
            None => has_ended.then_some("ended"),
        },
        pages_on_disk: known.map(|export| export.pages.len() as u64),
        pages: ready.map(|ready| ready.pages()),
        export_id,
        status,
    }
}

fn word(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Pending => "pending",
        Meaning::Unknown => "unknown",
        Meaning::Ready => "ready",
        Meaning::Expired => "expired",
        Meaning::Failed => "failed",
    }
}

fn stage(export: &ExportEntry) -> &'static str {
    match (export.ready, export.pages.len()) {
        _ if export.fetched_at.is_some() => "fetched",
        (None, _) => "submitted",
        (Some(_), 0) => "ready",
        (Some(_), _) => "downloading",
    }
}

/// The header row of the table, then one row for each export.
pub fn table(exports: &[ListedExport]) -> Vec<Vec<String>> {
    let head = [
        "GROUP", "EXPORT", "STATUS", "UNTIL", "TYPES", "FROM", "TO", "SLOT", "LEDGER",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(exports.iter().map(ListedExport::cells));
    rows
}

impl ListedExport {
    fn cells(&self) -> Vec<String> {
        let time = |time: Option<Timestamp>| time.map_or("?".to_owned(), |time| time.to_string());
        let types = self.types.as_ref().map(|types| {
            let types: Vec<&str> = types.iter().map(String::as_str).collect();
            types.join(",")
        });
        let until = match (self.expires_at, self.expires_before) {
            (Some(at), _) => at.to_string(),
            (None, Some(before)) => format!("<{before}"),
            (None, None) => "?".to_owned(),
        };
        let slot = match (self.holds_slot, self.ledger) {
            (false, _) => "-",
            (true, None) => "another's",
            (true, Some(_)) => "ours",
        };
        let ledger = match (self.ledger, self.pages_on_disk, self.pages) {
            (None, ..) => "-".to_owned(),
            (Some(stage), Some(have), Some(all)) => format!("{stage} {have}/{all}"),
            (Some(stage), ..) => stage.to_owned(),
        };
        vec![
            self.group.clone(),
            self.export_id.clone().unwrap_or_else(|| "?".to_owned()),
            self.status.clone().unwrap_or_else(|| "?".to_owned()),
            until,
            types.unwrap_or_else(|| "?".to_owned()),
            time(self.from),
            time(self.to),
            slot.to_owned(),
            ledger,
        ]
    }
}
