//! The requests of the Exports API: one method for each role, with the meaning of its statuses.
//!
//! Reads are repeated after a temporary failure. A create is not: if its reply is lost, only the
//! list shows whether the export exists.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::export_request::ExportRequest;
use super::profile::{About, Advice, Profile, Refusal, Role, RoleRequest, Subject};
pub use super::profile::{Meaning, Ownership};
use crate::error;
use crate::net::client::{self, ApiCall, Client, Sent};
use crate::net::http::{self, Reply, RequestBody, Url};
use crate::net::retry::{Attempt, is_passing};

const JSON: &str = "application/json";

/// The Exports API of one environment. Only pages count towards the rate.
#[derive(Debug)]
pub struct Exports {
    client: Client,
    profile: Profile,
    base: Url,
    /// Whether a message said that the list does not show the owner of its exports.
    is_list_reported: AtomicBool,
}

/// An export as the service shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportStatus {
    /// The service's name for it.
    pub export_id: String,
    /// Its state, as it is spelled.
    pub state: String,
    /// What that means.
    pub meaning: Meaning,
    /// Whether it is the export of the request that it was asked for with.
    pub owner: Ownership,
}

/// The result of a create.
#[derive(Debug)]
pub enum Created {
    /// The export exists.
    Accepted(ExportStatus),
    /// Another export of the group is running.
    Busy(String),
    /// No reply: it may exist.
    Lost(String),
    /// It will not be made.
    Refused {
        /// Why.
        error: anyhow::Error,
        /// The same reason holds for every request of the group.
        whole_group: bool,
        /// The reason is not that of a window, so that it may hold for others, too.
        is_general: bool,
    },
    /// Accepted, but the reply does not say as what: the line of the profile.
    Unnamed(Advice),
}

/// The number of files of an export, or why it is not known.
#[derive(Debug)]
pub enum Metadata {
    /// It is ready.
    Known {
        /// Files across all pages.
        num_of_files: u64,
        /// Bytes, if the service states them.
        size_of_export: Option<u64>,
    },
    /// The service does not return it now, although the state was READY: request the state again.
    NotReady(Withheld),
}

/// A failed request for an export that may be READY.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// The request.
    what: String,
    status: u16,
    said: String,
    /// The status is temporary.
    pub(crate) is_passing: bool,
    advice: Advice,
}

impl Withheld {
    /// An error for an export that is READY all the same, after so many tries.
    pub(crate) fn error(&self, export_id: &str, tries: u32) -> anyhow::Error {
        let Withheld {
            what, status, said, ..
        } = self;
        let said = match said.is_empty() {
            true => String::new(),
            false => format!(", {said}"),
        };
        let text = format!(
            "export {export_id} is READY, but {what} failed {tries} times with HTTP {status}{said}"
        );
        match self.is_passing {
            true => error::try_later(format!("{text}: if this continues, {}", self.advice)),
            false => error::misspelled(format!("{text}: {}", self.advice)),
        }
    }
}

/// The result of a request for a page.
#[derive(Debug)]
pub(crate) enum Download {
    /// The body went into the sink. Whether it is a ZIP is for the caller to see:
    /// the media type is not documented.
    Body {
        /// Its length.
        bytes: u64,
        /// What the service calls it.
        media_type: Option<String>,
    },
    /// The service does not return it now, although the state was READY: request the state again.
    NotReady(Withheld),
}

impl Exports {
    /// The API at `base`, asked through `client` and spelled as `profile` says.
    pub fn new(client: Client, profile: Profile, base: Url) -> Exports {
        Exports {
            client,
            profile,
            base,
            is_list_reported: AtomicBool::new(false),
        }
    }

    /// Who asks: the schedule, the rate, the clock, the request to stop.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How the API is spelled.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The request of a role.
    pub(crate) fn spelled(&self, role: Role, subject: Subject<'_>) -> RoleRequest {
        self.profile.request(role, &self.base, subject)
    }

    /// Creates an export, with one request. It is repeated only if it cannot have had an effect.
    pub fn create(&self, request: &ExportRequest) -> anyhow::Result<Created> {
        let spelled = self.spelled(Role::Create, Subject::create(request));
        let call = call(&spelled, JSON, 0);
        let mut tries = self.client.retry().tries(&call.what);
        loop {
            let failed = match self.client.once(&call)? {
                Sent::Reply(mut reply) => {
                    let allow = allowed(&reply);
                    return match reply.text() {
                        Ok(text) => {
                            let status = reply.status;
                            self.read_created(&call.what, request, (status, allow), &text)
                        }
                        Err(e) => Ok(Created::Lost(e.to_string())),
                    };
                }
                Sent::Failed(failed) => failed,
            };
            if failed.sent && failed.code != Some(429) {
                return Ok(Created::Lost(failed.why));
            }
            tries.again(failed)?;
        }
    }

    fn read_created(
        &self,
        what: &str,
        request: &ExportRequest,
        (status, allow): (u16, Option<String>),
        text: &str,
    ) -> anyhow::Result<Created> {
        let said = self.said(text);
        Ok(match (status, parse(text)) {
            (200..300, Some(reply)) => match self.seen(&reply, request) {
                Some(seen) => Created::Accepted(seen),
                None => {
                    Created::Unnamed(self.profile.fit("export_id", &reply, About::from(request)))
                }
            },
            (200..300, None) => Created::Lost("the reply is not JSON".to_owned()),
            _ if self.profile.is_busy(status, &said) => Created::Busy(said),
            _ if is_passing(status) => Created::Lost(format!("HTTP {status}")),
            _ => {
                let whole_group = status == 403 || names_group(status, &said);
                let is_general = !is_about_window(&said);
                let refusal = Refusal {
                    status,
                    said,
                    allow,
                };
                Created::Refused {
                    error: self.refused(Role::Create, what, &refusal),
                    whole_group,
                    is_general,
                }
            }
        })
    }

    /// The exports of a group, those that match `request` only.
    pub fn find(&self, request: &ExportRequest) -> anyhow::Result<Vec<ExportStatus>> {
        let reply = self.get_list(&request.group)?;
        let listed: Vec<&Value> = self.profile.listed(&reply).into_iter().flatten().collect();
        self.check_list(&listed);
        Ok(listed
            .into_iter()
            .filter(|export| self.profile.matches(export, request))
            .filter_map(|export| self.seen(export, request))
            .collect())
    }

    /// Says once that an export of ours cannot be recognised in the list.
    fn check_list(&self, listed: &[&Value]) {
        let Some(one) = listed.first() else {
            return;
        };
        let shown = self.profile.shown(one);
        let lacking = [
            ("export_id", self.profile.export_id(one).is_some()),
            ("group", shown.group.is_some()),
            ("types", shown.types.is_some()),
            ("from", shown.from.is_some()),
            ("to", shown.to.is_some()),
        ];
        for (key, _) in lacking.iter().filter(|(_, is_there)| !is_there) {
            if !self.is_list_reported.swap(true, Ordering::Relaxed) {
                log::warn!(
                    "the list of exports does not show {key}, so an export of an earlier run cannot be found in it: {}",
                    self.profile.fit(key, one, About::default())
                );
            }
        }
    }

    /// The list of a group's exports, as it came.
    pub(crate) fn get_list(&self, group: &str) -> anyhow::Result<Value> {
        let spelled = self.spelled(Role::List, Subject::group(group));
        let call = call(&spelled, JSON, 0);
        match self.get_json(&call)? {
            Ok(reply) if self.profile.listed(&reply).is_some() => Ok(reply),
            Ok(reply) => Err(error::misspelled(format!(
                "{}: the reply has no list of exports: {}",
                call.what,
                self.profile.fit("list", &reply, About::default())
            ))),
            Err(refusal) => Err(self.refused(Role::List, &call.what, &refusal)),
        }
    }

    /// The state of an export; `None` if the service does not show it.
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

    /// A 404 may mean that the export is gone, or that the path is wrong. The list decides: only an
    /// export that it does not show is given up.
    fn status_by_list(
        &self,
        request: &ExportRequest,
        export_id: &str,
        what: &str,
    ) -> anyhow::Result<Option<ExportStatus>> {
        let reply = self.get_list(&request.group)?;
        let seen = self.listed(&reply, request, export_id)?;
        if seen.is_some() {
            log::warn!(
                "{what}: HTTP 404, though the list shows the export: if this continues, check \
                 [status] path in the API profile, or set [status] mode = \"list\""
            );
        }
        Ok(seen)
    }

    /// Whose export the list says it is.
    pub(crate) fn owner_in_list(
        &self,
        request: &ExportRequest,
        export_id: &str,
    ) -> anyhow::Result<Ownership> {
        let reply = self.get_list(&request.group)?;
        let seen = self.listed(&reply, request, export_id)?;
        Ok(seen.map_or(Ownership::Unknown, |seen| seen.owner))
    }

    /// An export in a list.
    fn listed(
        &self,
        reply: &Value,
        request: &ExportRequest,
        export_id: &str,
    ) -> anyhow::Result<Option<ExportStatus>> {
        let listed = self.profile.listed(reply);
        let mut unnamed = None;
        for export in listed.into_iter().flatten() {
            match self.seen(export, request) {
                Some(seen) if seen.export_id == export_id => return Ok(Some(seen)),
                Some(_) => {}
                None => unnamed = Some(export),
            }
        }
        match unnamed {
            None => Ok(None),
            Some(export) => Err(error::misspelled(format!(
                "an export in the list has no id: {}",
                self.profile.fit("export_id", export, About::from(request))
            ))),
        }
    }

    /// How many files an export has.
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

    /// Downloads a page into `sink`, once, `most` bytes at most. The caller repeats
    /// it, since only the caller can tell whether the bytes are a whole ZIP.
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

    /// A request that answers with JSON, repeated while it fails for a passing
    /// reason; a refusal comes back as it is.
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

    /// Asks for a role, again while that fails for a passing reason. `read` takes the
    /// reply, whatever its status.
    pub(crate) fn ask<T>(
        &self,
        (spelled, accept, units): (&RoleRequest, &str, usize),
        read: impl FnMut(&mut Reply) -> anyhow::Result<Attempt<T>>,
    ) -> anyhow::Result<T> {
        self.client.fetch(&call(spelled, accept, units), read)
    }

    /// Speaks another spelling from now on.
    pub(crate) fn respell(&mut self, profile: Profile) {
        self.profile = profile;
    }

    /// The text of a reply with an error status.
    pub(crate) fn refusal(&self, reply: &mut Reply) -> Refusal {
        Refusal {
            status: reply.status,
            allow: allowed(reply),
            said: reply.said(|text| self.profile.error_text(text)),
        }
    }

    /// The message in the body of an error.
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

    /// Turns a final refusal into an error that names the line of the profile. If it does not
    /// concern only one request or group, it ends the run, because the next requests would fail
    /// too.
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

/// What a 403 says to those who may not export.
pub(crate) const RIGHT_TO_EXPORT: &str =
    "exporting needs the role OWNER in the group, and the right to export it";

/// What a 403 says to those who may not even list.
pub(crate) const RIGHT_TO_LIST: &str = "listing needs a role in the group: VIEWER, DEVELOPER, \
    MAINTAINER or OWNER; exporting needs OWNER";

/// Whether a create was refused because of its group.
fn names_group(status: u16, said: &str) -> bool {
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
fn is_about_window(said: &str) -> bool {
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

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn allowed(reply: &Reply) -> Option<String> {
    reply.header("allow").map(str::to_owned)
}

/// A request to be sent; the rate counts it as `units`.
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
