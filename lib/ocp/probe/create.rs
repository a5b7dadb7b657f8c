//! Creates an export: the only thing that a probe creates.

use serde_json::Value;

use super::ask::Asker;
use super::list::KnownExport;
use crate::cli::probe::ProbeStep;
use crate::error::Status;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::profile::{About, Meaning, Profile, Role, Subject};

/// Creates an export, or finds the export of an earlier probe. `None` if the probe gets no id of an
/// export.
pub(super) fn create(
    asker: &mut Asker,
    request: &ExportRequest,
    entries: &[Value],
    step: &mut ProbeStep,
) -> anyhow::Result<Option<KnownExport>> {
    if let Some(known) = of_earlier_probe(asker.profile(), request, entries) {
        step.found = format!(
            "not requested: export {} of this hour exists already",
            known.id
        );
        return Ok(Some(known));
    }
    let Some(reply) = asker.json(Role::Create, Subject::create(request), step)? else {
        let refusal = asker.refusal.clone().unwrap_or_default();
        if asker.profile().is_busy(refusal.status, &refusal.said) {
            let text = format!("another export of the group is running: {}", refusal.said);
            step.fail(Status::TryLater, text);
        }
        return Ok(None);
    };
    let has_id = |profile: &Profile, reply: &Value| profile.export_id(reply).is_some();
    if !asker.need("export_id", &reply, About::from(request), step, has_id)? {
        return Ok(None);
    }
    let id = asker.profile().export_id(&reply).unwrap_or_default();
    if step.ok {
        step.found = format!("export {id}: {request}");
    }
    Ok(Some(KnownExport {
        id,
        request: Some(request.clone()),
        meaning: Meaning::Pending,
        is_listed: false,
    }))
}

fn of_earlier_probe(
    profile: &Profile,
    request: &ExportRequest,
    entries: &[Value],
) -> Option<KnownExport> {
    entries.iter().find_map(|one| {
        let meaning = profile.meaning(&profile.state(one)?);
        let is_alive = !matches!(meaning, Meaning::Expired | Meaning::Failed);
        let is_ours = is_alive && profile.matches(one, request);
        is_ours.then(|| KnownExport {
            id: profile.export_id(one).unwrap_or_default(),
            request: Some(request.clone()),
            meaning,
            is_listed: true,
        })
    })
}
