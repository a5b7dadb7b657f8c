//! A line of the input: a plan line, or an output line of an earlier stage (`--until`).

use serde::Deserialize;

use crate::error;
use crate::json::lines::{Line, explain};
use crate::json::object::Object;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::fetch::export_job::{ExportJob, OwedLines};
use crate::ocp::plan::check_window;
use crate::time::Timestamp;

/// A line with one of these values of `reason` is from `ocp-receive gaps`.
const COMPARED: [&str; 3] = ["down", "limited", "audit"];

/// One input line, or several input lines for pages of one export.
#[derive(Debug)]
pub(super) struct PlanLine {
    /// The place in the input, for example `stdin:3`.
    pub(super) place: String,
    pub(super) job: ExportJob,
    pub(super) not_before: Option<Timestamp>,
    /// The number of pages of the export, from the field `pages` of the line; `u64::MAX` if the
    /// line does not have this field.
    pages: u64,
}

/// The fields of a line that the program reads. All other fields are only copied to the output. The
/// number of files is not read here, because the run requests it from the service.
#[derive(Deserialize)]
#[serde(expecting = "a JSON object of a plan; give one line for each, not a JSON array")]
struct PlanFields {
    #[serde(flatten)]
    request: ExportRequest,
    not_before: Option<Timestamp>,
    reason: Option<String>,
    export_id: Option<String>,
    page_number: Option<u64>,
    page_size: Option<u64>,
    pages: Option<u64>,
}

impl PlanLine {
    pub(super) fn parse(line: &Line<'_>) -> anyhow::Result<PlanLine> {
        let place = format!("stdin:{}", line.number);
        let bad = |e: String| error::bad_input(format!("{place}: not a line of a plan: {e}"));
        let record = line.record();
        let fields: PlanFields = serde_json::from_slice(record).map_err(|e| bad(explain(&e)))?;
        let object = Object::parse(record).map_err(|e| bad(explain(&e)))?;
        if fields.export_id.is_none() {
            check_window(&fields.request).map_err(bad)?;
        }
        let wants = match (fields.page_number, fields.page_size) {
            (None, _) => OwedLines::All(object),
            (Some(0), _) | (_, Some(0)) => return Err(bad("pages count from 1".to_owned())),
            (Some(number), Some(size)) => OwedLines::Pages(size, vec![(number, object)]),
            (Some(_), None) => return Err(bad("page_number without page_size".to_owned())),
        };
        if matches!(wants, OwedLines::Pages(..)) && fields.export_id.is_none() {
            return Err(bad("page_number without export_id".to_owned()));
        }
        let reason = fields.reason.as_deref();
        Ok(PlanLine {
            place,
            job: ExportJob {
                is_compared: reason.is_some_and(|reason| COMPARED.contains(&reason)),
                request: fields.request,
                wants,
                export_id: fields.export_id,
                is_id_given: false,
                setbacks: 0,
                renewals: 0,
                lost: 0,
            },
            not_before: fields.not_before,
            pages: fields.pages.unwrap_or(u64::MAX),
        })
    }

    /// Whether this is a line for a page of an export.
    pub(super) fn is_page(&self) -> bool {
        matches!(&self.job.wants, OwedLines::Pages(..))
    }

    /// Whether the page of `other` can be added to this line: both are for the same export, and
    /// this line does not have all pages of the export yet.
    pub(super) fn takes(&self, other: &PlanLine) -> bool {
        match (&self.job.wants, &other.job.wants) {
            (OwedLines::Pages(size, have), OwedLines::Pages(other_size, _)) => {
                size == other_size
                    && (have.len() as u64) < self.pages
                    && self.job.export_id == other.job.export_id
                    && self.job.request == other.job.request
            }
            _ => false,
        }
    }

    /// Adds the page of `other`. A page that this line already has is not added again.
    pub(super) fn add(&mut self, other: PlanLine) {
        if let (OwedLines::Pages(_, have), OwedLines::Pages(_, more)) =
            (&mut self.job.wants, other.job.wants)
        {
            for (number, object) in more {
                if have.iter().all(|(known, _)| *known != number) {
                    have.push((number, object));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<PlanLine> {
        PlanLine::parse(&Line {
            bytes: text.as_bytes(),
            with_end: text.as_bytes(),
            number: 3,
            offset: 0,
        })
    }

    const WINDOW: &str =
        r#""group":"g","types":["a"],"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z""#;

    #[test]
    fn a_line_is_read_at_any_stage() {
        let window = parse(&format!("{{{WINDOW},\"mine\":1.10}}")).unwrap();
        assert!(!window.is_page() && window.job.export_id.is_none());
        let pending = parse(&format!(
            r#"{{{WINDOW},"export_id":"x","status":"PROCESSING","num_of_files":3}}"#
        ));
        assert_eq!(pending.unwrap().job.export_id.as_deref(), Some("x"));
        let page = |n| {
            parse(&format!(
                r#"{{{WINDOW},"export_id":"x","status":"READY","num_of_files":3,"page_number":{n},"page_size":2,"pages":2}}"#
            ))
        };
        let mut one = page(1).unwrap();
        assert!(one.takes(&page(2).unwrap()));
        one.add(page(2).unwrap());
        assert!(!one.takes(&page(2).unwrap()), "it has all its pages");
        assert!(page(0).is_err());
    }

    #[test]
    fn what_is_no_plan_line_is_refused_with_its_place() {
        // A line of `export-plan coverage --totals`.
        let departure = format!(r#"{{"check":"control_totals","type":"a",{WINDOW}}}"#);
        let departure = departure.replace(r#""types":["a"],"#, "");
        for text in ["{}", "[]", "x", r#"{"group":"g"}"#, &departure] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with("stdin:3: not a line of a plan: "),
                "{error}"
            );
        }
    }
}
