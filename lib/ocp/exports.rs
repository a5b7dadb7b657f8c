//! Speaking the Exports API: one method a role, each with its own reading of
//! what a status means.
//!
//! Reads are repeated when they fail for a passing reason. A create is not: when
//! its reply is lost, only the list can say whether the export exists.

use std::io::Write;

use serde_json::Value;

use super::export_request::ExportRequest;
use super::profile::Profile;
pub use super::profile::{Meaning, Ownership};
use crate::error;
use crate::net::client::{self, ApiCall, Client, Sent};
use crate::net::http::{self, RequestBody, Url};
use crate::net::retry::{Attempt, is_passing};

const JSON: &str = "application/json";

/// The Exports API of one environment. Only pages count towards the rate.
#[derive(Debug)]
pub struct Exports {
    client: Client,
    profile: Profile,
    base: Url,
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

/// What came of a create.
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
    },
    /// Accepted, but the reply does not say as what.
    Unnamed,
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
    /// It cannot be had now, whatever the state said: ask for that again.
    NotReady,
}

/// What came of a request for a page.
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
    /// It cannot be had now, whatever the state said: ask for that again.
    NotReady,
}

impl Exports {
    /// The API at `base`, asked through `client` and spelled as `profile` says.
    pub fn new(client: Client, profile: Profile, base: Url) -> Exports {
        Exports {
            client,
            profile,
            base,
        }
    }

    /// Who asks: the schedule, the rate, the clock, the request to stop.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Asks for an export, once. Only what cannot have had an effect is repeated.
    pub fn create(&self, request: &ExportRequest) -> anyhow::Result<Created> {
        let (url, body) = self.profile.create(&self.base, request);
        let body = RequestBody {
            content_type: JSON,
            bytes: body.as_bytes(),
        };
        let call = ApiCall {
            units: 0,
            ..ApiCall::post(url, JSON, body)
        };
        let mut tries = self.client.retry().tries(&call.what);
        loop {
            let failed = match self.client.once(&call)? {
                Sent::Reply(mut reply) => {
                    return match reply.text() {
                        Ok(text) => self.read_created(&call.what, request, reply.status, &text),
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
        status: u16,
        text: &str,
    ) -> anyhow::Result<Created> {
        let said = self.said(text);
        Ok(match status {
            200..300 => match parse(text)
                .as_ref()
                .and_then(|reply| self.seen(reply, request))
            {
                Some(seen) => Created::Accepted(seen),
                None if parse(text).is_some() => Created::Unnamed,
                None => Created::Lost("the reply is not JSON".to_owned()),
            },
            409 => Created::Busy(said),
            400 if self.profile.is_busy(&said) => Created::Busy(said),
            _ if is_passing(status) => Created::Lost(format!("HTTP {status}")),
            _ => Created::Refused {
                error: refusal(what, status, &said),
                whole_group: concerns_group(status, &said),
            },
        })
    }

    /// The exports of a group, those that match `request` only.
    pub fn find(&self, request: &ExportRequest) -> anyhow::Result<Vec<ExportStatus>> {
        let reply = self.get_list(&request.group)?;
        let listed = self.profile.listed(&reply).into_iter().flatten();
        Ok(listed
            .filter(|export| self.profile.matches(export, request))
            .filter_map(|export| self.seen(export, request))
            .collect())
    }

    fn get_list(&self, group: &str) -> anyhow::Result<Value> {
        let url = self.profile.list(&self.base, group);
        let call = control(url);
        match self.get_json(&call)? {
            Ok(reply) if self.profile.listed(&reply).is_some() => Ok(reply),
            Ok(_) => Err(error::refused(format!(
                "{}: the reply holds no list of exports: check [reply] list in the API profile",
                call.what
            ))),
            Err((status, said)) => Err(refusal(&call.what, status, &said)),
        }
    }

    /// The state of an export; `None` if the service does not show it.
    pub fn status(
        &self,
        request: &ExportRequest,
        export_id: &str,
    ) -> anyhow::Result<Option<ExportStatus>> {
        let group = &request.group;
        let Some(url) = self.profile.status(&self.base, group, export_id) else {
            let reply = self.get_list(group)?;
            return Ok(self.listed(&reply, request, export_id));
        };
        let call = control(url);
        match self.get_json(&call)? {
            Ok(reply) => match self.profile.state(&reply) {
                Some(state) => Ok(Some(ExportStatus {
                    export_id: export_id.to_owned(),
                    meaning: self.profile.meaning(&state),
                    owner: self.profile.ownership(&reply, request),
                    state,
                })),
                None => Err(error::refused(format!(
                    "{}: the reply holds no status: check [reply] status in the API profile",
                    call.what
                ))),
            },
            Err((404 | 410, _)) => self.status_by_list(request, export_id, &call.what),
            Err((status, said)) => Err(refusal(&call.what, status, &said)),
        }
    }

    /// A 404 may mean that the export is gone, or that there is no such path: the
    /// list knows, and only what it does not show is given up.
    fn status_by_list(
        &self,
        request: &ExportRequest,
        export_id: &str,
        what: &str,
    ) -> anyhow::Result<Option<ExportStatus>> {
        let reply = self.get_list(&request.group)?;
        let seen = self.listed(&reply, request, export_id);
        if seen.is_some() {
            log::warn!(
                "{what}: HTTP 404, though the list shows the export: if that goes on, set [status] mode = \"list\" in the API profile"
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
        let seen = self.listed(&reply, request, export_id);
        Ok(seen.map_or(Ownership::Unknown, |seen| seen.owner))
    }

    fn listed(
        &self,
        reply: &Value,
        request: &ExportRequest,
        export_id: &str,
    ) -> Option<ExportStatus> {
        let listed = self.profile.listed(reply).into_iter().flatten();
        let mut seen = listed.filter_map(|export| self.seen(export, request));
        seen.find(|seen| seen.export_id == export_id)
    }

    /// How many files an export has.
    pub fn metadata(&self, group: &str, export_id: &str) -> anyhow::Result<Metadata> {
        let url = self.profile.metadata(&self.base, group, export_id);
        let call = control(url);
        match self.get_json(&call)? {
            Ok(reply) => match self.profile.metadata_of(&reply) {
                Some((num_of_files, size_of_export)) => Ok(Metadata::Known {
                    num_of_files,
                    size_of_export,
                }),
                None => Err(error::refused(format!(
                    "{}: the reply holds no number of files: check [reply] num_of_files in the API profile",
                    call.what
                ))),
            },
            Err((404 | 409 | 410, _)) => Ok(Metadata::NotReady),
            Err((status, said)) => Err(refusal(&call.what, status, &said)),
        }
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
        let (url, headers) = self
            .profile
            .data(&self.base, group, export_id, page.0, page.1);
        let call = ApiCall {
            headers: &headers,
            lane: group,
            ..ApiCall::get(url, "application/zip, */*")
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
            404 | 409 | 410 => Ok(Attempt::Done(Download::NotReady)),
            status => {
                let said = reply.said(|text| self.profile.error_text(text));
                Err(refusal(&call.what, status, &said))
            }
        }
    }

    /// A GET that answers with JSON, repeated while it fails for a passing
    /// reason; a refusal comes back as its status and what it says.
    fn get_json(&self, call: &ApiCall<'_>) -> anyhow::Result<Result<Value, (u16, String)>> {
        self.client.fetch(call, |reply| {
            if !(200..300).contains(&reply.status) {
                let said = reply.said(|text| self.profile.error_text(text));
                return match reply.status {
                    403 => Err(refusal(&call.what, 403, &said)),
                    status => Ok(Attempt::Done(Err((status, said)))),
                };
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

    /// What the body of an error says, for a message.
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
}

/// Whether a create was refused for a reason that other windows of the group share.
fn concerns_group(status: u16, said: &str) -> bool {
    const REASONS: [&str; 5] = [
        "unknown group",
        "no such group",
        "not found",
        "does not exist",
        "invalid group",
    ];
    let said = said.to_lowercase();
    let names_it = || said.contains("group") && REASONS.iter().any(|reason| said.contains(reason));
    matches!(status, 403 | 404) || matches!(status, 400 | 422) && names_it()
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// A GET that the rate does not count.
fn control(url: Url) -> ApiCall<'static> {
    ApiCall {
        units: 0,
        ..ApiCall::get(url, JSON)
    }
}

fn refusal(what: &str, status: u16, said: &str) -> anyhow::Error {
    let hint = match status {
        300..400 => "redirected: give the final URL as --api-url",
        403 => "exporting takes the role OWNER in a group that the user is allowed to export",
        404 | 405 => "check --api-url and the paths of the API profile",
        _ => "",
    };
    let failure = client::refusal(what, status, said, hint);
    match status {
        // Other groups may be allowed.
        403 => failure.narrow().into(),
        _ => failure.into(),
    }
}
