//! One role: sends the request, reads the reply, and applies the corrections that the reply
//! suggests.

use serde_json::Value;

use crate::cli::probe::{ProbeAdvice, ProbeRequest, ProbeStep};
use crate::error::Status;
use crate::json::shape::shape;
use crate::net::http::{self, Reply};
use crate::net::retry::Attempt;
use crate::ocp::exports::{Exports, RIGHT_TO_EXPORT, RIGHT_TO_LIST};
use crate::ocp::profile::{About, Advice, Profile, Refusal, Role, RoleRequest, Subject};

/// The largest number of requests for one role. One correction is not always enough, because a
/// correction can be wrong.
const MOST_CORRECTIONS: usize = 6;

/// The API, with the corrections that the probe has made so far.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) api: Exports,
    /// The refusal of the last request, if any.
    pub(super) refusal: Option<Refusal>,
}

/// A reply with any status.
struct RoleReply {
    status: u16,
    /// The status and the message, for a reply with an error status.
    refusal: Refusal,
    json: Option<Value>,
    kind: String,
}

impl Asker {
    pub(super) fn profile(&self) -> &Profile {
        self.api.profile()
    }

    /// Sends the request of a role. Returns the JSON of the reply, or `None` if the step failed;
    /// the step then contains the reason.
    pub(super) fn json(
        &mut self,
        role: Role,
        subject: Subject<'_>,
        step: &mut ProbeStep,
    ) -> anyhow::Result<Option<Value>> {
        for _ in 0..MOST_CORRECTIONS {
            let spelled = self.api.spelled(role, subject);
            step.request = Some(shown(&spelled));
            let reply = self.reply(&spelled)?;
            step.status = Some(reply.status);
            step.reply = Some(match &reply.json {
                Some(json) => shape(json),
                None => reply.kind.clone().into(),
            });
            self.refusal = None;
            match (reply.status, reply.json) {
                (200..=299, Some(json)) => return Ok(Some(json)),
                (200..=299, None) => {
                    let advice = Advice::check([role.line("path")]);
                    step.fail(
                        Status::Refused,
                        format!("the reply is {}, not JSON", reply.kind),
                    );
                    step.advice.push(advised(&advice));
                    return Ok(None);
                }
                _ => {
                    let is_known = self.is_known(role, &reply.refusal);
                    let corrected = self.refused(role, &reply.refusal, step)?;
                    self.refusal = Some(reply.refusal);
                    if is_known || !corrected {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether the profile already has a meaning for this refusal.
    fn is_known(&self, role: Role, refusal: &Refusal) -> bool {
        let profile = self.profile();
        match role {
            Role::Create => profile.is_busy(refusal.status, &refusal.said),
            Role::List => false,
            _ => profile.is_not_ready(refusal.status),
        }
    }

    fn reply(&self, spelled: &RoleRequest) -> anyhow::Result<RoleReply> {
        self.api.ask((spelled, "application/json", 0), |reply| {
            let (status, kind) = (reply.status, kind(reply));
            let allow = reply.header("allow").map(str::to_owned);
            let text = match reply.text() {
                Ok(text) => text,
                Err(e) => return e.into_failed().map(Attempt::Again),
            };
            let said = self.profile().error_text(&text).unwrap_or_else(|| {
                match text.trim_start().starts_with(['<', '{', '[']) {
                    true => String::new(),
                    false => text.clone(),
                }
            });
            Ok(Attempt::Done(RoleReply {
                status,
                refusal: Refusal {
                    status,
                    said: http::shown(&said),
                    allow,
                },
                json: serde_json::from_str(&text).ok(),
                kind,
            }))
        })
    }

    /// Records a refusal in the step. Returns true if the refusal showed how to correct the
    /// profile, so that another request can succeed.
    pub(super) fn refused(
        &mut self,
        role: Role,
        refusal: &Refusal,
        step: &mut ProbeStep,
    ) -> anyhow::Result<bool> {
        let said = match refusal.said.is_empty() {
            true => format!("HTTP {}", refusal.status),
            false => format!("HTTP {}: {}", refusal.status, refusal.said),
        };
        match (refusal.status, role) {
            (403, Role::List) => step.fail(Status::Auth, format!("{said}: {RIGHT_TO_LIST}")),
            (403, _) => step.fail(Status::Auth, format!("{said}: {RIGHT_TO_EXPORT}")),
            (401, _) => step.fail(
                Status::Auth,
                format!(
                    "{said}: the service does not accept this token. A personal access token needs \
                    a creator with the policy Manage Tokens, and may need another --pat-form"
                ),
            ),
            _ => {
                step.fail(Status::Refused, said);
                let advice = self.profile().blame(role, refusal);
                return self.take(&advice, step);
            }
        }
        Ok(false)
    }

    /// Adds advice to the step and applies it to the profile. Returns true if the profile has
    /// changed.
    pub(super) fn take(&mut self, advice: &Advice, step: &mut ProbeStep) -> anyhow::Result<bool> {
        step.advice.push(advised(advice));
        let Some((line, value)) = advice.correction() else {
            return Ok(false);
        };
        if self.profile().value_of(line).as_ref() == Some(value) {
            return Ok(false);
        }
        let corrected = self.profile().with(line, value)?;
        self.api.respell(corrected);
        Ok(true)
    }

    /// Checks with `get` whether the profile finds `[reply] key` in a reply. If the profile does
    /// not find the key, searches the reply for a key that fits, corrects the profile and records
    /// the correction in the step. Returns false if no key fits.
    pub(super) fn need(
        &mut self,
        key: &'static str,
        reply: &Value,
        about: About<'_>,
        step: &mut ProbeStep,
        get: impl Fn(&Profile, &Value) -> bool,
    ) -> anyhow::Result<bool> {
        if get(self.profile(), reply) {
            return Ok(true);
        }
        step.fail(
            Status::Refused,
            format!("[reply] {key} finds nothing in the reply"),
        );
        let advice = self.profile().fit(key, reply, about);
        Ok(self.take(&advice, step)? && get(self.profile(), reply))
    }
}

/// A request as the report shows it.
pub(super) fn shown(spelled: &RoleRequest) -> ProbeRequest {
    ProbeRequest {
        method: spelled.method.to_string(),
        url: spelled.url.to_string(),
        headers: spelled.headers.clone(),
        body: spelled.body.clone(),
    }
}

/// Advice as the report shows it.
pub(super) fn advised(advice: &Advice) -> ProbeAdvice {
    ProbeAdvice {
        lines: advice.lines.iter().map(ToString::to_string).collect(),
        value: advice.value.clone(),
        text: advice.to_string(),
    }
}

/// The media type of a reply, for messages.
pub(super) fn kind(reply: &Reply) -> String {
    match reply.content_type.as_deref() {
        Some(kind) => http::shown(kind),
        None => "of no media type".to_owned(),
    }
}
