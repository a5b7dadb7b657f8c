//! The time in a field as readable text, for --add-iso.

use std::borrow::Cow;

use crate::cdr::instant;
use crate::error;
use crate::json::fields::{Fields, Record, Slot};
use crate::json::path;
use crate::time::zone::Zone;

/// A field with a readable time, which is added to records.
#[derive(Debug)]
pub struct Iso {
    pub(super) name: String,
    time: Slot,
    /// The slot of the field `name`, which some records already have.
    pub(super) own: Slot,
    /// The zone for local time in a spreadsheet; `None` for RFC 3339 in UTC.
    clocks: Option<Zone>,
}

impl Iso {
    /// The readable time for the field at `path`. An error with status 2 if `path` is not a path.
    pub(super) fn new(
        path: &str,
        clocks: Option<Zone>,
        fields: &mut Fields,
    ) -> anyhow::Result<Iso> {
        let steps = path::parse(path)
            .map_err(|what| error::usage(format!("--add-iso '{path}': {what}")))?;
        let name = format!("{}_iso", path.trim().trim_start_matches('.'));
        Ok(Iso {
            time: fields.want_steps(&steps),
            own: fields.want_name(name.clone()),
            name,
            clocks,
        })
    }

    /// The time as JSON; `null` if the field at `path` has no time. If the record already has the
    /// field `name`, the value of this field is used: unchanged, or as local time for a
    /// spreadsheet.
    pub(super) fn json<'l>(&self, record: &Record<'l, '_>) -> Cow<'l, str> {
        let own = record.get(self.own).map(str::trim_ascii);
        let spelled = match (own, self.clocks) {
            (Some(own), None) => return Cow::Borrowed(own),
            (Some(own), Some(zone)) => match instant(own) {
                Some(time) => zone.wall_clock(time),
                None => return Cow::Borrowed(own),
            },
            (None, clocks) => record.get(self.time).and_then(instant).and_then(|time| {
                clocks.map_or_else(|| Some(time.rfc3339()), |zone| zone.wall_clock(time))
            }),
        };
        match spelled {
            Some(text) => Cow::Owned(format!("\"{text}\"")),
            None => Cow::Borrowed("null"),
        }
    }
}
