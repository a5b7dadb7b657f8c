//! A subscription in three forms: as the user wants it, as the service shows it, and as it is
//! printed.

use serde::Serialize;
use serde_json::Value;

use crate::net::http::{self, Url};

/// A wanted subscription, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The OCP group.
    pub group: String,
    /// The message type. A group has one subscription for each type.
    pub message_type: String,
    /// The name, which each push carries as `schemaName`.
    pub name: String,
    /// The URL for the pushes.
    pub callback_url: Url,
    /// The URL at which the vendor gets a token.
    pub token_url: Url,
    /// The client id.
    pub client_id: String,
}

/// A subscription as the service shows it. Fields that the service does not show are `None`.
#[derive(Clone, Debug)]
pub struct ListedSubscription {
    /// The id that the service gave the subscription.
    pub id: String,
    /// The state of the subscription, as the service spells it.
    pub status: Option<String>,
    /// The OCP group.
    pub group: Option<String>,
    /// The message type.
    pub message_type: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The URL for the pushes.
    pub callback_url: Option<String>,
    /// The URL at which the vendor gets a token.
    pub token_url: Option<String>,
    /// The client id.
    pub client_id: Option<String>,
    /// All fields that the service shows.
    pub shown: Value,
}

/// The result for a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionChange {
    /// The subscription was created, or was found after the reply to its create had been lost.
    Created,
    /// The settings of the subscription were changed.
    Updated,
    /// The subscription did not change.
    Same,
    /// The subscription was deleted.
    Deleted,
}

/// A subscription and its result, as it is printed.
#[derive(Clone, Debug, Serialize)]
pub struct SubscriptionLine {
    subscription_id: Option<String>,
    group: String,
    message_type: String,
    name: Option<String>,
    callback_url: Option<String>,
    client_id: Option<String>,
    status: SubscriptionChange,
}

impl SubscriptionLine {
    /// The output line for a subscription and its result.
    pub fn new(
        id: Option<&str>,
        wanted: &Subscription,
        status: SubscriptionChange,
    ) -> SubscriptionLine {
        SubscriptionLine {
            subscription_id: id.map(str::to_owned),
            group: wanted.group.clone(),
            message_type: wanted.message_type.clone(),
            name: Some(wanted.name.clone()),
            callback_url: Some(wanted.callback_url.to_string()),
            client_id: Some(wanted.client_id.clone()),
            status,
        }
    }

    /// The output line for a deleted subscription.
    pub(crate) fn deleted(group: &str, listed: &ListedSubscription) -> SubscriptionLine {
        SubscriptionLine {
            subscription_id: Some(listed.id.clone()),
            group: listed.group.as_deref().unwrap_or(group).to_owned(),
            message_type: listed.message_type.clone().unwrap_or_default(),
            name: listed.name.clone(),
            callback_url: listed.callback_url.clone(),
            client_id: listed.client_id.clone(),
            status: SubscriptionChange::Deleted,
        }
    }

    /// The result.
    pub fn status(&self) -> SubscriptionChange {
        self.status
    }
}

impl Subscription {
    /// Names the subscription in messages: its group and type.
    pub(crate) fn what(&self) -> String {
        format!("{} {}", self.group, self.message_type)
    }
}

impl ListedSubscription {
    /// Whether the subscription has the group and type of `wanted`. If the service does not show
    /// the group, the subscription belongs to the group of the list.
    pub(crate) fn is_of(&self, wanted: &Subscription) -> bool {
        let is = |shown: &Option<String>, wanted: &str| shown.as_deref() == Some(wanted);
        is(&self.message_type, &wanted.message_type)
            && (self.group.is_none() || is(&self.group, &wanted.group))
    }

    /// The names of the settings that differ from `wanted`. Secrets, and fields that the service
    /// does not show, cannot be compared.
    pub(crate) fn differences(&self, wanted: &Subscription) -> Vec<&'static str> {
        let is_other = |shown: &Option<String>, wanted: &str| {
            shown.as_deref().is_some_and(|shown| shown != wanted)
        };
        let is_other_url = |shown: &Option<String>, wanted: &Url| {
            let shown = shown.as_deref();
            shown.is_some_and(|shown| Url::parse(shown).ok().as_ref() != Some(wanted))
        };
        [
            ("name", is_other(&self.name, &wanted.name)),
            (
                "URL",
                is_other_url(&self.callback_url, &wanted.callback_url),
            ),
            (
                "token URL",
                is_other_url(&self.token_url, &wanted.token_url),
            ),
            ("client id", is_other(&self.client_id, &wanted.client_id)),
        ]
        .into_iter()
        .filter_map(|(setting, differs)| differs.then_some(setting))
        .collect()
    }

    /// Whether the service shows all compared fields.
    pub(crate) fn is_complete(&self) -> bool {
        let settings = [
            &self.name,
            &self.callback_url,
            &self.token_url,
            &self.client_id,
        ];
        settings.into_iter().all(Option::is_some)
    }

    /// All fields that the service shows, without secrets.
    pub fn public(&self) -> Value {
        without_secrets(&self.shown)
    }
}

/// A URL for messages.
pub(crate) fn show_url(url: &Url) -> String {
    http::show(url)
}

/// The value without the members that hold secrets.
fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(name, _)| !is_secret(name))
                .map(|(name, value)| (name.clone(), without_secrets(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}

/// Whether a JSON member with this name holds a secret. The address, id or type of a secret is not
/// a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace(['_', '-'], "");
    let is_about = ["url", "uri", "id", "type"];
    [
        "secret",
        "password",
        "passwd",
        "apikey",
        "privatekey",
        "token",
        "authorization",
    ]
    .iter()
    .any(|word| name.contains(word))
        && !is_about.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_of_any_name_are_left_out_and_addresses_stay() {
        let shown = json!({
            "id": "s1", "auth": {"token_url": "u", "clientId": "c", "clientSecret": "x", "client-secret": "x"},
            "password": "x", "tokenUrl": "u", "access_token": "x", "extra": [{"apiKey": "x", "n": 1}],
        });
        assert_eq!(
            without_secrets(&shown),
            json!({"id": "s1", "auth": {"token_url": "u", "clientId": "c"}, "tokenUrl": "u", "extra": [{"n": 1}]})
        );
    }

    #[test]
    fn one_is_as_wanted_if_all_that_is_shown_is() {
        let url = |text| Url::parse(text).unwrap();
        let wanted = Subscription {
            group: "acme".to_owned(),
            message_type: "dialog_end".to_owned(),
            name: "end".to_owned(),
            callback_url: url("https://in.example/push"),
            token_url: url("https://in.example/t"),
            client_id: "c".to_owned(),
        };
        let mut listed = ListedSubscription {
            id: "s1".to_owned(),
            status: None,
            group: None,
            message_type: Some("dialog_end".to_owned()),
            name: Some("end".to_owned()),
            callback_url: Some("https://in.example:443/push".to_owned()),
            token_url: None,
            client_id: Some("c".to_owned()),
            shown: Value::Null,
        };
        assert!(listed.is_of(&wanted) && listed.differences(&wanted).is_empty());
        assert!(!listed.is_complete());
        listed.client_id = Some("d".to_owned());
        listed.callback_url = Some("https://in.example/other".to_owned());
        assert_eq!(listed.differences(&wanted), ["URL", "client id"]);
        listed.group = Some("acme-qa".to_owned());
        assert!(!listed.is_of(&wanted));
    }
}
