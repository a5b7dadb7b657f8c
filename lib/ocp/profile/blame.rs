//! Finds the line of the profile that has probably caused a refusal, from the status and the
//! message of the refusal.

use serde_json::Value;

use super::fit::plain;
use super::line::{Advice, ProfileLine, Role};
use super::spelling::Profile;

/// A reply with an error status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The message of the service, without secrets.
    pub said: String,
    /// The header `Allow`: the methods that the service accepts.
    pub allow: Option<String>,
}

const BUSY: &[&str] = &[
    "running",
    "in progress",
    "already",
    "another export",
    "busy",
    "concurrent",
];
const EXPIRED: &[&str] = &["expired", "no longer", "deleted", "gone"];
const NOT_READY: &[&str] = &[
    "not ready",
    "not yet",
    "processing",
    "submitted",
    "running",
    "pending",
];

impl Profile {
    /// The lines of the profile that are probably wrong if the service answers the request of
    /// `role` with `refusal`.
    pub(crate) fn blame(&self, role: Role, refusal: &Refusal) -> Advice {
        let said = refusal.said.to_lowercase();
        match refusal.status {
            405 => return self.other_method(role, refusal.allow.as_deref()),
            404 => return Advice::check([role.line("path"), role.line("method")]),
            401 | 403 => return Advice::default(),
            _ => {}
        }
        let means = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let code = match role {
            Role::Create if means(BUSY) => Some("busy"),
            Role::Status | Role::Metadata | Role::Data if means(EXPIRED) => Some("expired"),
            Role::Metadata | Role::Data if means(NOT_READY) => Some("not_ready"),
            _ => None,
        };
        if let Some(key) = code {
            let line = ProfileLine::code(key);
            return Advice::set(line, self.extended(line, refusal.status.into()));
        }
        match role {
            Role::Create => self.wrong_body(&refusal.said),
            _ => self.wrong_parameter(role, &refusal.said),
        }
    }

    fn other_method(&self, role: Role, allow: Option<&str>) -> Advice {
        let line = role.line("method");
        let ours = self.value_of(line);
        let allowed = allow.unwrap_or_default().split(',').map(str::trim);
        let others: Vec<&str> = allowed
            .filter(|method| !matches!(*method, "" | "HEAD" | "OPTIONS" | "DELETE"))
            // A create cannot be a GET.
            .filter(|method| role != Role::Create || *method != "GET")
            .filter(|method| ours.as_ref().and_then(Value::as_str) != Some(method))
            .collect();
        match others.as_slice() {
            [other] => Advice::set(line, *other),
            _ => Advice::check([line, role.line("path")]),
        }
    }

    /// The advice for a create that was refused because of its content.
    fn wrong_body(&self, said: &str) -> Advice {
        let body = Role::Create.line("body");
        let template = self.value_of(body);
        let template = template
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default();
        for name in ["group", "types", "from", "to"] {
            let Some(ours) = key_of(template, name) else {
                continue;
            };
            if let Some(other) = wanted(said, ours, |word| is_name_of(name, word)) {
                let value = template.replacen(&format!("\"{ours}\""), &format!("\"{other}\""), 1);
                return Advice::set(body, value);
            }
        }
        let lower = said.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let [types, time] = ["types", "time"].map(|key| Role::Create.line(key));
        if has(&["array", "list", "string", "comma", "one type", "single"]) && has(&["type"]) {
            Advice::check([types, body, time])
        } else if has(&["format", "date", "time", "epoch", "iso", "pars"]) {
            Advice::check([time, body, types])
        } else {
            Advice::check([body, types, time])
        }
    }

    /// The advice for a read that was refused because of its parameters.
    fn wrong_parameter(&self, role: Role, said: &str) -> Advice {
        let keys: &[&'static str] = match role {
            Role::Data => &["page_number", "page_size", "group", "export_id"],
            Role::List => &["group"],
            _ => &["group", "export_id"],
        };
        for key in keys {
            let line = role.line(key);
            let ours = self.value_of(line);
            let ours = ours.as_ref().and_then(Value::as_str).unwrap_or_default();
            if let Some(other) = wanted(said, ours, |word| is_name_of(key, word)) {
                return Advice::set(line, other);
            }
        }
        let places: &[&'static str] = match role {
            Role::Data => &["page_params", "params"],
            _ => &["params"],
        };
        let lines = places.iter().chain(keys).chain(&["path", "body"]);
        Advice::check(
            lines
                .map(|key| role.line(key))
                .collect::<Vec<ProfileLine>>(),
        )
    }
}

/// The key in the body `template` whose value is `placeholder`.
fn key_of<'t>(template: &'t str, placeholder: &str) -> Option<&'t str> {
    let at = template.find(&format!("{{{placeholder}}}"))?;
    let before = template[..at].trim_end().strip_suffix(':')?.trim_end();
    let before = before.strip_suffix('"')?;
    before.rfind('"').map(|open| &before[open + 1..])
}

/// The parameter name that the service expects: a word of its message that looks like a name and is
/// a synonym of our name.
fn wanted<'s>(said: &'s str, ours: &str, is_it: impl Fn(&str) -> bool) -> Option<&'s str> {
    let words = said.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
    let is_quoted = |word: &str| {
        ["'", "\"", "`"]
            .iter()
            .any(|q| said.contains(&format!("{q}{word}{q}")))
    };
    let is_name = |word: &str| {
        let inner = word.get(1..).unwrap_or_default();
        word.contains(['_', '-']) || inner.contains(char::is_uppercase) || is_quoted(word)
    };
    let mut names = words.filter(|word| *word != ours && is_name(word));
    // Our own name cannot be the expected name, because a message that contains our name rejects
    // this name.
    names.find(|word| is_it(&plain(word)))
}

/// Whether `name`, in lower case and without separators, can be the service's name for our
/// `parameter`.
fn is_name_of(parameter: &str, name: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    match parameter {
        "group" => has(&["group", "tenant", "organi"]),
        "types" => has(&["type"]),
        "from" => has(&["from", "start", "begin", "since"]),
        "to" => {
            name == "to"
                || has(&[
                    "end", "until", "till", "dateto", "timeto", "todate", "totime",
                ])
        }
        "export_id" => has(&["exportid", "jobid", "uuid", "exportkey"]),
        "page_number" => has(&["page", "offset"]) && !has(&["size", "limit", "per", "count"]),
        "page_size" => has(&["size", "limit", "perpage", "pagecount"]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(role: Role, status: u16, said: &str) -> String {
        let refusal = Refusal {
            status,
            said: said.to_owned(),
            allow: (status == 405).then(|| "OPTIONS, POST".to_owned()),
        };
        Profile::load(None)
            .unwrap()
            .blame(role, &refusal)
            .to_string()
    }

    #[test]
    fn a_refusal_points_at_a_line() {
        let tail = " in the API profile";
        for (role, status, said, expected) in [
            (
                Role::Metadata,
                404,
                "not found",
                "check [metadata] path, [metadata] method",
            ),
            (Role::List, 405, "", "set [list] method = \"POST\""),
            (
                Role::Create,
                423,
                "Another export is running",
                "set [codes] busy = [423,409]",
            ),
            (
                Role::Data,
                400,
                "export x is EXPIRED",
                "set [codes] expired = [400,404,410]",
            ),
            (
                Role::Metadata,
                425,
                "not ready",
                "set [codes] not_ready = [425,409]",
            ),
            (
                Role::Data,
                400,
                "'pageNumber' is missing",
                "set [data] page_number = \"pageNumber\"",
            ),
            (
                Role::Create,
                400,
                "groupName must not be null",
                r#"set [create] body = "{\"groupName\":{group},\"message_types\":{types},\"from\":{from},\"to\":{to}}""#,
            ),
            (
                Role::Create,
                400,
                "message_types: expected a string",
                "check [create] types, [create] body, [create] time",
            ),
            (
                Role::Create,
                400,
                "from: cannot parse the date",
                "check [create] time, [create] body, [create] types",
            ),
        ] {
            assert_eq!(advice(role, status, said), expected.to_owned() + tail);
        }
    }
}
