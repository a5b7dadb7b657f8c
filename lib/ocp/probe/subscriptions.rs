//! Tests the two read-only roles of the subscription API.

use serde_json::Value;

use super::ask::Asker;
use crate::cli::probe::{ProbeRequest, ProbeStep};
use crate::error::Status;
use crate::json::shape::shape;
use crate::ocp::profile::{About, Advice, ProfileLine};
use crate::ocp::subscriptions::api::{SubscriptionApi, refusal};
use crate::ocp::subscriptions::profile::SubRequest;

/// The ids of the subscriptions of a group. `None` if the step failed.
pub(super) fn list(
    asker: &mut Asker,
    api: &SubscriptionApi,
    group: &str,
    step: &mut ProbeStep,
) -> anyhow::Result<Option<Vec<String>>> {
    let request = api.list_request(group);
    let reply = reply(asker, api, &request, step)?;
    let Some(items) = api.profile().items(&reply) else {
        lacks(asker, ("list", "list"), &reply, step)?;
        return Ok(None);
    };
    let ids: Option<Vec<String>> = items
        .iter()
        .map(|one| api.profile().one(one).map(|one| one.id))
        .collect();
    match (&ids, items.first()) {
        (None, Some(one)) => lacks(asker, ("subscription_id", "export_id"), one, step)?,
        _ => {
            step.found = match items.len() {
                0 => "no subscriptions".to_owned(),
                1 => "1 subscription".to_owned(),
                count => format!("{count} subscriptions"),
            }
        }
    }
    Ok(ids)
}

/// Requests one subscription.
pub(super) fn one(
    asker: &mut Asker,
    api: &SubscriptionApi,
    (group, id): (&str, &str),
    step: &mut ProbeStep,
) -> anyhow::Result<()> {
    let reply = reply(asker, api, &api.get_request(group, id), step)?;
    let inner = reply.get("data").unwrap_or(&reply);
    match inner.is_object() {
        true => step.found = format!("subscription {id}"),
        false => {
            step.fail(Status::Refused, "the reply is not a JSON object");
            let check = Advice::check([line("sub_get", "path")]);
            asker.take(&check, step)?;
        }
    }
    Ok(())
}

fn reply(
    asker: &mut Asker,
    api: &SubscriptionApi,
    request: &SubRequest,
    step: &mut ProbeStep,
) -> anyhow::Result<Value> {
    step.request = Some(ProbeRequest {
        method: request.method.to_string(),
        url: request.url.to_string(),
        headers: Vec::new(),
        body: None,
    });
    match api.reply(request)? {
        Ok(reply) => {
            step.status = Some(200);
            step.reply = Some(shape(&reply));
            Ok(reply)
        }
        Err((status, said)) => {
            step.status = Some(status);
            if !matches!(status, 401 | 403) {
                let lines = ["path", "method"].map(|key| line(step.role, key));
                asker.take(&Advice::check(lines), step)?;
            }
            let what = format!("{} {}", request.method, request.url);
            Err(refusal(&what, status, &said))
        }
    }
}

/// Fails the step, because the line `key` of `[sub_reply]` finds nothing in the reply. If a key of
/// the reply fits the line `like` of `[reply]`, the advice is to use this key.
fn lacks(
    asker: &mut Asker,
    (key, like): (&'static str, &'static str),
    reply: &Value,
    step: &mut ProbeStep,
) -> anyhow::Result<()> {
    let line = line("sub_reply", key);
    step.fail(
        Status::Refused,
        format!("{line} finds nothing in the reply"),
    );
    let profile = asker.profile();
    let fits = profile.fit(like, reply, About::default());
    let pointer = fits
        .correction()
        .and_then(|(_, value)| value.get(0).cloned());
    let advice = match pointer {
        Some(pointer) => Advice::set(line, profile.extended(line, pointer)),
        None => Advice::check([line]),
    };
    asker.take(&advice, step)?;
    Ok(())
}

fn line(section: &'static str, key: &'static str) -> ProfileLine {
    ProfileLine { section, key }
}
