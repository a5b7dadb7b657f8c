//! The names and paths of the subscription API: the sections `sub_…` of the API profile.

use std::path::Path;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::subscription::{ListedSubscription, Subscription};
use crate::net::http::{Method, Url};
use crate::ocp::profile;

/// The names and paths of the five roles and their replies.
#[derive(Clone, Debug, Deserialize)]
pub struct SubscriptionProfile {
    sub_create: SubCreate,
    sub_list: SubRole,
    sub_get: SubRole,
    sub_update: SubRole,
    sub_delete: SubRole,
    sub_reply: SubReply,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubRole {
    #[serde(deserialize_with = "method")]
    method: Method,
    path: String,
    body: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubCreate {
    #[serde(deserialize_with = "method")]
    method: Method,
    path: String,
    body: String,
    exists: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubReply {
    list: Vec<String>,
    subscription_id: Vec<String>,
    status: Vec<String>,
    group: Vec<String>,
    r#type: Vec<String>,
    name: Vec<String>,
    url: Vec<String>,
    token_url: Vec<String>,
    client_id: Vec<String>,
    gone: Vec<String>,
}

/// A request to the subscription API.
#[derive(Debug)]
pub(crate) struct SubRequest {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// The JSON body, which contains the secret.
    pub(crate) body: Option<String>,
}

impl SubscriptionProfile {
    /// The built-in profile, merged with the TOML file at `path`.
    pub fn load(path: Option<&Path>) -> anyhow::Result<SubscriptionProfile> {
        profile::load_part(path, |section| section.starts_with(profile::SUBSCRIPTIONS))
    }

    pub(crate) fn create(&self, base: &Url, wanted: &Subscription, secret: &str) -> SubRequest {
        let role = &self.sub_create;
        SubRequest {
            method: role.method,
            url: address(base, &role.path, &wanted.group, ""),
            body: Some(fill_body(&role.body, "", wanted, secret)),
        }
    }

    pub(crate) fn list(&self, base: &Url, group: &str) -> SubRequest {
        self.sub_list.request(base, group, "")
    }

    pub(crate) fn get(&self, base: &Url, group: &str, id: &str) -> SubRequest {
        self.sub_get.request(base, group, id)
    }

    pub(crate) fn delete(&self, base: &Url, group: &str, id: &str) -> SubRequest {
        self.sub_delete.request(base, group, id)
    }

    /// The request for an update. The body contains the wanted settings, and all other fields that
    /// the service shows, except id and status.
    pub(crate) fn update(
        &self,
        base: &Url,
        id: &str,
        wanted: &Subscription,
        secret: &str,
        shown: &Value,
    ) -> SubRequest {
        let role = &self.sub_update;
        let template = role.body.as_deref().unwrap_or_default();
        let body = fill_body(template, id, wanted, secret);
        let ours: Option<Value> = serde_json::from_str(&body).ok();
        let body = match ours {
            Some(ours) => {
                let mut whole = shown.clone();
                for at in self
                    .sub_reply
                    .subscription_id
                    .iter()
                    .chain(&self.sub_reply.status)
                {
                    remove(&mut whole, at);
                }
                lay_over(&mut whole, ours);
                whole.to_string()
            }
            None => body,
        };
        SubRequest {
            method: role.method,
            url: address(base, &role.path, &wanted.group, id),
            body: Some(body),
        }
    }

    /// The subscriptions in the reply to a list request; `None` if the reply does not contain a
    /// list.
    pub(crate) fn listed(&self, reply: &Value) -> Option<Vec<ListedSubscription>> {
        let listed = self.items(reply)?.iter().filter_map(|one| self.one(one));
        Some(listed.filter(|one| !self.is_gone(one)).collect())
    }

    /// The entries of the list in a reply, unchanged; `None` if the reply does not contain a list.
    pub(crate) fn items<'r>(&self, reply: &'r Value) -> Option<&'r Vec<Value>> {
        let mut found = self
            .sub_reply
            .list
            .iter()
            .filter_map(|at| reply.pointer(at));
        found.find_map(Value::as_array)
    }

    /// The subscription in a reply; `None` if it has no id.
    pub(crate) fn one(&self, reply: &Value) -> Option<ListedSubscription> {
        let at = &self.sub_reply;
        let read = |pointers| profile::first(reply, pointers).and_then(profile::text);
        let id = read(&at.subscription_id)?;
        (!matches!(id.as_str(), "" | "." | "..")).then(|| ListedSubscription {
            id,
            status: read(&at.status),
            group: read(&at.group),
            message_type: read(&at.r#type),
            name: read(&at.name),
            callback_url: read(&at.url),
            token_url: read(&at.token_url),
            client_id: read(&at.client_id),
            shown: reply.clone(),
        })
    }

    fn is_gone(&self, listed: &ListedSubscription) -> bool {
        let status = listed.status.as_deref().unwrap_or_default();
        let mut gone = self.sub_reply.gone.iter();
        gone.any(|state| state.eq_ignore_ascii_case(status))
    }

    /// Whether the text of a refusal (400 or 422) means that the subscription already exists.
    pub(crate) fn says_exists(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut words = self.sub_create.exists.iter();
        words.any(|word| text.contains(&word.to_lowercase()))
    }
}

impl SubRole {
    fn request(&self, base: &Url, group: &str, id: &str) -> SubRequest {
        SubRequest {
            method: self.method,
            url: address(base, &self.path, group, id),
            body: None,
        }
    }
}

fn method<'de, D: Deserializer<'de>>(input: D) -> Result<Method, D::Error> {
    let text = String::deserialize(input)?;
    Method::parse(&text).ok_or_else(|| {
        de::Error::custom(format!(
            "'{text}' is not a method: use GET, POST, PUT, PATCH or DELETE"
        ))
    })
}

fn address(base: &Url, path: &str, group: &str, id: &str) -> Url {
    profile::fill_in(base, path, |name| match name {
        "subscription_id" => Some(id),
        "group" => Some(group),
        _ => None,
    })
}

fn fill_body(template: &str, id: &str, wanted: &Subscription, secret: &str) -> String {
    profile::expand(template, |name| {
        let text = match name {
            "subscription_id" => id,
            "group" => &wanted.group,
            "type" => &wanted.message_type,
            "name" => &wanted.name,
            "url" => wanted.callback_url.as_str(),
            "token_url" => wanted.token_url.as_str(),
            "client_id" => &wanted.client_id,
            "client_secret" => secret,
            _ => return None,
        };
        Some(Value::from(text).to_string())
    })
}

/// Copies the members of `ours` into `whole`.
fn lay_over(whole: &mut Value, ours: Value) {
    match (whole, ours) {
        (Value::Object(whole), Value::Object(ours)) => {
            for (name, value) in ours {
                lay_over(whole.entry(name).or_insert(Value::Null), value);
            }
        }
        (whole, ours) => *whole = ours,
    }
}

/// Removes the value at a pointer.
fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return;
    };
    if let Some(Value::Object(members)) = value.pointer_mut(parent) {
        members.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;
    use serde_json::json;

    fn wanted() -> Subscription {
        let url = |text| Url::parse(text).unwrap();
        Subscription {
            group: "acme \"{name}\"".to_owned(),
            message_type: "dialog_end".to_owned(),
            name: "acme_end".to_owned(),
            callback_url: url("https://in.example/push/acme/dialog_end"),
            token_url: url("https://in.example/oauth2/token"),
            client_id: "b".to_owned(),
        }
    }

    fn base() -> Url {
        Url::parse("https://api.example/gateway/").unwrap()
    }

    #[test]
    fn the_default_asks_as_the_page_says() {
        let profile = SubscriptionProfile::load(None).unwrap();
        let request = profile.create(&base(), &wanted(), "s\"1");
        assert_eq!(request.method, Method::Post);
        assert_eq!(
            request.url.as_str(),
            "https://api.example/gateway/exports-api/v1/subscriptions"
        );
        let body: Value = serde_json::from_str(&request.body.unwrap()).unwrap();
        assert_eq!(
            body,
            json!({"group": "acme \"{name}\"", "message_type": "dialog_end", "name": "acme_end",
                "callback_url": "https://in.example/push/acme/dialog_end",
                "auth": {"type": "oauth2", "token_url": "https://in.example/oauth2/token",
                    "client_id": "b", "client_secret": "s\"1"}})
        );
        let request = profile.delete(&base(), "", "a/../b");
        assert_eq!(request.method, Method::Delete);
        assert!(request.url.as_str().ends_with("/subscriptions/a%2F..%2Fb"));
        assert_eq!(
            profile.list(&base(), "a&b").url.query(),
            Some("group=a%26b")
        );
    }

    #[test]
    fn an_update_sends_all_that_the_service_shows_but_id_and_state() {
        let profile = SubscriptionProfile::load(None).unwrap();
        let shown = json!({"subscription_id": "s1", "status": "ACTIVE", "name": "old",
            "delivery": {"method": "http", "batch": 50}, "auth": {"client_id": "a", "client_secret": "***", "scope": "x"}});
        let body = profile.update(&base(), "s1", &wanted(), "new", &shown).body;
        let body: Value = serde_json::from_str(&body.unwrap()).unwrap();
        assert_eq!(body["delivery"], shown["delivery"]);
        assert_eq!(body["auth"]["scope"], "x");
        assert_eq!(body["auth"]["client_secret"], "new");
        assert_eq!(
            (&body["name"], body.get("status")),
            (&json!("acme_end"), None)
        );
        assert_eq!(body.get("subscription_id"), None);
    }

    #[test]
    fn a_file_changes_only_what_differs_and_a_mistake_in_it_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.toml");
        let load = |text: &str| {
            crate::os::files::write_atomic(&path, text.as_bytes()).unwrap();
            SubscriptionProfile::load(Some(&path))
        };
        let own = "[sub_update]\nmethod = \"patch\"\n[data]\npage_params = \"both\"\n";
        let request = load(own)
            .unwrap()
            .update(&base(), "s1", &wanted(), "s", &Value::Null);
        assert_eq!(request.method, Method::Patch);
        for wrong in [
            "[sub_list]\nmethod = \"FETCH\"\n",
            "[sub_get]\nurl = \"/\"\n",
        ] {
            assert_eq!(Status::of(&load(wrong).unwrap_err()), Status::Usage);
        }
    }
}
