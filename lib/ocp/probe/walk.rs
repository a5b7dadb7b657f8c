//! Probes all roles in order, from harmless to costly.

use std::path::PathBuf;

use super::args::ProbeArgs;
use super::ask::Asker;
use super::create::create;
use super::list::{KnownExport, choose, list};
use super::state::{metadata, status};
use super::{metrics, page, subscriptions};
use crate::cli::probe::{ProbeReport, ProbeStep};
use crate::net::client::Access;
use crate::ocp::claims::{TokenClaims, claims};
use crate::ocp::exports::Exports;
use crate::ocp::metrics::api::MetricsApi;
use crate::ocp::profile::{Meaning, Profile, Subject};
use crate::ocp::subscriptions::api::SubscriptionApi;

/// The APIs that a probe tests in addition to the Exports API.
#[derive(Debug, Default)]
pub struct OtherApis {
    /// The Metrics API.
    pub metrics: Option<MetricsApi>,
    /// The subscription API of the streaming export.
    pub subscriptions: Option<SubscriptionApi>,
}

/// A probe of all roles.
#[derive(Debug)]
pub struct Probe<'a> {
    args: &'a ProbeArgs,
    asker: Asker,
    others: OtherApis,
    temp_dir: PathBuf,
    report: ProbeReport<'a>,
}

impl<'a> Probe<'a> {
    /// A probe of `api`, then of `others`. Pages are stored in `temp_dir`, and steps are added to
    /// `report`.
    pub fn new(
        args: &'a ProbeArgs,
        api: Exports,
        others: OtherApis,
        temp_dir: PathBuf,
        report: ProbeReport<'a>,
    ) -> Probe<'a> {
        Probe {
            args,
            asker: Asker { api, refusal: None },
            others,
            temp_dir,
            report,
        }
    }

    /// Probes all roles. Returns the corrected profile and the report. A failed step is not an
    /// error.
    pub fn run(mut self, access: &dyn Access) -> anyhow::Result<(Profile, ProbeReport<'a>)> {
        if self.token(access)? {
            self.roles()?;
            self.metrics()?;
            self.subscriptions()?;
        }
        Ok((self.asker.profile().clone(), self.report))
    }

    /// Adds a step to the report, even if the step failed. An error of the disk or a signal ends
    /// the probe.
    fn end<T: Default>(&mut self, step: ProbeStep, result: anyhow::Result<T>) -> anyhow::Result<T> {
        self.asker.api.client().retry().stop().check()?;
        self.report.end(step, result)
    }

    /// Checks that there is a token, and reports its claims.
    fn token(&mut self, access: &dyn Access) -> anyhow::Result<bool> {
        let mut step = ProbeStep::new("token", "a token for the API, or a personal access token");
        let retry = self.asker.api.client().retry();
        let result = access.credential(None, retry).map(|credential| {
            let claims = credential.as_ref().and_then(|(_, value)| claims(value));
            step.found = match claims {
                None => "there is a token; it does not list its rights".to_owned(),
                Some(claims) => shown(&claims),
            };
            true
        });
        self.end(step, result)
    }

    fn roles(&mut self) -> anyhow::Result<()> {
        let (args, group) = (self.args, self.args.group.as_str());
        let expected = "a list of exports, each with an id, a status, a group, types and times";
        let mut step = ProbeStep::new("list", expected);
        let result = list(&mut self.asker, group, &mut step);
        let Some(entries) = self.end(step, result)? else {
            let roles: &[&str] = match args.create {
                true => &["create", "status", "metadata", "data"],
                false => &["status", "metadata", "data"],
            };
            return self.report.skip(roles, "needs the list first");
        };
        let mut known = choose(self.asker.profile(), &entries);
        if args.create {
            let request = args.request(self.asker.api.client().retry().now())?;
            let mut step = ProbeStep::new("create", "the id of a new export");
            let result = create(&mut self.asker, &request, &entries, &mut step);
            known = self.end(step, result)?;
        }
        match known {
            Some(known) => self.export(known),
            None => {
                let why = match args.create {
                    true => "there is no export to ask about",
                    false => "there is no export to ask about; --create makes one",
                };
                self.report.skip(&["status", "metadata", "data"], why)
            }
        }
    }

    fn export(&mut self, mut known: KnownExport) -> anyhow::Result<()> {
        let (args, group) = (self.args, self.args.group.as_str());
        let mut step = ProbeStep::new("status", "the state of an export, at [reply] status");
        let result = status(&mut self.asker, args, &mut known, &mut step);
        self.end(step, result)?;
        if known.meaning != Meaning::Ready {
            let why = "no export is READY";
            return self.report.skip(&["metadata", "data"], why);
        }
        let mut step = ProbeStep::new("metadata", "the number of files, at [reply] num_of_files");
        let result = metadata(&mut self.asker, group, &known, &mut step);
        let files = self.end(step, result)?;
        let why = match files {
            _ if !args.create => "a download needs --create",
            None => "the number of files is not known",
            Some(0) => "the export is empty; --from chooses another hour",
            Some(files) => {
                let expected = "a ZIP of one file, another one for each page_number";
                let mut step = ProbeStep::new("data", expected);
                let subject = Subject::export(group, &known.id);
                let pages = page::pages(&mut self.asker, subject, files, &self.temp_dir, &mut step);
                return self.end(step, pages);
            }
        };
        self.report.skip(&["data"], why)
    }

    fn metrics(&mut self) -> anyhow::Result<()> {
        let Some(api) = self.others.metrics.take() else {
            return Ok(());
        };
        for (role, source) in metrics::ROLES {
            let mut step = ProbeStep::new(role, "an array of series");
            let result = metrics::ask(&api, &self.args.group, source, &mut step);
            self.end(step, result)?;
        }
        Ok(())
    }

    fn subscriptions(&mut self) -> anyhow::Result<()> {
        let Some(api) = self.others.subscriptions.take() else {
            return Ok(());
        };
        let group = self.args.group.as_str();
        let expected = "a list of subscriptions, each with an id";
        let mut step = ProbeStep::new("sub_list", expected);
        let result = subscriptions::list(&mut self.asker, &api, group, &mut step);
        match self.end(step, result)? {
            None => self.report.skip(&["sub_get"], "needs the list first"),
            Some(ids) => match ids.first() {
                None => self
                    .report
                    .skip(&["sub_get"], "there is no subscription to ask about"),
                Some(id) => {
                    let mut step = ProbeStep::new("sub_get", "one subscription");
                    let result = subscriptions::one(&mut self.asker, &api, (group, id), &mut step);
                    self.end(step, result)
                }
            },
        }
    }
}

fn shown(claims: &TokenClaims) -> String {
    let one = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    let all = |names: &[String]| match names {
        [] => "not named".to_owned(),
        names => names.join(" "),
    };
    format!(
        "realm {}, user {}, groups {}, roles {}, until {}",
        one(&claims.realm),
        one(&claims.username),
        all(&claims.groups),
        all(&claims.roles),
        one(&claims.expires_at)
    )
}
