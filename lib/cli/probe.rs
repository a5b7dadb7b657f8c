//! The output of a probe, step by step, for people or as NDJSON. A probe sends a few requests to
//! test an account and its settings.

use clap::ValueEnum;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::cli::output::Output;
use crate::cli::run::Outcome;
use crate::error::Status;
use crate::os::redaction;

/// The format of the steps of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProbeFormat {
    /// Lines for people.
    Text,
    /// A JSON object for each step.
    Ndjson,
}

/// A request that was sent, without its credentials.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeRequest {
    /// The HTTP method, for example GET.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The header lines from the configuration.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

/// Settings that could be wrong, the most probable one first. If the reply shows the right value of
/// the first setting, the advice contains this value.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeAdvice {
    /// The settings.
    pub lines: Vec<String>,
    /// The right value of the first setting, if the reply shows it.
    pub value: Option<Value>,
    /// The advice in words.
    pub text: String,
}

/// One step of a probe.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeStep {
    /// The name of the step, for example `login`.
    pub role: &'static str,
    /// Whether the step works with the current settings; also true for a skipped step.
    pub ok: bool,
    /// Whether the step was not tried.
    pub skipped: bool,
    /// The request that was sent.
    pub request: Option<ProbeRequest>,
    /// The HTTP status of the reply.
    pub status: Option<u16>,
    /// The reply without its values: its keys, and the types of its values.
    pub reply: Option<Value>,
    /// The expected reply.
    pub expected: String,
    /// What the reply shows, or the error.
    pub found: String,
    /// The settings to change.
    pub advice: Vec<ProbeAdvice>,
    /// The exit status of the probe if only this step fails.
    #[serde(serialize_with = "code")]
    exit: Status,
}

impl ProbeStep {
    /// A new step, without an error so far.
    pub fn new(role: &'static str, expected: impl Into<String>) -> ProbeStep {
        ProbeStep {
            role,
            ok: true,
            skipped: false,
            request: None,
            status: None,
            reply: None,
            expected: expected.into(),
            found: String::new(),
            advice: Vec::new(),
            exit: Status::Done,
        }
    }

    /// A step that is skipped. `why` is the reason.
    pub fn skip(role: &'static str, why: impl Into<String>) -> ProbeStep {
        ProbeStep {
            skipped: true,
            found: why.into(),
            ..ProbeStep::new(role, "")
        }
    }

    /// Adds advice about the settings `lines`. `value` is the right value of the first of these
    /// settings, if it is known.
    pub fn advise(&mut self, lines: &[&str], value: Option<Value>, text: impl Into<String>) {
        self.advice.push(ProbeAdvice {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            value,
            text: text.into(),
        });
    }

    /// Marks the step as failed.
    pub fn fail(&mut self, status: Status, found: impl Into<String>) {
        self.ok = false;
        self.exit = status;
        self.found = found.into();
    }
}

/// Writes the steps, and remembers the worst exit status.
#[derive(Debug)]
pub struct ProbeReport<'o> {
    output: &'o mut Output,
    format: ProbeFormat,
    worst: Status,
    failed: Vec<&'static str>,
    skipped: Vec<&'static str>,
}

impl<'o> ProbeReport<'o> {
    /// A report that writes the steps to `output`.
    pub fn new(output: &'o mut Output, format: ProbeFormat) -> ProbeReport<'o> {
        if format == ProbeFormat::Text {
            output.allow_shared_pipe();
        }
        ProbeReport {
            output,
            format,
            worst: Status::Done,
            failed: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Writes a step.
    pub fn add(&mut self, step: &ProbeStep) -> anyhow::Result<()> {
        if !step.ok {
            self.worst = self.worst.worse(step.exit);
            self.failed.push(step.role);
        } else if step.skipped {
            self.skipped.push(step.role);
        }
        match self.format {
            ProbeFormat::Ndjson => self.output.write_record(step)?,
            ProbeFormat::Text => {
                for line in text(step) {
                    let line = redaction::clean(&line);
                    self.output.write_line(line.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// Writes a step whose requests ended with `result`. An error of the service makes the step
    /// fail; any other error, for example of the disk, ends the probe.
    pub fn end<T: Default>(
        &mut self,
        mut step: ProbeStep,
        result: anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let value = result.or_else(|e| {
            let status = Status::of(&e);
            let is_of_service = matches!(
                status,
                Status::Refused | Status::Auth | Status::TryLater | Status::BadInput
            );
            if !is_of_service {
                return Err(e);
            }
            step.fail(status, redaction::clean(&format!("{e:#}")));
            Ok(T::default())
        })?;
        self.add(&step)?;
        Ok(value)
    }

    /// Writes the steps `roles` as skipped. `why` is the reason.
    pub fn skip(&mut self, roles: &[&'static str], why: &str) -> anyhow::Result<()> {
        roles
            .iter()
            .try_for_each(|role| self.add(&ProbeStep::skip(role, why)))
    }

    /// Ends the report. If the format is text, writes the last line. Returns the outcome of the
    /// program.
    pub fn finish(self) -> anyhow::Result<Outcome> {
        let all = match (self.failed.as_slice(), self.skipped.as_slice()) {
            ([], []) => "this account works".to_owned(),
            ([], skipped) => format!("all tested steps work; not tested: {}", skipped.join(", ")),
            (failed, _) => format!("does not work yet: {}", failed.join(", ")),
        };
        if self.format == ProbeFormat::Text {
            self.output.write_line(all.as_bytes())?;
        }
        Ok(match self.worst {
            Status::Done => Outcome::Done,
            worst => {
                log::error!("{all}");
                Outcome::Partly(worst)
            }
        })
    }
}

fn code<S: Serializer>(status: &Status, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(status.code())
}

/// The lines of the text report for one step.
fn text(step: &ProbeStep) -> Vec<String> {
    let state = match (step.ok, step.skipped) {
        (_, true) => "not tried",
        (true, _) => "works",
        (false, _) => "WRONG",
    };
    let mut lines = vec![format!("{}: {state}", step.role)];
    if let Some(request) = &step.request {
        let status = step.status.map(|status| format!(": HTTP {status}"));
        let status = status.unwrap_or_default();
        lines.push(format!("  {} {}{status}", request.method, request.url));
        for (name, value) in &request.headers {
            lines.push(format!("  {name}: {value}"));
        }
        lines.extend(request.body.iter().map(|body| format!("  {body}")));
    }
    if let Some(reply) = &step.reply {
        lines.push(format!("  reply: {reply}"));
    }
    if !step.ok && !step.expected.is_empty() {
        lines.push(format!("  expected: {}", step.expected));
    }
    if !step.found.is_empty() {
        lines.push(format!("  {}", step.found));
    }
    lines.extend(
        step.advice
            .iter()
            .map(|advice| format!("  -> {}", advice.text)),
    );
    lines
}
