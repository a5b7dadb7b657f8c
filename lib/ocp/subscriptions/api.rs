//! The requests of the subscription API: one method for each role.
//!
//! All requests except the create can be repeated: an update sets all settings, and a repeated
//! delete finds nothing. If the reply to a create is lost, only the list shows whether the
//! subscription exists.

use serde_json::Value;

use super::profile::{SubRequest, SubscriptionProfile};
use super::subscription::{ListedSubscription, Subscription};
use crate::error;
use crate::net::client::{self, ApiCall, Client, Sent};
use crate::net::http::{self, Method, Reply, RequestBody, Url};
use crate::net::retry::{Attempt, is_passing};
use crate::net::secret::Secret;
use crate::ocp::profile::Profile;

const JSON: &str = "application/json";

/// The subscription API of one environment.
#[derive(Debug)]
pub struct SubscriptionApi {
    client: Client,
    /// The profile with which error messages are read from replies.
    words: Profile,
    profile: SubscriptionProfile,
    base: Url,
}

/// The result of a create.
#[derive(Debug)]
pub(crate) enum SubCreated {
    /// The subscription exists. The field holds the id if the reply contains an id.
    Accepted(Option<String>),
    /// The group already has a subscription of this type.
    Exists(String),
    /// No usable reply was received, so it is unknown whether the subscription exists.
    Lost(String),
}

impl SubscriptionApi {
    /// The API at `base`. `client` sends the requests, and `words` reads the error messages.
    pub fn new(
        client: Client,
        words: Profile,
        profile: SubscriptionProfile,
        base: Url,
    ) -> SubscriptionApi {
        SubscriptionApi {
            client,
            words,
            profile,
            base,
        }
    }

    /// The client, with its retry schedule, clock and stop request.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The names and paths of the API.
    pub(crate) fn profile(&self) -> &SubscriptionProfile {
        &self.profile
    }

    pub(crate) fn list_request(&self, group: &str) -> SubRequest {
        self.profile.list(&self.base, group)
    }

    pub(crate) fn get_request(&self, group: &str, id: &str) -> SubRequest {
        self.profile.get(&self.base, group, id)
    }

    /// The JSON of a reply, unchanged, or the status and message of a refusal.
    pub(crate) fn reply(
        &self,
        request: &SubRequest,
    ) -> anyhow::Result<Result<Value, (u16, String)>> {
        self.get_json(&call(request))
    }

    /// The subscriptions of a group.
    pub fn list(&self, group: &str) -> anyhow::Result<Vec<ListedSubscription>> {
        let request = self.list_request(group);
        let call = call(&request);
        match self.get_json(&call)? {
            Ok(reply) => self.profile.listed(&reply).ok_or_else(|| {
                error::refused(format!(
                    "{}: the reply has no list of subscriptions. Check [sub_reply] list in the API \
                     profile",
                    call.what
                ))
            }),
            Err((status, said)) => Err(refusal(&call.what, status, &said)),
        }
    }

    /// One subscription with all fields that the service shows. The request contains `group` only
    /// if the path in the profile contains `{group}`. Fails with status 69 if no subscription has
    /// this id.
    pub fn get(&self, group: &str, id: &str) -> anyhow::Result<ListedSubscription> {
        let request = self.get_request(group, id);
        let call = call(&request);
        match self.get_json(&call)? {
            Ok(reply) => {
                let inner = reply
                    .get("data")
                    .filter(|_| self.profile.one(&reply).is_none());
                let mut shown = inner.unwrap_or(&reply).clone();
                if self.profile.one(&shown).is_none()
                    && let Value::Object(members) = &mut shown
                {
                    members.insert("subscription_id".to_owned(), Value::from(id));
                }
                self.profile.one(&shown).ok_or_else(|| {
                    error::refused(format!("{}: the reply is not a JSON object", call.what))
                })
            }
            Err((status, said)) => Err(refusal(&call.what, status, &said)),
        }
    }

    /// Creates a subscription. Retries only if the failed attempt cannot have had an effect.
    pub(crate) fn create(
        &self,
        wanted: &Subscription,
        secret: &Secret,
    ) -> anyhow::Result<SubCreated> {
        let request = self.profile.create(&self.base, wanted, secret.expose());
        let call = call(&request);
        let mut tries = self.client.retry().tries(&call.what);
        loop {
            let failed = match self.client.once(&call)? {
                Sent::Reply(mut reply) => {
                    return match reply.text() {
                        Ok(text) => self.read_created(&call.what, reply.status, &text),
                        Err(e) => Ok(SubCreated::Lost(e.to_string())),
                    };
                }
                Sent::Failed(failed) => failed,
            };
            if failed.sent && failed.code != Some(429) {
                return Ok(SubCreated::Lost(failed.why));
            }
            tries.again(failed)?;
        }
    }

    fn read_created(&self, what: &str, status: u16, text: &str) -> anyhow::Result<SubCreated> {
        let said = http::shown(&self.words.error_text(text).unwrap_or_default());
        match status {
            200..300 => Ok(match serde_json::from_str::<Value>(text) {
                Ok(reply) => {
                    let seen = self.profile.one(&reply);
                    SubCreated::Accepted(seen.map(|one| one.id))
                }
                Err(_) if text.trim().is_empty() => SubCreated::Accepted(None),
                Err(_) => SubCreated::Lost("the reply is not JSON".to_owned()),
            }),
            409 => Ok(SubCreated::Exists(said)),
            400 | 422 if self.profile.says_exists(&said) => Ok(SubCreated::Exists(said)),
            _ if is_passing(status) => Ok(SubCreated::Lost(format!("HTTP {status}"))),
            _ => Err(refusal(what, status, &said)),
        }
    }

    /// Changes the settings of a subscription. `shown` is the subscription as the service showed
    /// it. Fields of `shown` that the profile does not know are sent back unchanged.
    pub(crate) fn update(
        &self,
        id: &str,
        wanted: &Subscription,
        secret: &Secret,
        shown: &Value,
    ) -> anyhow::Result<()> {
        let (base, secret) = (&self.base, secret.expose());
        let request = self.profile.update(base, id, wanted, secret, shown);
        let call = call(&request);
        self.client.fetch(&call, |reply| match reply.status {
            200..300 if reply.is_html() => Ok(Attempt::Again(client::other_reply(reply, "JSON"))),
            200..300 => Ok(Attempt::Done(())),
            _ => Err(self.refused(&call.what, reply)),
        })
    }

    /// Deletes a subscription. If a repeated request finds nothing, the first request has deleted
    /// the subscription.
    pub(crate) fn delete(&self, group: &str, id: &str) -> anyhow::Result<()> {
        let request = self.profile.delete(&self.base, group, id);
        let call = call(&request);
        let mut tries = self.client.retry().tries(&call.what);
        let mut may_be_gone = false;
        loop {
            match self.client.once(&call)? {
                Sent::Failed(failed) => {
                    may_be_gone |= failed.sent;
                    tries.again(failed)?;
                }
                Sent::Reply(reply) if (200..300).contains(&reply.status) => return Ok(()),
                Sent::Reply(reply) if may_be_gone && matches!(reply.status, 404 | 410) => {
                    return Ok(());
                }
                Sent::Reply(mut reply) => return Err(self.refused(&call.what, &mut reply)),
            }
        }
    }

    /// The request that creates a subscription, as text for people.
    pub fn show_create(&self, wanted: &Subscription) -> String {
        show(&self.profile.create(&self.base, wanted, "[redacted]"))
    }

    /// The request that changes `listed` into `wanted`, as text for people.
    pub(crate) fn show_update(&self, listed: &ListedSubscription, wanted: &Subscription) -> String {
        let shown = listed.public();
        let (base, secret) = (&self.base, "[redacted]");
        show(
            &self
                .profile
                .update(base, &listed.id, wanted, secret, &shown),
        )
    }

    /// The request that deletes the subscription `id`, as text for people.
    pub(crate) fn show_delete(&self, group: &str, id: &str) -> String {
        show(&self.profile.delete(&self.base, group, id))
    }

    fn get_json(&self, call: &ApiCall<'_>) -> anyhow::Result<Result<Value, (u16, String)>> {
        self.client.fetch(call, |reply| {
            if !(200..300).contains(&reply.status) {
                let said = reply.said(|text| self.words.error_text(text));
                return Ok(Attempt::Done(Err((reply.status, said))));
            }
            let text = match reply.text() {
                Ok(text) => text,
                Err(e) => return e.into_failed().map(Attempt::Again),
            };
            Ok(match serde_json::from_str(&text) {
                Ok(value) => Attempt::Done(Ok(value)),
                Err(_) => Attempt::Again(client::other_reply(reply, "JSON")),
            })
        })
    }

    fn refused(&self, what: &str, reply: &mut Reply) -> anyhow::Error {
        let said = reply.said(|text| self.words.error_text(text));
        refusal(what, reply.status, &said)
    }
}

fn call(request: &SubRequest) -> ApiCall<'_> {
    let what = format!("{} {}", request.method, http::show(&request.url));
    ApiCall {
        method: request.method,
        what,
        body: request.body.as_deref().map(|body| RequestBody {
            content_type: JSON,
            bytes: body.as_bytes(),
        }),
        units: 0,
        follows: request.method == Method::Get,
        ..ApiCall::get(request.url.clone(), JSON)
    }
}

fn show(request: &SubRequest) -> String {
    let head = format!(
        "{} {}\nAuthorization: [redacted]\n",
        request.method, request.url
    );
    match &request.body {
        Some(body) => format!("{head}Content-Type: application/json\n\n{body}\n"),
        None => head,
    }
}

/// The error for a reply with an error status, with advice for the user.
pub(crate) fn refusal(what: &str, status: u16, said: &str) -> anyhow::Error {
    let hint = match status {
        300..400 => "redirected: give the final URL as --api-url",
        403 => {
            "this needs the role OWNER in the group; the account manager must have switched on \
             streaming for the group"
        }
        404 | 405 => "check the id, --api-url and the [sub_…] paths of the API profile",
        _ => "",
    };
    let failure = client::refusal(what, status, said, hint);
    match status {
        403 => failure.narrow().into(),
        _ => failure.into(),
    }
}
