//! What of a window is to be exported anew: it is first covered by what the
//! ledger has, and by what this run was asked for already.

use std::collections::BTreeSet;

use crate::error;
use crate::export::window::Window;
use crate::json::object::Object;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::fetch::export_job::{ExportJob, OwedLines};
use crate::ocp::ledger::{History, RequestHistory, RequestState};

/// Splits a window into the orders that are known and overlap it and the gaps
/// between them. So a plan that was made an hour later takes up the exports of
/// the earlier one, with their bounds, instead of exporting their hours again.
pub(super) fn cover(
    job: &ExportJob,
    line: &Object,
    history: &History,
    asked: &BTreeSet<ExportRequest>,
) -> anyhow::Result<Vec<ExportJob>> {
    let known: BTreeSet<&ExportRequest> = history
        .known()
        .filter(|(order, record)| order.types == job.order.types || is_there(record))
        .map(|(order, _)| order)
        .chain(asked)
        .filter(|order| order.shares_records(&job.order))
        .collect();
    if let Some(other) = known.iter().find(|order| order.types != job.order.types) {
        return Err(error::refused(format!(
            "{}: shares records with {other}, which was asked for already: plan it with export-plan --have LEDGER",
            job.order
        )));
    }
    let mut windows: Vec<Window> = known.iter().map(|order| order.window).collect();
    windows.extend(job.order.window.gaps(&windows));
    windows.sort_unstable();
    windows
        .into_iter()
        .map(|window| {
            let mut line = line.clone();
            line.set("from", &window.from())?;
            line.set("to", &window.to())?;
            Ok(ExportJob {
                order: ExportRequest {
                    window,
                    ..job.order.clone()
                },
                wants: OwedLines::All(line),
                ..job.clone()
            })
        })
        .collect()
}

/// A create whose answer never came may have made nothing: it stands in the way
/// of nobody but itself.
fn is_there(record: &RequestHistory) -> bool {
    record.had || matches!(record.state, RequestState::Named(_))
}
