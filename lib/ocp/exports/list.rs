//! Finds exports in the list of a group.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::{ExportStatus, Exports, JSON, Ownership, call};
use crate::error;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::profile::{About, Role, Subject};

impl Exports {
    /// The exports that match `request`, from the list of its group.
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

    /// Warns once if the list lacks a field that is needed to find the exports of earlier runs.
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

    /// The list of a group's exports, as the service sent it.
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

    /// Searches the list for an export after a request for its state returned a status that means
    /// expired, such as 404. If the list shows the export, the path of the state request in the API
    /// profile is probably wrong. Returns `None` if the list does not show the export either: the
    /// export is gone.
    pub(super) fn status_by_list(
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

    /// Whether the export belongs to `request`, as the list of the group shows.
    pub(crate) fn owner_in_list(
        &self,
        request: &ExportRequest,
        export_id: &str,
    ) -> anyhow::Result<Ownership> {
        let reply = self.get_list(&request.group)?;
        let seen = self.listed(&reply, request, export_id)?;
        Ok(seen.map_or(Ownership::Unknown, |seen| seen.owner))
    }

    /// The export `export_id` in a list; `None` if the list does not show this export. Fails if the
    /// list does not show it and has an entry without an id, because this entry is possibly the
    /// export.
    pub(super) fn listed(
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
}
