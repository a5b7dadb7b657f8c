//! The requests of the Exports API. Each role (create, list, status, metadata, data) has one
//! method, which also interprets the HTTP statuses.
//!
//! A request that only reads is retried after a temporary failure. A create is retried only if the
//! failed attempt cannot have had an effect: after a lost reply, only the list of exports shows
//! whether the export exists.

mod answers;
mod create;
mod list;
mod refusals;

use std::io::Write;
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::export_request::ExportRequest;
use super::profile::{About, Advice, Profile, Refusal, Role, RoleRequest, Subject};
pub use super::profile::{Meaning, Ownership};
pub use answers::{Created, ExportStatus, Metadata};
pub(crate) use answers::{Download, Withheld};
pub(crate) use refusals::{RIGHT_TO_EXPORT, RIGHT_TO_LIST};

use crate::error;
use crate::net::client::{self, ApiCall, Client, Sent};
use crate::net::http::{self, Reply, RequestBody, Url};
use crate::net::retry::Attempt;
use refusals::names_group;

const JSON: &str = "application/json";

/// The Exports API of one environment. Only requests for pages count towards the rate.
#[derive(Debug)]
pub struct Exports {
    client: Client,
    profile: Profile,
    base: Url,
    /// Whether this run has already warned that the list of exports lacks a field that is needed to
    /// find the exports of earlier runs.
    is_list_reported: AtomicBool,
}

impl Exports {
    /// The API at `base`. `client` sends the requests; `profile` gives their paths and fields.
    pub fn new(client: Client, profile: Profile, base: Url) -> Exports {
        Exports {
            client,
            profile,
            base,
            is_list_reported: AtomicBool::new(false),
        }
    }

    /// The client, with its retry schedule, clock and stop request.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The paths and fields of the API.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Builds the request of a role for `subject`.
    pub(crate) fn spelled(&self, role: Role, subject: Subject<'_>) -> RoleRequest {
        self.profile.request(role, &self.base, subject)
    }

    /// The state of an export; `None` if the service does not show the export.
    pub fn status(
        &self,
        request: &ExportRequest,
        export_id: &str,
    ) -> anyhow::Result<Option<ExportStatus>> {
        if !self.profile.asks_for_status() {
            let reply = self.get_list(&request.group)?;
            return self.listed(&reply, request, export_id);
        }
        let subject = Subject::export(&request.group, export_id);
        let spelled = self.spelled(Role::Status, subject);
        let call = call(&spelled, JSON, 0);
        match self.get_json(&call)? {
            Ok(reply) => match self.profile.state(&reply) {
                Some(state) => Ok(Some(ExportStatus {
                    export_id: export_id.to_owned(),
                    meaning: self.profile.meaning(&state),
                    owner: self.profile.ownership(&reply, request),
                    state,
                })),
                None => Err(error::misspelled(format!(
                    "{}: the reply has no status: {}",
                    call.what,
                    self.profile.fit("status", &reply, About::from(request))
                ))),
            },
            Err(refusal) if self.profile.is_expired(refusal.status) => {
                self.status_by_list(request, export_id, &call.what)
            }
            Err(refusal) => Err(self.refused(Role::Status, &call.what, &refusal)),
        }
    }

    /// The number of files of an export.
    pub fn metadata(&self, group: &str, export_id: &str) -> anyhow::Result<Metadata> {
        let spelled = self.spelled(Role::Metadata, Subject::export(group, export_id));
        let call = call(&spelled, JSON, 0);
        match self.get_json(&call)? {
            Ok(reply) => match self.profile.metadata_of(&reply) {
                Some((num_of_files, size_of_export)) => Ok(Metadata::Known {
                    num_of_files,
                    size_of_export,
                }),
                None => Err(error::misspelled(format!(
                    "{}: the reply has no number of files: {}",
                    call.what,
                    self.profile.fit("num_of_files", &reply, About::default())
                ))),
            },
            Err(refusal) => match self.withheld(Role::Metadata, &call.what, &refusal) {
                Some(withheld) => Ok(Metadata::NotReady(withheld)),
                None => Err(self.refused(Role::Metadata, &call.what, &refusal)),
            },
        }
    }

    fn withheld(&self, role: Role, what: &str, refusal: &Refusal) -> Option<Withheld> {
        let is_passing = self.profile.is_not_ready(refusal.status);
        (is_passing || self.profile.is_expired(refusal.status)).then(|| Withheld {
            what: what.to_owned(),
            status: refusal.status,
            said: refusal.said.clone(),
            is_passing,
            advice: Advice::check([role.line("path")]),
        })
    }

    /// Waits until the rate allows the next page of `group`.
    pub(crate) fn wait_for_page(&self, group: &str) -> anyhow::Result<()> {
        self.client.wait(1, group)
    }

    /// Downloads a page of at most `most` bytes into `sink`, without retries. The caller retries,
    /// because only the caller can check that the bytes are a complete ZIP.
    pub(crate) fn download(
        &self,
        group: &str,
        export_id: &str,
        page: (u64, u64),
        sink: &mut impl Write,
        most: u64,
    ) -> anyhow::Result<Attempt<Download>> {
        let subject = Subject {
            page: Some(page),
            ..Subject::export(group, export_id)
        };
        let spelled = self.spelled(Role::Data, subject);
        let call = ApiCall {
            lane: group,
            ..call(&spelled, "application/zip, */*", 1)
        };
        let mut reply = match self.client.once(&call)? {
            Sent::Reply(reply) => reply,
            Sent::Failed(failed) => return Ok(Attempt::Again(failed)),
        };
        match reply.status {
            200 if reply.is_html() => Ok(Attempt::Again(client::other_reply(&reply, "a ZIP"))),
            200 => match reply.copy_to(sink, most)? {
                Ok(bytes) => Ok(Attempt::Done(Download::Body {
                    bytes,
                    media_type: reply.content_type,
                })),
                Err(e) => match e.into_failed() {
                    Ok(failed) => Ok(Attempt::Again(failed)),
                    Err(e) => Err(e.context(call.what)),
                },
            },
            _ => {
                let refusal = self.refusal(&mut reply);
                match self.withheld(Role::Data, &call.what, &refusal) {
                    Some(withheld) => Ok(Attempt::Done(Download::NotReady(withheld))),
                    None => Err(self.refused(Role::Data, &call.what, &refusal)),
                }
            }
        }
    }

    /// Sends a request for JSON and retries after temporary failures. A reply with an error status
    /// is returned as a [`Refusal`].
    fn get_json(&self, call: &ApiCall<'_>) -> anyhow::Result<Result<Value, Refusal>> {
        self.client.fetch(call, |reply| {
            if !(200..300).contains(&reply.status) {
                return Ok(Attempt::Done(Err(self.refusal(reply))));
            }
            let text = match reply.text() {
                Ok(text) => text,
                Err(e) => return e.into_failed().map(Attempt::Again),
            };
            Ok(match parse(&text) {
                Some(value) => Attempt::Done(Ok(value)),
                None => Attempt::Again(client::other_reply(reply, "JSON")),
            })
        })
    }

    /// Sends the request of a role and retries after temporary failures. `read` gets the reply,
    /// whatever its status.
    pub(crate) fn ask<T>(
        &self,
        (spelled, accept, units): (&RoleRequest, &str, usize),
        read: impl FnMut(&mut Reply) -> anyhow::Result<Attempt<T>>,
    ) -> anyhow::Result<T> {
        self.client.fetch(&call(spelled, accept, units), read)
    }

    /// Uses this profile for all later requests.
    pub(crate) fn respell(&mut self, profile: Profile) {
        self.profile = profile;
    }

    /// Reads a reply with an error status: the status, the header `Allow` and the error message.
    pub(crate) fn refusal(&self, reply: &mut Reply) -> Refusal {
        Refusal {
            status: reply.status,
            allow: allowed(reply),
            said: reply.said(|text| self.profile.error_text(text)),
        }
    }

    /// The error message in a body; empty if there is none.
    fn said(&self, body: &str) -> String {
        http::shown(&self.profile.error_text(body).unwrap_or_default())
    }

    fn seen(&self, reply: &Value, request: &ExportRequest) -> Option<ExportStatus> {
        let state = self.profile.state(reply).unwrap_or_default();
        Some(ExportStatus {
            export_id: self.profile.export_id(reply)?,
            meaning: self.profile.meaning(&state),
            owner: self.profile.ownership(reply, request),
            state,
        })
    }

    /// Turns a refusal that is not retried into an error. The error says what the user must check,
    /// for example a line of the API profile. An error that concerns only one request or group does
    /// not end the run. Any other error ends the run, because the next requests would fail, too.
    fn refused(&self, role: Role, what: &str, refusal: &Refusal) -> anyhow::Error {
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

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn allowed(reply: &Reply) -> Option<String> {
    reply.header("allow").map(str::to_owned)
}

/// Builds a call of the API. The call adds `units` to the count for the rate.
fn call<'a>(spelled: &'a RoleRequest, accept: &'a str, units: usize) -> ApiCall<'a> {
    ApiCall {
        method: spelled.method,
        what: format!("{} {}", spelled.method, http::show(&spelled.url)),
        headers: &spelled.headers,
        body: spelled.body.as_deref().map(|body| RequestBody {
            content_type: JSON,
            bytes: body.as_bytes(),
        }),
        units,
        ..ApiCall::get(spelled.url.clone(), accept)
    }
}
