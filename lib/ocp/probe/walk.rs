//! The roles in their order, from the harmless to the costly.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::ask::{Asker, advised};
use super::page;
use crate::cli::probe::{ProbeReport, ProbeStep};
use crate::error::{self, Status};
use crate::export::window::Window;
use crate::net::client::Access;
use crate::ocp::claims::claims;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::exports::Exports;
use crate::ocp::profile::{About, Advice, Meaning, Profile, Role, Subject};
use crate::os::redaction;
use crate::time::{Timestamp, parse_duration, parse_positive_duration, show_duration};

/// Data are exported when they are this old.
const FRESH: Duration = Duration::from_secs(3 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// What to probe with.
#[derive(Args, Clone, Debug)]
pub struct ProbeArgs {
    /// The OCP group.
    #[arg(long, value_name = "GROUP")]
    pub group: String,

    /// Make an export of one hour, wait for it and download a page or two of it. It takes
    /// the group's slot for that long. Without it nothing is made.
    #[arg(long)]
    pub create: bool,

    /// The message type to export with --create.
    #[arg(long = "type", value_name = "TYPE", default_value = "dialog_end")]
    pub kind: String,

    /// The hour to export with --create, by any time in it. [default: the last but two]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub from: Option<String>,

    /// Ask for the state of the export every DUR.
    #[arg(long, value_name = "DUR", default_value = "5s", value_parser = parse_positive_duration)]
    pub poll: Duration,

    /// Wait at most DUR for the export to become READY.
    #[arg(long, value_name = "DUR", default_value = "15m", value_parser = parse_duration)]
    pub max_wait: Duration,
}

/// A walk over the roles.
#[derive(Debug)]
pub struct Probe<'a> {
    args: &'a ProbeArgs,
    asker: Asker,
    temp_dir: PathBuf,
    report: ProbeReport<'a>,
}

/// An export that can be asked about.
struct KnownExport {
    id: String,
    request: Option<ExportRequest>,
    meaning: Meaning,
    /// The list shows it.
    is_listed: bool,
}

impl<'a> Probe<'a> {
    /// A probe of `api`; pages wait in `temp_dir`, steps go to `report`.
    pub fn new(
        args: &'a ProbeArgs,
        api: Exports,
        temp_dir: PathBuf,
        report: ProbeReport<'a>,
    ) -> Probe<'a> {
        Probe {
            args,
            asker: Asker { api, refusal: None },
            temp_dir,
            report,
        }
    }

    /// Walks the roles, and returns the profile as corrected so far, with the report.
    /// A step that fails is no error.
    pub fn run(mut self, access: &dyn Access) -> anyhow::Result<(Profile, ProbeReport<'a>)> {
        if self.token(access)? {
            self.roles()?;
        }
        Ok((self.asker.profile().clone(), self.report))
    }

    fn add(&mut self, step: &ProbeStep) -> anyhow::Result<()> {
        let status = [
            Status::Refused,
            Status::Auth,
            Status::TryLater,
            Status::BadInput,
        ]
        .into_iter()
        .find(|status| status.code() == step.exit);
        self.report.add(step, status.unwrap_or(Status::Failed))
    }

    /// Adds a step that may have ended in an error. An error of the disk or a signal
    /// ends the walk.
    fn end<T: Default>(
        &mut self,
        mut step: ProbeStep,
        result: anyhow::Result<(ProbeStep, T)>,
    ) -> anyhow::Result<T> {
        match result {
            Ok((step, value)) => {
                self.add(&step)?;
                Ok(value)
            }
            Err(e) => {
                let status = Status::of(&e);
                let is_of_service = matches!(
                    status,
                    Status::Refused | Status::Auth | Status::TryLater | Status::BadInput
                );
                self.asker.api.client().retry().stop().check()?;
                if !is_of_service {
                    return Err(e);
                }
                step.fail(status, redaction::clean(&format!("{e:#}")));
                self.add(&step)?;
                Ok(T::default())
            }
        }
    }

    /// Whether there is a token at all, and what it says.
    fn token(&mut self, access: &dyn Access) -> anyhow::Result<bool> {
        let step = ProbeStep::new("token", "a token for the API, or a personal access token");
        let retry = self.asker.api.client().retry();
        let result = access.credential(None, retry).map(|credential| {
            let mut step = step.clone();
            let claims = credential.as_ref().and_then(|(_, value)| claims(value));
            step.found = match claims {
                None => "there is one; it does not say what it is good for".to_owned(),
                Some(claims) => {
                    let shown =
                        |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
                    format!(
                        "realm {}, user {}, groups {}, roles {}, until {}",
                        shown(&claims.realm),
                        shown(&claims.username),
                        listed(&claims.groups),
                        listed(&claims.roles),
                        shown(&claims.expires_at)
                    )
                }
            };
            (step, true)
        });
        self.end(step, result)
    }

    fn roles(&mut self) -> anyhow::Result<()> {
        let expected = "a list of exports, each with an id, a status, a group, types and times";
        let step = ProbeStep::new("list", expected);
        let result = self.list(step.clone());
        let Some(entries) = self.end(step, result)? else {
            return self.skip(
                &["create", "status", "metadata", "data"],
                "the list comes first",
            );
        };
        let mut known = self.choose(&entries);
        if self.args.create {
            let request = self.request()?;
            let step = ProbeStep::new("create", "the id of a new export");
            let result = self.create(step.clone(), &request, &entries);
            known = self.end(step, result)?;
        }
        let Some(mut known) = known else {
            let why = match self.args.create {
                true => "there is no export to ask about",
                false => "there is no export to ask about; --create makes one",
            };
            let rest = ["status", "metadata", "data"];
            return self.skip(&rest, why);
        };
        let step = ProbeStep::new("status", "the state of an export, at [reply] status");
        let result = self.status(step.clone(), &mut known);
        self.end(step, result)?;
        if known.meaning != Meaning::Ready {
            return self.skip(&["metadata", "data"], "no export is READY");
        }
        let step = ProbeStep::new("metadata", "the number of files, at [reply] num_of_files");
        let result = self.metadata(step.clone(), &known);
        let files = self.end(step, result)?;
        match files {
            _ if !self.args.create => self.skip(&["data"], "a download takes --create"),
            None => self.skip(&["data"], "the number of files is not known"),
            Some(0) => self.skip(
                &["data"],
                "the export is empty; --from chooses another hour",
            ),
            Some(files) => {
                let step = ProbeStep::new("data", "a ZIP");
                let subject = Subject::export(&self.args.group, &known.id);
                let result = page::pages(&mut self.asker, subject, files, &self.temp_dir);
                self.end(step, result.map(|step| (step, ())))
            }
        }
    }

    fn skip(&mut self, roles: &[&'static str], why: &str) -> anyhow::Result<()> {
        for role in roles {
            let is_asked_for = *role != "create" || self.args.create;
            if is_asked_for {
                self.add(&ProbeStep::skip(role, why))?;
            }
        }
        Ok(())
    }

    /// The exports that the list shows.
    fn list(&mut self, mut step: ProbeStep) -> anyhow::Result<(ProbeStep, Option<Vec<Value>>)> {
        let about = About {
            group: Some(&self.args.group),
            request: None,
        };
        let asker = &mut self.asker;
        let subject = Subject::group(&self.args.group);
        let Some(reply) = asker.json(Role::List, subject, &mut step)? else {
            return Ok((step, None));
        };
        let has_list = |profile: &Profile, reply: &Value| profile.listed(reply).is_some();
        if !asker.need("list", &reply, about, &mut step, has_list)? {
            return Ok((step, None));
        }
        let entries = asker.profile().listed(&reply).cloned().unwrap_or_default();
        if let Some(one) = entries.first() {
            let has_id = |profile: &Profile, one: &Value| profile.export_id(one).is_some();
            let has_state = |profile: &Profile, one: &Value| profile.state(one).is_some();
            let is_whole = asker.need("export_id", one, about, &mut step, has_id)?
                && asker.need("status", one, about, &mut step, has_state)?;
            if !is_whole {
                return Ok((step, None));
            }
            self.recognise(one, about, &mut step)?;
        }
        if step.ok {
            step.found = match entries.len() {
                0 => "no exports".to_owned(),
                1 => "1 export".to_owned(),
                count => format!("{count} exports"),
            };
        }
        Ok((step, Some(entries)))
    }

    /// By what an export of ours is recognised in the list. It helps after a crash only,
    /// so what is missing for good is no failure.
    fn recognise(
        &mut self,
        one: &Value,
        about: About<'_>,
        step: &mut ProbeStep,
    ) -> anyhow::Result<()> {
        for key in ["group", "types", "from", "to"] {
            let get = move |profile: &Profile, one: &Value| {
                let shown = profile.shown(one);
                match key {
                    "group" => shown.group.is_some(),
                    "types" => shown.types.is_some(),
                    "from" => shown.from.is_some(),
                    _ => shown.to.is_some(),
                }
            };
            let before = step.clone();
            if !self.asker.need(key, one, about, step, get)? {
                *step = before;
            }
        }
        Ok(())
    }

    /// An export of the list to ask about: one that is READY, if there is one.
    fn choose(&self, entries: &[Value]) -> Option<KnownExport> {
        let profile = self.asker.profile();
        let known = |one: &Value| {
            Some(KnownExport {
                id: profile.export_id(one)?,
                request: None,
                meaning: profile.meaning(&profile.state(one)?),
                is_listed: true,
            })
        };
        let rank = |known: &KnownExport| match known.meaning {
            Meaning::Ready => 0,
            Meaning::Unknown => 1,
            Meaning::Pending => 2,
            Meaning::Expired | Meaning::Failed => 3,
        };
        let all: Vec<KnownExport> = entries.iter().filter_map(known).collect();
        all.into_iter().min_by_key(rank)
    }

    /// The smallest export.
    fn request(&self) -> anyhow::Result<ExportRequest> {
        let now = self.asker.api.client().retry().now();
        let from = match &self.args.from {
            None => now.minus(FRESH),
            Some(text) => {
                Timestamp::parse(text, now).map_err(|e| error::usage(format!("--from: {e}")))?
            }
        };
        let from = from.floor_hour();
        let window = Window::new(from, from.plus(HOUR));
        let window = window.ok_or_else(|| error::usage("--from is not in the calendar"))?;
        Ok(ExportRequest {
            group: self.args.group.clone(),
            types: [self.args.kind.clone()].into(),
            window,
        })
    }

    /// A new export, or the one of an earlier probe.
    fn create(
        &mut self,
        mut step: ProbeStep,
        request: &ExportRequest,
        entries: &[Value],
    ) -> anyhow::Result<(ProbeStep, Option<KnownExport>)> {
        let asker = &mut self.asker;
        let profile = asker.profile();
        let of_probe = entries.iter().find_map(|one| {
            let meaning = profile.meaning(&profile.state(one)?);
            let is_alive = !matches!(meaning, Meaning::Expired | Meaning::Failed);
            let is_ours = is_alive && profile.matches(one, request);
            is_ours.then(|| KnownExport {
                id: profile.export_id(one).unwrap_or_default(),
                request: Some(request.clone()),
                meaning,
                is_listed: true,
            })
        });
        if let Some(known) = of_probe {
            step.found = format!(
                "not asked for: export {} of this hour is there already",
                known.id
            );
            return Ok((step, Some(known)));
        }
        let Some(reply) = asker.json(Role::Create, Subject::create(request), &mut step)? else {
            let refusal = asker.refusal.clone().unwrap_or_default();
            if asker.profile().is_busy(refusal.status, &refusal.said) {
                let text = format!("another export of the group is running: {}", refusal.said);
                step.fail(Status::TryLater, text);
            }
            return Ok((step, None));
        };
        let has_id = |profile: &Profile, reply: &Value| profile.export_id(reply).is_some();
        let about = About::from(request);
        if !asker.need("export_id", &reply, about, &mut step, has_id)? {
            return Ok((step, None));
        }
        let profile = asker.profile();
        let id = profile.export_id(&reply).unwrap_or_default();
        if step.ok {
            step.found = format!("export {id}: {request}");
        }
        let known = KnownExport {
            id,
            request: Some(request.clone()),
            meaning: Meaning::Pending,
            is_listed: false,
        };
        Ok((step, Some(known)))
    }

    /// Asks for the state, with --create until it is READY.
    fn status(
        &mut self,
        mut step: ProbeStep,
        known: &mut KnownExport,
    ) -> anyhow::Result<(ProbeStep, ())> {
        let begun = self.asker.api.client().retry().instant();
        loop {
            let Some(state) = self.state(&mut step, known)? else {
                return Ok((step, ()));
            };
            known.meaning = self.asker.profile().meaning(&state);
            if known.meaning == Meaning::Unknown {
                self.unknown_state(&state, known, &mut step)?;
            }
            let is_pending = matches!(known.meaning, Meaning::Pending | Meaning::Unknown);
            let retry = self.asker.api.client().retry();
            let waited = retry.instant() - begun;
            if is_pending && self.args.create && waited <= self.args.max_wait {
                retry.sleep(self.args.poll)?;
                continue;
            }
            match known.meaning {
                Meaning::Unknown => {
                    let text = format!("the state is {state}, which is not known");
                    step.fail(Status::Refused, text);
                    let advice = self.asker.profile().fit_state(&state, false);
                    step.advice.push(advised(&advice));
                    // Whether it has metadata would tell.
                    let metadata = Advice::check([Role::Metadata.line("path")]);
                    step.advice.push(advised(&metadata));
                }
                Meaning::Pending if self.args.create => {
                    let waited = show_duration(waited);
                    let text = format!("still {state} after {waited}: run the probe again later");
                    step.fail(Status::TryLater, text);
                }
                Meaning::Failed if self.args.create => {
                    step.fail(Status::Refused, format!("the export ended as {state}"));
                }
                _ if step.ok => step.found = format!("export {} is {state}", known.id),
                _ => {}
            }
            return Ok((step, ()));
        }
    }

    /// The state of an export, by the role that the profile says.
    fn state(
        &mut self,
        step: &mut ProbeStep,
        known: &KnownExport,
    ) -> anyhow::Result<Option<String>> {
        let group = self.args.group.clone();
        let about = About {
            group: Some(&group),
            request: known.request.as_ref(),
        };
        let has_state = |profile: &Profile, one: &Value| profile.state(one).is_some();
        let one = if self.asker.profile().asks_for_status() {
            let subject = Subject::export(&group, &known.id);
            match self.asker.json(Role::Status, subject, step)? {
                Some(reply) => reply,
                None if self
                    .asker
                    .refusal
                    .as_ref()
                    .is_some_and(|r| matches!(r.status, 404 | 410)) =>
                {
                    let Some(listed) = self.find(step, known)? else {
                        return Ok(None);
                    };
                    step.found += ", though the list shows the export";
                    let advice = Advice::set(Role::Status.line("mode"), "list");
                    self.asker.take(&advice, step)?;
                    listed
                }
                None => return Ok(None),
            }
        } else {
            match self.find(step, known)? {
                Some(listed) => listed,
                None => {
                    step.fail(Status::TryLater, "the list does not show the export");
                    return Ok(None);
                }
            }
        };
        if !self.asker.need("status", &one, about, step, has_state)? {
            return Ok(None);
        }
        // The entries of a list that was empty before.
        if !known.is_listed && step.ok {
            self.recognise(&one, about, step)?;
        }
        Ok(self.asker.profile().state(&one))
    }

    /// An export in the list, asked for anew.
    fn find(&mut self, step: &mut ProbeStep, known: &KnownExport) -> anyhow::Result<Option<Value>> {
        let mut of_list = ProbeStep::new("list", "");
        let (of_list, entries) = {
            let result = self.list(std::mem::replace(&mut of_list, ProbeStep::new("list", "")))?;
            (result.0, result.1.unwrap_or_default())
        };
        if !of_list.ok {
            step.fail(Status::Refused, of_list.found);
            step.advice.extend(of_list.advice);
        }
        let profile = self.asker.profile();
        let is_it = |one: &Value| profile.export_id(one).as_ref() == Some(&known.id);
        Ok(entries.into_iter().find(is_it))
    }

    /// A state that is not known: what has metadata is READY, and some words speak for
    /// themselves.
    fn unknown_state(
        &mut self,
        state: &str,
        known: &mut KnownExport,
        step: &mut ProbeStep,
    ) -> anyhow::Result<()> {
        let mut aside = ProbeStep::new("metadata", "");
        let subject = Subject::export(&self.args.group, &known.id);
        let before = self.asker.profile().clone();
        let reply = self.asker.json(Role::Metadata, subject, &mut aside)?;
        // What this tells of the metadata is told by their own step.
        self.asker.api.respell(before);
        // It may have become READY in between: then it has another state by now.
        let mut again = ProbeStep::new("status", "");
        let has_metadata =
            reply.is_some() && self.state(&mut again, known)?.as_deref() == Some(state);
        let advice = self.asker.profile().fit_state(state, has_metadata);
        if advice.value.is_none() {
            return Ok(());
        }
        let text = format!("the state is {state}, which is not known");
        step.fail(Status::Refused, text);
        self.asker.take(&advice, step)?;
        known.meaning = self.asker.profile().meaning(state);
        Ok(())
    }

    /// The number of files.
    fn metadata(
        &mut self,
        mut step: ProbeStep,
        known: &KnownExport,
    ) -> anyhow::Result<(ProbeStep, Option<u64>)> {
        let asker = &mut self.asker;
        let subject = Subject::export(&self.args.group, &known.id);
        let Some(reply) = asker.json(Role::Metadata, subject, &mut step)? else {
            return Ok((step, None));
        };
        let about = About {
            group: Some(&self.args.group),
            request: known.request.as_ref(),
        };
        let has_files = |profile: &Profile, reply: &Value| profile.metadata_of(reply).is_some();
        if !asker.need("num_of_files", &reply, about, &mut step, has_files)? {
            return Ok((step, None));
        }
        let files = asker.profile().metadata_of(&reply).map(|(files, _)| files);
        if step.ok {
            step.found = format!("{} files", files.unwrap_or_default());
        }
        Ok((step, files))
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "not named".to_owned(),
        names => names.join(" "),
    }
}
