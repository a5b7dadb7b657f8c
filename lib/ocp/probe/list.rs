//! Reads the service's list of exports, and chooses one of them to test the roles that need an
//! export id.

use serde_json::Value;

use super::ask::Asker;
use crate::cli::probe::ProbeStep;
use crate::error::Status;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::profile::{About, Meaning, Profile, Role, Subject};

/// An export, for the roles whose request contains an export id.
#[derive(Debug)]
pub(super) struct KnownExport {
    pub(super) id: String,
    pub(super) request: Option<ExportRequest>,
    pub(super) meaning: Meaning,
    /// Whether the list shows the export.
    pub(super) is_listed: bool,
}

/// Requests the list of the exports of a group, and returns the entries of the list. Returns `None`
/// if the probe cannot get the list, or finds no id or no state in its first entry.
pub(super) fn list(
    asker: &mut Asker,
    group: &str,
    step: &mut ProbeStep,
) -> anyhow::Result<Option<Vec<Value>>> {
    let about = About {
        group: Some(group),
        request: None,
    };
    let Some(reply) = asker.json(Role::List, Subject::group(group), step)? else {
        return Ok(None);
    };
    let has_list = |profile: &Profile, reply: &Value| profile.listed(reply).is_some();
    if !asker.need("list", &reply, about, step, has_list)? {
        return Ok(None);
    }
    let entries = asker.profile().listed(&reply).cloned().unwrap_or_default();
    if let Some(one) = entries.first() {
        let has_id = |profile: &Profile, one: &Value| profile.export_id(one).is_some();
        let has_state = |profile: &Profile, one: &Value| profile.state(one).is_some();
        let is_whole = asker.need("export_id", one, about, step, has_id)?
            && asker.need("status", one, about, step, has_state)?;
        if !is_whole {
            return Ok(None);
        }
        recognise(asker, one, about, step)?;
    }
    if step.ok {
        step.found = match entries.len() {
            0 => "no exports".to_owned(),
            1 => "1 export".to_owned(),
            count => format!("{count} exports"),
        };
    }
    Ok(Some(entries))
}

/// Checks the fields by which `export-fetch` recognises its own exports in the list. These fields
/// are needed only after a crash, so a missing field is not a failure.
pub(super) fn recognise(
    asker: &mut Asker,
    one: &Value,
    about: About<'_>,
    step: &mut ProbeStep,
) -> anyhow::Result<()> {
    for key in ["group", "types", "from", "to"] {
        let get = move |profile: &Profile, one: &Value| {
            let shown = profile.shown(one);
            match key {
                "group" => shown.group.is_some(),
                "types" => shown.types.is_some(),
                "from" => shown.from.is_some(),
                _ => shown.to.is_some(),
            }
        };
        let before = step.clone();
        if !asker.need(key, one, about, step, get)? {
            *step = before;
        }
    }
    Ok(())
}

/// Chooses an export from the list: a READY export, if there is one. Without --create, the probe
/// uses this export to test the roles that need an export id.
pub(super) fn choose(profile: &Profile, entries: &[Value]) -> Option<KnownExport> {
    let known = |one: &Value| {
        Some(KnownExport {
            id: profile.export_id(one)?,
            request: None,
            meaning: profile.meaning(&profile.state(one)?),
            is_listed: true,
        })
    };
    let rank = |known: &KnownExport| match known.meaning {
        Meaning::Ready => 0,
        Meaning::Unknown => 1,
        Meaning::Pending => 2,
        Meaning::Expired | Meaning::Failed => 3,
    };
    entries.iter().filter_map(known).min_by_key(rank)
}

/// Reads the list again and returns the entry of the export `known`.
pub(super) fn find(
    asker: &mut Asker,
    group: &str,
    known: &KnownExport,
    step: &mut ProbeStep,
) -> anyhow::Result<Option<Value>> {
    let mut of_list = ProbeStep::new("list", "");
    let entries = list(asker, group, &mut of_list)?.unwrap_or_default();
    if !of_list.ok {
        step.fail(Status::Refused, of_list.found);
        step.advice.extend(of_list.advice);
    }
    let profile = asker.profile();
    let is_it = |one: &Value| profile.export_id(one).as_ref() == Some(&known.id);
    Ok(entries.into_iter().find(is_it))
}
