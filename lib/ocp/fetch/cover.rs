//! Finds the requests that cover a window.

use std::collections::BTreeSet;

use crate::error;
use crate::export::window::Window;
use crate::json::object::Object;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::fetch::export_job::{ExportJob, OwedLines};
use crate::ocp::ledger::{History, RequestHistory, RequestState};

/// Splits a window into the known requests that overlap it, and the gaps between these requests.
/// The known requests keep their windows. If the user makes the plan again an hour later, its lines
/// therefore resume the earlier exports, and no hour is exported twice.
pub(super) fn cover(
    job: &ExportJob,
    line: &Object,
    history: &History,
    asked: &BTreeSet<ExportRequest>,
) -> anyhow::Result<Vec<ExportJob>> {
    let known: BTreeSet<&ExportRequest> = history
        .known()
        .filter(|(request, record)| request.types == job.request.types || is_there(record))
        .map(|(request, _)| request)
        .chain(asked)
        .filter(|request| request.shares_records(&job.request))
        .collect();
    if let Some(other) = known
        .iter()
        .find(|request| request.types != job.request.types)
    {
        return Err(error::refused(format!(
            "{}: shares records with {other}, which was requested before: plan it with export-plan \
             windows --have LEDGER",
            job.request
        )));
    }
    let mut windows: Vec<Window> = known.iter().map(|request| request.window).collect();
    windows.extend(job.request.window.gaps(&windows));
    windows.sort_unstable();
    windows
        .into_iter()
        .map(|window| {
            let mut line = line.clone();
            line.set("from", &window.from())?;
            line.set("to", &window.to())?;
            Ok(ExportJob {
                request: ExportRequest {
                    window,
                    ..job.request.clone()
                },
                wants: OwedLines::All(line),
                ..job.clone()
            })
        })
        .collect()
}

/// Whether the request has an export, or an earlier export of this request was fetched. A create
/// without a reply has possibly created nothing, so it does not count here.
fn is_there(record: &RequestHistory) -> bool {
    record.had || matches!(record.state, RequestState::Named(_))
}
