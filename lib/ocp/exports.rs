//! Speaking the Exports API: one method a role, each with its own reading of
//! what a status means, and one gate that every request passes.
//!
//! Reads are repeated when they fail for a passing reason. A create is not: when
//! its reply is lost, only the list can say whether the export exists.

use std::io::Write;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::auth::Auth;
use super::profile::{Meaning, Profile};
use crate::error::{self, Failure, Status};
use crate::net::attempts::{Attempt, Attempts, Trouble};
use crate::net::http::{self, Http, NetError, Reply, Request, RequestBody, Url};
use crate::net::retry::{Rate, SlidingWindow, is_passing};
use crate::net::secret::Secret;
use crate::ocp::export_request::ExportRequest;
use crate::os::mutex::lock;

/// The API of one environment, with what it takes to be let in.
#[derive(Debug)]
pub struct Exports {
    http: Http,
    auth: Auth,
    attempts: Attempts,
    profile: Profile,
    base: Url,
    rate: Rate,
    pace: Mutex<SlidingWindow>,
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
    Refused(anyhow::Error),
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
        /// Bytes, as the service states them.
        size_of_export: u64,
    },
    /// It cannot be had now, whatever the state said: ask for that again.
    NotReady,
}

/// What came of a request for a page.
#[derive(Debug)]
pub enum Download {
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

/// What a request is for; says which limit counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Control,
    Data,
}

impl Exports {
    /// The API at `base`, asked for pages at `rate` at most.
    pub fn new(
        http: Http,
        auth: Auth,
        attempts: Attempts,
        profile: Profile,
        base: Url,
        rate: Rate,
    ) -> Exports {
        Exports {
            http,
            auth,
            attempts,
            profile,
            base,
            rate,
            pace: Mutex::new(SlidingWindow::new(rate)),
        }
    }

    /// The clock, the jitter and the request to stop.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Counts a page that an earlier run was about to request `age` ago. When the
    /// service heard of it is not known: somewhat later.
    pub fn count_earlier(&self, age: Duration) {
        let age = age.saturating_sub(self.rate.per / 10);
        if age < self.rate.per
            && let Some(at) = Instant::now().checked_sub(age)
        {
            self.pace().count(at);
        }
    }

    /// Asks for an export, once. Only what cannot have had an effect is repeated.
    pub fn create(&self, order: &ExportRequest) -> anyhow::Result<Created> {
        let (url, body) = self.profile.create(&self.base, order);
        let what = format!("POST {}", http::show(&url));
        self.attempts.run(&what, || {
            let sent = self.call(Role::Control, &url, &[], Some(body.as_bytes()))?;
            let mut reply = match sent {
                Ok(reply) => reply,
                Err(e) if e.unsent || !e.passing => return e.into_attempt(),
                Err(e) => return Ok(Attempt::Done(Created::Lost(e.to_string()))),
            };
            if reply.status == 429 {
                return Ok(Attempt::Again(self.slow_down(&mut reply, Role::Control)));
            }
            let text = match reply.text() {
                Ok(text) => text,
                Err(e) => return Ok(Attempt::Done(Created::Lost(e.to_string()))),
            };
            Ok(Attempt::Done(self.read_created(
                &what,
                reply.status,
                &text,
            )?))
        })
    }

    fn read_created(&self, what: &str, status: u16, text: &str) -> anyhow::Result<Created> {
        let said = self.profile.error_text(text).unwrap_or_default();
        Ok(match status {
            200..300 => match parse(text).as_ref().and_then(|reply| self.seen(reply)) {
                Some(seen) => Created::Accepted(seen),
                None if parse(text).is_some() => Created::Unnamed,
                None => Created::Lost("the reply is not JSON".to_owned()),
            },
            409 => Created::Busy(said),
            400 if self.profile.is_busy(&said) => Created::Busy(said),
            _ if is_passing(status) => Created::Lost(format!("HTTP {status}")),
            403 => Created::Refused(forbidden(what, &said)),
            _ => Created::Refused(refusal(what, status, &said)),
        })
    }

    /// The exports of a group, those that match `order` only.
    pub fn find(&self, order: &ExportRequest) -> anyhow::Result<Vec<ExportStatus>> {
        let reply = self.get_list(&order.group)?;
        let listed = self.profile.listed(&reply).into_iter().flatten();
        Ok(listed
            .filter(|export| self.profile.matches(export, order))
            .filter_map(|export| self.seen(export))
            .collect())
    }

    fn get_list(&self, group: &str) -> anyhow::Result<Value> {
        let url = self.profile.list(&self.base, group);
        let what = format!("GET {}", http::show(&url));
        match self.get_json(&what, &url)? {
            Ok(reply) if self.profile.listed(&reply).is_some() => Ok(reply),
            Ok(_) => Err(error::refused(format!(
                "{what}: the reply holds no list of exports: check [reply] list in the API profile"
            ))),
            Err((status, said)) => Err(refusal(&what, status, &said)),
        }
    }

    /// The state of an export; `None` if the service does not know it. Status 65
    /// if what it shows is the export of another order.
    pub fn status(
        &self,
        order: &ExportRequest,
        export_id: &str,
    ) -> anyhow::Result<Option<ExportStatus>> {
        let group = &order.group;
        let Some(url) = self.profile.status(&self.base, group, export_id) else {
            let reply = self.get_list(group)?;
            return self.listed(&reply, order, export_id);
        };
        let what = format!("GET {}", http::show(&url));
        match self.get_json(&what, &url)? {
            Ok(reply) if self.profile.contradicts(&reply, order) => Err(foreign(export_id)),
            Ok(reply) => match self.profile.state(&reply) {
                Some(state) => Ok(Some(ExportStatus {
                    export_id: export_id.to_owned(),
                    meaning: self.profile.meaning(&state),
                    state,
                })),
                None => Err(error::refused(format!(
                    "{what}: the reply holds no status: check [reply] status in the API profile"
                ))),
            },
            Err((404 | 410, _)) => self.status_by_list(order, export_id, &what),
            Err((status, said)) => Err(refusal(&what, status, &said)),
        }
    }

    /// A 404 may mean that the export is gone, or that there is no such path: the
    /// list knows, and only what it does not show is given up.
    fn status_by_list(
        &self,
        order: &ExportRequest,
        export_id: &str,
        what: &str,
    ) -> anyhow::Result<Option<ExportStatus>> {
        let reply = self.get_list(&order.group)?;
        let seen = self.listed(&reply, order, export_id)?;
        if seen.is_some() {
            log::warn!(
                "{what}: HTTP 404, though the list shows the export: if that goes on, set [status] mode = \"list\" in the API profile"
            );
        }
        Ok(seen)
    }

    fn listed(
        &self,
        reply: &Value,
        order: &ExportRequest,
        export_id: &str,
    ) -> anyhow::Result<Option<ExportStatus>> {
        let listed = self.profile.listed(reply).into_iter().flatten();
        for export in listed {
            match self.seen(export) {
                Some(seen) if seen.export_id != export_id => {}
                Some(_) if self.profile.contradicts(export, order) => {
                    return Err(foreign(export_id));
                }
                Some(seen) => return Ok(Some(seen)),
                None => {}
            }
        }
        Ok(None)
    }

    /// How many files an export has.
    pub fn metadata(&self, group: &str, export_id: &str) -> anyhow::Result<Metadata> {
        let url = self.profile.metadata(&self.base, group, export_id);
        let what = format!("GET {}", http::show(&url));
        match self.get_json(&what, &url)? {
            Ok(reply) => match self.profile.metadata_of(&reply) {
                Some((num_of_files, size_of_export)) => Ok(Metadata::Known {
                    num_of_files,
                    size_of_export,
                }),
                None => Err(error::refused(format!(
                    "{what}: the reply holds no number of files: check [reply] num_of_files in the API profile"
                ))),
            },
            Err((404 | 409 | 410, _)) => Ok(Metadata::NotReady),
            Err((status, said)) => Err(refusal(&what, status, &said)),
        }
    }

    /// Downloads a page into `sink`, once, when the rate allows it. The caller
    /// repeats, since only it can tell whether the bytes are a whole ZIP; `before`
    /// is called when the wait is over.
    pub fn download(
        &self,
        group: &str,
        export_id: &str,
        page: (u64, u64),
        sink: &mut impl Write,
        before: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Attempt<Download>> {
        let (url, headers) = self
            .profile
            .data(&self.base, group, export_id, page.0, page.1);
        let what = format!("GET {}", http::show(&url));
        self.wait(Role::Data)?;
        before()?;
        let mut reply = match self.call(Role::Data, &url, &headers, None)? {
            Ok(reply) => reply,
            Err(e) => {
                // It may have been heard, at the latest by now.
                if !e.unsent {
                    self.pace().count(Instant::now());
                }
                return e.into_attempt();
            }
        };
        if reply.status == 429 {
            return Ok(Attempt::Again(self.slow_down(&mut reply, Role::Data)));
        }
        self.pace().count(reply.began);
        if let Some(trouble) = self.attempts.trouble_of(&mut reply) {
            return Ok(Attempt::Again(trouble));
        }
        if reply.status == 200 {
            return match reply.copy_to(sink)? {
                Ok(bytes) => Ok(Attempt::Done(Download::Body {
                    bytes,
                    media_type: reply.content_type,
                })),
                Err(e) => e.into_attempt(),
            };
        }
        let said = reply.text().unwrap_or_default();
        let said = self.profile.error_text(&said).unwrap_or_default();
        match reply.status {
            404 | 409 | 410 => Ok(Attempt::Done(Download::NotReady)),
            403 => Err(forbidden(&what, &said)),
            status => Err(refusal(&what, status, &said)),
        }
    }

    /// A GET that answers with JSON, repeated while it fails for a passing
    /// reason; a refusal comes back as its status and what it says.
    fn get_json(&self, what: &str, url: &Url) -> anyhow::Result<Result<Value, (u16, String)>> {
        self.attempts.run(what, || {
            let mut reply = match self.call(Role::Control, url, &[], None)? {
                Ok(reply) => reply,
                Err(e) => return e.into_attempt(),
            };
            if reply.status == 429 {
                return Ok(Attempt::Again(self.slow_down(&mut reply, Role::Control)));
            }
            if let Some(trouble) = self.attempts.trouble_of(&mut reply) {
                return Ok(Attempt::Again(trouble));
            }
            let text = match reply.text() {
                Ok(text) => text,
                Err(e) => return e.into_attempt(),
            };
            if !(200..300).contains(&reply.status) {
                let said = self.profile.error_text(&text).unwrap_or_default();
                if reply.status == 403 {
                    return Err(forbidden(what, &said));
                }
                return Ok(Attempt::Done(Err((reply.status, said))));
            }
            Ok(match parse(&text) {
                Some(value) => Attempt::Done(Ok(value)),
                // A proxy's page with status 200: it may pass.
                None => Attempt::Again(Trouble {
                    why: "the reply is not JSON".to_owned(),
                    asked: None,
                    status: Status::Refused,
                }),
            })
        })
    }

    /// One request, let in: a 401 renews the token once.
    fn call(
        &self,
        role: Role,
        url: &Url,
        headers: &[(String, String)],
        body: Option<&[u8]>,
    ) -> anyhow::Result<Result<Reply, NetError>> {
        let mut rejected: Option<Secret> = None;
        loop {
            self.wait(role)?;
            let credential = self.auth.header(rejected.as_ref(), &self.attempts)?;
            let sent = self.http.send(&Request {
                url: url.clone(),
                accept: if role == Role::Data {
                    "application/zip, */*"
                } else {
                    "application/json"
                },
                credentials: std::slice::from_ref(&credential),
                headers,
                body: body.map(|bytes| RequestBody {
                    content_type: "application/json",
                    bytes,
                }),
            });
            match sent {
                Ok(reply) if reply.status == 401 => {
                    let method = if body.is_some() { "POST" } else { "GET" };
                    if rejected.is_some() {
                        return Err(error::auth(format!(
                            "{method} {}: HTTP 401, even with a new token: is it for this environment?",
                            http::show(url)
                        )));
                    }
                    log::info!("{method} {}: HTTP 401; renewing the token", http::show(url));
                    rejected = Some(credential.1);
                }
                Ok(reply) => return Ok(Ok(reply)),
                Err(e) => return Ok(Err(e)),
            }
        }
    }

    /// Waits until a request is allowed.
    fn wait(&self, role: Role) -> anyhow::Result<()> {
        loop {
            let now = Instant::now();
            let wait = match role {
                Role::Data => self.pace().wait(now),
                Role::Control => self.pace().closed(now),
            };
            if wait.is_zero() {
                return Ok(());
            }
            self.attempts.stop().sleep(wait)?;
        }
    }

    /// A 429 moves the whole schedule: the limit counts all requests of a group.
    /// Without Retry-After, one place among the ZIPs comes free in a limit's part
    /// of the window on average.
    fn slow_down(&self, reply: &mut Reply, role: Role) -> Trouble {
        let trouble = self.attempts.trouble_of(reply).unwrap_or(Trouble {
            why: "HTTP 429".to_owned(),
            asked: None,
            status: Status::TryLater,
        });
        let places = u32::try_from(self.rate.limit).unwrap_or(u32::MAX);
        let pause = match role {
            Role::Data => trouble.asked.or(Some(self.rate.per / places)),
            Role::Control => trouble.asked,
        };
        if let Some(until) = pause.and_then(|pause| reply.began.checked_add(pause)) {
            self.pace().close_until(until);
        }
        trouble
    }

    fn seen(&self, reply: &Value) -> Option<ExportStatus> {
        let state = self.profile.state(reply).unwrap_or_default();
        Some(ExportStatus {
            export_id: self.profile.export_id(reply)?,
            meaning: self.profile.meaning(&state),
            state,
        })
    }

    fn pace(&self) -> MutexGuard<'_, SlidingWindow> {
        lock(&self.pace)
    }
}

fn foreign(export_id: &str) -> anyhow::Error {
    error::bad_input(format!(
        "export {export_id} is of another group, of other types or of other hours"
    ))
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn forbidden(what: &str, said: &str) -> anyhow::Error {
    let text = format!(
        "{}: exporting takes the role OWNER in a group that the user is allowed to export",
        with_words(what, 403, said)
    );
    // Other groups may be allowed.
    Failure::new(Status::Auth, text).narrow().into()
}

fn refusal(what: &str, status: u16, said: &str) -> anyhow::Error {
    let text = with_words(what, status, said);
    error::refused(match status {
        300..400 => format!("{text}: redirected: give the final URL as --api-url"),
        404 | 405 => format!("{text}: check --api-url and the paths of the API profile"),
        _ => text,
    })
}

fn with_words(what: &str, status: u16, said: &str) -> String {
    // What a service says is for one line of a log.
    let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
    match said.as_str() {
        "" => format!("{what}: HTTP {status}"),
        said => format!("{what}: HTTP {status}, {said}"),
    }
}
