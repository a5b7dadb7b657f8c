//! Requests the state of an export, and the number of its files if the export is READY.

use serde_json::Value;

use super::args::ProbeArgs;
use super::ask::{Asker, advised};
use super::list::{KnownExport, find, recognise};
use crate::cli::probe::ProbeStep;
use crate::error::Status;
use crate::ocp::profile::{About, Advice, Meaning, Profile, Role, Subject};
use crate::time::show_duration;

/// Requests the state of an export once, or with --create until the export is READY.
pub(super) fn status(
    asker: &mut Asker,
    args: &ProbeArgs,
    known: &mut KnownExport,
    step: &mut ProbeStep,
) -> anyhow::Result<()> {
    let begun = asker.api.client().retry().instant();
    loop {
        let Some(state) = state(asker, &args.group, known, step)? else {
            return Ok(());
        };
        known.meaning = asker.profile().meaning(&state);
        if known.meaning == Meaning::Unknown {
            unknown_state(asker, &args.group, &state, known, step)?;
        }
        let is_pending = matches!(known.meaning, Meaning::Pending | Meaning::Unknown);
        let retry = asker.api.client().retry();
        let waited = retry.instant() - begun;
        if is_pending && args.create && waited <= args.max_wait {
            retry.sleep(args.poll)?;
            continue;
        }
        match known.meaning {
            Meaning::Unknown => {
                let text = format!("the state is {state}, which is not known");
                step.fail(Status::Refused, text);
                let advice = asker.profile().fit_state(&state, false);
                step.advice.push(advised(&advice));
                // The metadata would show whether the state means READY.
                let metadata = Advice::check([Role::Metadata.line("path")]);
                step.advice.push(advised(&metadata));
            }
            Meaning::Pending if args.create => {
                let waited = show_duration(waited);
                let text = format!("still {state} after {waited}: run the probe again later");
                step.fail(Status::TryLater, text);
            }
            Meaning::Failed if args.create => {
                step.fail(Status::Refused, format!("the export ended as {state}"));
            }
            _ if step.ok => step.found = format!("export {} is {state}", known.id),
            _ => {}
        }
        return Ok(());
    }
}

/// The state of an export. The profile sets whether the state comes from the role `status` or from
/// the list.
fn state(
    asker: &mut Asker,
    group: &str,
    known: &KnownExport,
    step: &mut ProbeStep,
) -> anyhow::Result<Option<String>> {
    let about = About {
        group: Some(group),
        request: known.request.as_ref(),
    };
    let Some(one) = entry(asker, group, known, step)? else {
        return Ok(None);
    };
    let has_state = |profile: &Profile, one: &Value| profile.state(one).is_some();
    if !asker.need("status", &one, about, step, has_state)? {
        return Ok(None);
    }
    // The step `list` did not show this export, so the fields of the export are checked here.
    if !known.is_listed && step.ok {
        recognise(asker, &one, about, step)?;
    }
    Ok(asker.profile().state(&one))
}

/// The reply of the service about one export.
fn entry(
    asker: &mut Asker,
    group: &str,
    known: &KnownExport,
    step: &mut ProbeStep,
) -> anyhow::Result<Option<Value>> {
    if !asker.profile().asks_for_status() {
        let listed = find(asker, group, known, step)?;
        if listed.is_none() {
            step.fail(Status::TryLater, "the list does not show the export");
        }
        return Ok(listed);
    }
    let subject = Subject::export(group, &known.id);
    if let Some(reply) = asker.json(Role::Status, subject, step)? {
        return Ok(Some(reply));
    }
    let is_absent = |status| matches!(status, 404 | 410);
    if !asker.refusal.as_ref().is_some_and(|r| is_absent(r.status)) {
        return Ok(None);
    }
    let Some(listed) = find(asker, group, known, step)? else {
        return Ok(None);
    };
    step.found += ", though the list shows the export";
    let advice = Advice::set(Role::Status.line("mode"), "list");
    asker.take(&advice, step)?;
    Ok(Some(listed))
}

/// Guesses the meaning of an unknown state: an export with metadata is READY, and some names of
/// states show their meaning.
fn unknown_state(
    asker: &mut Asker,
    group: &str,
    word: &str,
    known: &mut KnownExport,
    step: &mut ProbeStep,
) -> anyhow::Result<()> {
    let mut aside = ProbeStep::new("metadata", "");
    let before = asker.profile().clone();
    let subject = Subject::export(group, &known.id);
    let reply = asker.json(Role::Metadata, subject, &mut aside)?;
    // The corrections of the metadata role are undone here: the step `metadata` makes them again
    // and reports them.
    asker.api.respell(before);
    // The export has possibly become READY since its unknown state was read. So the state is read
    // again, and the metadata counts only if the state is still the same.
    let mut again = ProbeStep::new("status", "");
    let has_metadata =
        reply.is_some() && state(asker, group, known, &mut again)?.as_deref() == Some(word);
    let advice = asker.profile().fit_state(word, has_metadata);
    if advice.value.is_none() {
        return Ok(());
    }
    let text = format!("the state is {word}, which is not known");
    step.fail(Status::Refused, text);
    asker.take(&advice, step)?;
    known.meaning = asker.profile().meaning(word);
    Ok(())
}

/// The number of files of an export. `None` if the probe cannot find this number.
pub(super) fn metadata(
    asker: &mut Asker,
    group: &str,
    known: &KnownExport,
    step: &mut ProbeStep,
) -> anyhow::Result<Option<u64>> {
    let subject = Subject::export(group, &known.id);
    let Some(reply) = asker.json(Role::Metadata, subject, step)? else {
        return Ok(None);
    };
    let about = About {
        group: Some(group),
        request: known.request.as_ref(),
    };
    let has_files = |profile: &Profile, reply: &Value| profile.metadata_of(reply).is_some();
    if !asker.need("num_of_files", &reply, about, step, has_files)? {
        return Ok(None);
    }
    let files = asker.profile().metadata_of(&reply).map(|(files, _)| files);
    if step.ok {
        step.found = format!("{} files", files.unwrap_or_default());
    }
    Ok(files)
}
