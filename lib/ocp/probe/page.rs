//! The last role: downloads a page, and checks that the service uses the page number.

use std::fs::File;
use std::io::Seek;
use std::path::Path;

use anyhow::Context;

use super::ask::{Asker, advised, kind, shown};
use crate::cli::probe::ProbeStep;
use crate::error::Status;
use crate::format::zip::{self, ZipLimits};
use crate::net::retry::Attempt;
use crate::ocp::profile::{Advice, Refusal, Role, RoleRequest, Subject};
use crate::os::unnamed;

/// The largest page, in bytes. A page with one file can be the recording of an hour.
const MOST: u64 = 1 << 30;
const MOST_CORRECTIONS: usize = 4;

/// The result of a request for a page.
struct PageReply {
    status: u16,
    kind: String,
    refusal: Option<Refusal>,
}

/// Requests the first page of an export, and the second page if there is one. The requested page
/// size is one file.
pub(super) fn pages(
    asker: &mut Asker,
    subject: Subject<'_>,
    files: u64,
    temp_dir: &Path,
    step: &mut ProbeStep,
) -> anyhow::Result<()> {
    let Some(first) = page(asker, subject, 1, temp_dir, step)? else {
        return Ok(());
    };
    let expected = files.min(1) as usize;
    if first.len() != expected {
        let lines = ["page_params", "page_size"].map(|key| Role::Data.line(key));
        step.fail(
            Status::Refused,
            format!("page 1 of page size 1 holds {} files, not {expected}: the service does not read page_size", first.len()),
        );
        step.advice.push(advised(&Advice::check(lines)));
        return Ok(());
    }
    if files > 1 {
        let Some(second) = page(asker, subject, 2, temp_dir, step)? else {
            return Ok(());
        };
        if second == first {
            let lines = ["page_number", "page_params"].map(|key| Role::Data.line(key));
            step.fail(
                Status::Refused,
                "page 2 holds the same file as page 1: the service does not read page_number",
            );
            step.advice.push(advised(&Advice::check(lines)));
            return Ok(());
        }
    }
    if step.ok {
        step.found = "a valid ZIP; the service reads page_number and page_size".to_owned();
    }
    Ok(())
}

/// The names and checksums of the members of a page. `None` if the probe cannot get a valid ZIP.
fn page(
    asker: &mut Asker,
    subject: Subject<'_>,
    number: u64,
    temp_dir: &Path,
    step: &mut ProbeStep,
) -> anyhow::Result<Option<Vec<(String, u32)>>> {
    let subject = Subject {
        page: Some((number, 1)),
        ..subject
    };
    for _ in 0..MOST_CORRECTIONS {
        let spelled = asker.api.spelled(Role::Data, subject);
        step.request = Some(shown(&spelled));
        let (reply, file) = download(asker, &spelled, temp_dir)?;
        step.status = Some(reply.status);
        step.reply = Some(reply.kind.clone().into());
        match reply.refusal {
            Some(refusal) if asker.refused(Role::Data, &refusal, step)? => continue,
            Some(_) => return Ok(None),
            None => {}
        }
        let mut members = Vec::new();
        let limits = ZipLimits::none();
        let verified = zip::verify(&file, &limits, |member| {
            members.push((member.name.clone(), member.crc32));
        });
        return match verified {
            Ok(_) => Ok(Some(members)),
            Err(e) => {
                step.fail(
                    Status::Refused,
                    format!("the reply ({}) is not a ZIP: {e:#}", reply.kind),
                );
                step.advice
                    .push(advised(&Advice::check([Role::Data.line("path")])));
                Ok(None)
            }
        };
    }
    Ok(None)
}

/// Downloads a page into a file without a name.
fn download(
    asker: &Asker,
    spelled: &RoleRequest,
    temp_dir: &Path,
) -> anyhow::Result<(PageReply, File)> {
    let place = || format!("a file in {}", temp_dir.display());
    asker
        .api
        .ask((spelled, "application/zip, */*", 1), |reply| {
            let mut file = unnamed::create_in(temp_dir).with_context(place)?;
            let mut answer = PageReply {
                status: reply.status,
                kind: kind(reply),
                refusal: None,
            };
            if reply.status != 200 {
                answer.refusal = Some(asker.api.refusal(reply));
                return Ok(Attempt::Done((answer, file)));
            }
            if let Err(e) = reply.copy_to(&mut file, MOST).with_context(place)? {
                return e.into_failed().map(Attempt::Again);
            }
            file.rewind().with_context(place)?;
            Ok(Attempt::Done((answer, file)))
        })
}
