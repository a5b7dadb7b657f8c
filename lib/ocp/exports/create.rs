//! Creates exports.

use super::refusals::{is_about_window, names_group};
use super::{Created, Exports, JSON, allowed, call, parse};
use crate::net::client::Sent;
use crate::net::retry::is_passing;
use crate::ocp::export_request::ExportRequest;
use crate::ocp::profile::{About, Refusal, Role, Subject};

impl Exports {
    /// Creates one export. Retries only if the failed attempt cannot have had an effect.
    pub fn create(&self, request: &ExportRequest) -> anyhow::Result<Created> {
        let spelled = self.spelled(Role::Create, Subject::create(request));
        let call = call(&spelled, JSON, 0);
        let mut tries = self.client.retry().tries(&call.what);
        loop {
            let failed = match self.client.once(&call)? {
                Sent::Reply(mut reply) => {
                    let allow = allowed(&reply);
                    return match reply.text() {
                        Ok(text) => {
                            let status = reply.status;
                            self.read_created(&call.what, request, (status, allow), &text)
                        }
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
        (status, allow): (u16, Option<String>),
        text: &str,
    ) -> anyhow::Result<Created> {
        let said = self.said(text);
        Ok(match (status, parse(text)) {
            (200..300, Some(reply)) => match self.seen(&reply, request) {
                Some(seen) => Created::Accepted(seen),
                None => {
                    Created::Unnamed(self.profile.fit("export_id", &reply, About::from(request)))
                }
            },
            (200..300, None) => Created::Lost("the reply is not JSON".to_owned()),
            _ if self.profile.is_busy(status, &said) => Created::Busy(said),
            _ if is_passing(status) => Created::Lost(format!("HTTP {status}")),
            _ => {
                let whole_group = status == 403 || names_group(status, &said);
                let is_general = !is_about_window(&said);
                let refusal = Refusal {
                    status,
                    said,
                    allow,
                };
                Created::Refused {
                    error: self.refused(Role::Create, what, &refusal),
                    whole_group,
                    is_general,
                }
            }
        })
    }
}
