//! What a refusal means, and to whom.

use super::{Exports, Withheld};
use crate::net::client;
use crate::ocp::profile::{Advice, Refusal, Role};

impl Exports {
    pub(super) fn withheld(&self, role: Role, what: &str, refusal: &Refusal) -> Option<Withheld> {
        let is_passing = self.profile.is_not_ready(refusal.status);
        (is_passing || self.profile.is_expired(refusal.status)).then(|| Withheld {
            what: what.to_owned(),
            status: refusal.status,
            said: refusal.said.clone(),
            is_passing,
            advice: Advice::check([role.line("path")]),
        })
    }

    /// A refusal for good, as an error that names the line of the profile. What is not
    /// about one request or one group ends the run: the next ones would fail, too.
    pub(super) fn refused(&self, role: Role, what: &str, refusal: &Refusal) -> anyhow::Error {
        let status = refusal.status;
        let advice = self.profile.blame(role, refusal).to_string();
        let hint = match status {
            300..=399 => "redirected: give the final URL as --api-url".to_owned(),
            401 => String::new(),
            403 if role == Role::List => RIGHT_TO_LIST.to_owned(),
            403 => RIGHT_TO_EXPORT.to_owned(),
            404 | 405 => format!("{advice}, or --api-url"),
            _ => advice,
        };
        let failure = client::refusal(what, status, &refusal.said, &hint);
        let is_of_some = role == Role::Create
            && (!matches!(status, 404 | 405 | 415) || names_group(status, &refusal.said));
        match status {
            403 => failure.narrow().into(),
            401 => failure.into(),
            _ if is_of_some => failure.narrow().into(),
            _ => failure.wide().into(),
        }
    }
}

/// What a 403 says to those who may not export.
pub(crate) const RIGHT_TO_EXPORT: &str =
    "exporting takes the role OWNER in a group that the user is allowed to export";

/// What a 403 says to those who may not even list.
pub(crate) const RIGHT_TO_LIST: &str = "listing takes a role in the group: VIEWER, DEVELOPER, MAINTAINER or OWNER; exporting takes OWNER";

/// Whether a create was refused because of its group.
pub(super) fn names_group(status: u16, said: &str) -> bool {
    const REASONS: [&str; 5] = [
        "unknown group",
        "no such group",
        "not found",
        "does not exist",
        "invalid group",
    ];
    let said = said.to_lowercase();
    let names_it = said.contains("group") && REASONS.iter().any(|reason| said.contains(reason));
    matches!(status, 400 | 404 | 422) && names_it
}

/// Whether a refusal is about the window that was asked for, and not about how.
pub(super) fn is_about_window(said: &str) -> bool {
    const WORDS: [&str; 8] = [
        "range",
        "hour",
        "day",
        "month",
        "retention",
        "older",
        "old",
        "back",
    ];
    let said = said.to_lowercase();
    WORDS.iter().any(|word| said.contains(word))
}
