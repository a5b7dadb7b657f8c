//! Tests whether an account works: the token, a page of calls, the cursor, and the id that finds
//! the calls of an agent. The probe exports nothing and stores nothing.

use clap::Args;
use serde_json::Value;

use super::api::refusal;
use super::call::Call;
use super::query::{ArrayStyle, CallScope, Filters, PagePosition};
use super::wire::{JsonPage, PageError, WireFormat};
use crate::cli::probe::{ProbeReport, ProbeRequest, ProbeStep};
use crate::error::Status;
use crate::json::shape::shape;
use crate::net::client::{ApiCall, Client};
use crate::net::http::{Reply, Url};
use crate::net::retry::Attempt;

/// The probe shows the keys and types of at most this many calls of a reply.
const SAMPLE: usize = 20;

/// The settings of a probe.
#[derive(Args, Clone, Debug)]
pub struct CallProbeArgs {
    /// Ask for the page after the call with this id. [default: the first page]
    #[arg(
        long,
        value_name = "ID",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub after: u64,

    /// The number of calls in one request.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub per_page: u64,
}

/// Tests each thing that an export depends on, step by step.
#[derive(Debug)]
pub struct CallProbe<'a> {
    args: &'a CallProbeArgs,
    client: Client,
    base: Url,
    report: ProbeReport<'a>,
}

/// A call, and the ids of its agent.
struct ProbedCall {
    call: Call,
    /// The value of `agent.agentId`.
    agent: Option<String>,
    /// The value of `agent.userId`.
    user: Option<String>,
}

impl<'a> CallProbe<'a> {
    /// Prepares a probe of the API at `base`. The probe adds its steps to `report`.
    pub fn new(
        args: &'a CallProbeArgs,
        client: Client,
        base: Url,
        report: ProbeReport<'a>,
    ) -> CallProbe<'a> {
        CallProbe {
            args,
            client,
            base,
            report,
        }
    }

    /// Runs the steps. A failed step is not an error.
    pub fn run(mut self) -> anyhow::Result<ProbeReport<'a>> {
        let mut step = ProbeStep::new("login", "the newest call, in a JSON array");
        let result = self.newest(&mut step);
        if let Some(newest) = self.end(step, result)? {
            self.calls(newest.first())?;
        } else {
            let rest = ["page", "cursor", "agent"];
            self.report.skip(&rest, "needs the login first")?;
        }
        Ok(self.report)
    }

    fn end<T: Default>(&mut self, step: ProbeStep, result: anyhow::Result<T>) -> anyhow::Result<T> {
        self.client.retry().stop().check()?;
        self.report.end(step, result)
    }

    fn newest(&self, step: &mut ProbeStep) -> anyhow::Result<Option<Vec<ProbedCall>>> {
        let calls = self.ask(&Filters::none(), PagePosition::Newest(0), 1, step)?;
        step.found = match calls.first() {
            None => "the token is accepted; there are no calls".to_owned(),
            Some(newest) => format!(
                "the token is accepted; the newest call is {}",
                newest.call.id
            ),
        };
        Ok(Some(calls))
    }

    fn calls(&mut self, newest: Option<&ProbedCall>) -> anyhow::Result<()> {
        let expected = "finished calls, whose ids rise";
        let mut step = ProbeStep::new("page", expected);
        let result = self.page(newest, &mut step);
        let Some(calls) = self.end(step, result)? else {
            return self
                .report
                .skip(&["cursor", "agent"], "needs the page first");
        };
        match calls.as_slice() {
            [first, second, ..] => {
                let mut step = ProbeStep::new("cursor", "the call after afterCallId first");
                let result = self.cursor(first.call.id, second.call.id, &mut step);
                self.end(step, result)?;
            }
            _ => self.report.skip(&["cursor"], "needs two calls")?,
        }
        match calls.iter().find(|call| call.agent.is_some()) {
            None => self.report.skip(&["agent"], "no call has an agent.agentId"),
            Some(of_agent) => {
                let mut step = ProbeStep::new("agent", "calls of one agent, found by its id");
                let result = self.agent(of_agent, &calls, &mut step);
                self.end(step, result)
            }
        }
    }

    /// Tests the page after the cursor, with the request that an export sends.
    fn page(
        &self,
        newest: Option<&ProbedCall>,
        step: &mut ProbeStep,
    ) -> anyhow::Result<Option<Vec<ProbedCall>>> {
        let (after, size) = (self.args.after, self.args.per_page);
        let calls = self.ask(&Filters::none(), PagePosition::After(after), size, step)?;
        let mut last = after;
        for call in &calls {
            if call.call.id <= last {
                let found = format!(
                    "call {} comes after {last}, though ids must rise",
                    call.call.id
                );
                step.fail(Status::Refused, found);
                step.advise(&[], None, "the service does not read consecutive=true and afterCallId: ask the vendor's support");
                return Ok(None);
            }
            last = call.call.id;
        }
        let count = calls.len();
        step.found = match newest {
            _ if count as u64 >= size => format!("{count} calls, as many as were asked for"),
            _ if count > 0 => {
                let mut aside = ProbeStep::new("page", "");
                let next = self.ask(&Filters::none(), PagePosition::After(last), 1, &mut aside)?;
                match next.first() {
                    None => format!(
                        "{count} calls, {size} were requested: there are no more \
                        finished calls"
                    ),
                    Some(_) => format!(
                        "{count} calls, {size} were requested: the service returns no more at a \
                         time (--per-page {count})"
                    ),
                }
            }
            Some(newest) if newest.call.id > after => format!(
                "no call after {after}, though call {} exists: an unfinished call is in between",
                newest.call.id
            ),
            _ => format!("no call after {after}"),
        };
        Ok(Some(calls))
    }

    /// Tests whether the page after a call begins with the next call.
    fn cursor(&self, first: u64, second: u64, step: &mut ProbeStep) -> anyhow::Result<()> {
        let calls = self.ask(&Filters::none(), PagePosition::After(first), 1, step)?;
        match calls.first().map(|next| next.call.id) {
            Some(next) if next > first => {
                step.found = match next == second {
                    true => format!("the page after call {first} starts with call {second}"),
                    false => format!("the page after call {first} starts with call {next}"),
                };
            }
            next => {
                let next = next.map_or("no call".to_owned(), |id| format!("call {id}"));
                let found = format!(
                    "the page after call {first} starts with {next}, not with call \
                    {second}"
                );
                step.fail(Status::Refused, found);
                step.advise(
                    &[],
                    None,
                    "the service does not read afterCallId as documented: ask the vendor's support",
                );
            }
        }
        Ok(())
    }

    /// Tests which id finds the calls of an agent, and how several ids must be sent.
    fn agent(
        &self,
        one: &ProbedCall,
        calls: &[ProbedCall],
        step: &mut ProbeStep,
    ) -> anyhow::Result<()> {
        let Some(agent) = one.agent.clone() else {
            return Ok(());
        };
        if !self.finds(std::slice::from_ref(&agent), ArrayStyle::Repeat, step)? {
            let found = format!("the filter agentId={agent} finds calls of other agents");
            step.fail(Status::Refused, found);
            if let Some(user) = &one.user {
                let mut aside = ProbeStep::new("agent", "");
                let of_user = std::slice::from_ref(user);
                let found = self.matches(of_user, ArrayStyle::Repeat, &mut aside)?;
                let is_it = |call: &ProbedCall| call.user.as_ref() == Some(user);
                if found.is_some_and(|found| found.iter().any(is_it)) {
                    let text = "give --agent the agent.userId of the calls";
                    step.advise(&["--agent"], None, text);
                }
            }
            return Ok(());
        }
        step.found = "give --agent the agent.agentId of the calls".to_owned();
        let other = calls
            .iter()
            .filter_map(|call| call.agent.clone())
            .find(|other| *other != agent);
        let Some(other) = other else {
            return Ok(());
        };
        let both = [agent, other];
        if self.finds(&both, ArrayStyle::Repeat, step)? {
            step.found += "; several as agentId=A&agentId=B";
            return Ok(());
        }
        step.fail(
            Status::Refused,
            "agentId=A&agentId=B does not find the calls of both agents",
        );
        if self.finds(&both, ArrayStyle::Comma, step)? {
            let text = "use --array-style comma: agentId=A,B finds both";
            step.advise(&["--array-style"], Some("comma".into()), text);
        }
        Ok(())
    }

    /// Whether the filter finds a call of each of these agents, and no call of another agent.
    fn finds(
        &self,
        agents: &[String],
        style: ArrayStyle,
        step: &mut ProbeStep,
    ) -> anyhow::Result<bool> {
        let Some(found) = self.matches(agents, style, step)? else {
            return Ok(false);
        };
        let of = |agent: &String| found.iter().any(|call| call.agent.as_ref() == Some(agent));
        let is_asked =
            |call: &ProbedCall| call.agent.as_ref().is_some_and(|id| agents.contains(id));
        Ok(agents.iter().all(of) && found.iter().all(is_asked))
    }

    /// The calls that a filter for these agent ids finds; `None` if the service refuses the
    /// request.
    fn matches(
        &self,
        agents: &[String],
        style: ArrayStyle,
        step: &mut ProbeStep,
    ) -> anyhow::Result<Option<Vec<ProbedCall>>> {
        let filters = Filters {
            agent: agents.to_vec(),
            array_style: style,
            ..Filters::none()
        };
        let position = PagePosition::After(self.args.after);
        match self.ask(&filters, position, self.args.per_page, step) {
            Ok(calls) => Ok(Some(calls)),
            Err(e) if Status::of(&e) == Status::Refused => {
                step.advice.clear();
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// The calls of one page. The step records the request and the reply.
    fn ask(
        &self,
        filters: &Filters,
        position: PagePosition,
        size: u64,
        step: &mut ProbeStep,
    ) -> anyhow::Result<Vec<ProbedCall>> {
        let scope = CallScope::new(&self.base, filters, self.client.retry().now())?;
        let url = scope.page(position, size, WireFormat::Json);
        step.request = Some(ProbeRequest {
            method: "GET".to_owned(),
            url: url.to_string(),
            headers: Vec::new(),
            body: None,
        });
        let call = ApiCall::get(url, "application/json");
        self.client.fetch(&call, |reply| {
            step.status = Some(reply.status);
            if !(200..300).contains(&reply.status) {
                match reply.status {
                    401 | 403 => step.advise(
                        &["VOICEGAIN_TOKEN"],
                        None,
                        "check VOICEGAIN_TOKEN: create a token in Project Settings, API Security. \
                         It belongs to one project, and sees what its user may see",
                    ),
                    404 | 405 => step.advise(
                        &["--base-url"],
                        None,
                        "check --base-url: in the cloud it ends with /v1, on an Edge with \
                         /ascalon-web-api",
                    ),
                    _ => {}
                }
                return Err(refusal(&call.what, reply));
            }
            read(reply, step)
        })
    }
}

fn read(reply: &mut Reply, step: &mut ProbeStep) -> anyhow::Result<Attempt<Vec<ProbedCall>>> {
    let mut page = JsonPage::new(reply.reader());
    let (mut calls, mut sample) = (Vec::new(), Vec::new());
    loop {
        match page.advance() {
            Ok(None) => break,
            Ok(Some(call)) => {
                let json: Value = serde_json::from_str(page.json()).unwrap_or_default();
                calls.push(ProbedCall {
                    call,
                    agent: id(&json["agent"]["agentId"]),
                    user: id(&json["agent"]["userId"]),
                });
                if sample.len() < SAMPLE {
                    sample.push(json);
                }
            }
            Err(PageError::Passing(failed)) => return Ok(Attempt::Again(failed)),
            Err(PageError::Final(e)) => return Err(e),
        }
    }
    step.reply = Some(shape(&Value::Array(sample)));
    Ok(Attempt::Done(calls))
}

fn id(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
