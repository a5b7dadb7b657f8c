//! The flags about call detail records. They handle these pitfalls:
//!
//! - `group` in a dialog's record is not the OCP group but the id that the
//!   dialogs of one call share.
//! - `time` in a `dialog_end` is the time when the dialog *started*.
//! - Records show an unknown value as an absent field, as null, as `""`, or as the text `undefined`
//!   or `null`.
//! - A field that is a number today can be a string in the service's next release.

pub mod flags;
mod kvps;
mod one_of;
mod period;

pub use flags::CdrArgs;

use crate::cdr::{number, says};
use flags::WithoutTime;
use kvps::Kvps;
use one_of::{OneOf, Part};
use period::Period;

use super::prefilter::{Clause, Spelled};
use crate::json::bad_line::BadLine;
use crate::json::fields::{Fields, Record, Slot};
use crate::time::Timestamp;
use crate::time::zone::Zone;

/// Whether the flags keep a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The record is kept. Contains the time of the record, if the time is needed and the record
    /// has a time.
    Keep(Option<Timestamp>),
    Drop,
}

/// The compiled flags.
#[derive(Debug)]
pub(super) struct Cdr {
    tests: Vec<OneOf>,
    root: Option<(Slot, Slot)>,
    period: Option<Period>,
    kvps: Option<Kvps>,
    without_time: u64,
}

impl Cdr {
    /// Compiles the flags, and adds the fields that they need to `fields`. With `timed`, the times
    /// of records are needed even if no flag uses them. `now` contains the current time, and the
    /// time zone in which `today` begins.
    pub(super) fn new(
        args: &CdrArgs,
        now: (Timestamp, Zone),
        timed: bool,
        fields: &mut Fields,
    ) -> anyhow::Result<Cdr> {
        let mut tests = Vec::new();
        for (wanted, sources) in [
            (&args.message_type, &[("message_type", Part::Whole)][..]),
            (&args.channel, &[("channel", Part::Whole)]),
            (&args.end_type, &[("end_type", Part::Whole)]),
            (&args.locale, &[("locale", Part::Whole)]),
            (&args.app, &[("app.name", Part::Whole)]),
            (&args.ocp_group, &one_of::OCP_GROUP),
        ] {
            if !wanted.is_empty() {
                tests.push(OneOf::new(wanted, sources, fields));
            }
        }
        let root = args
            .root
            .then(|| (fields.want("flow.parent_step"), fields.want("flow.type")));
        let period = Period::new(args, now, fields)?;
        let kvps = (!args.kvp.is_empty()).then(|| Kvps::new(&args.kvp, fields));
        Ok(Cdr {
            tests,
            root,
            period: (timed || period.is_bounded()).then_some(period),
            kvps,
            without_time: 0,
        })
    }

    /// Decides whether the flags keep a record.
    pub(super) fn decide(&mut self, record: &Record<'_, '_>) -> Result<Verdict, BadLine> {
        let is_root =
            |(step, kind)| number(record, step) == Some(0.0) && says(record, kind) == "Flow";
        if !self.tests.iter().all(|test| test.holds(record)) || !self.root.is_none_or(is_root) {
            return Ok(Verdict::Drop);
        }
        let time = self
            .period
            .as_ref()
            .and_then(|period| period.time_of(record));
        let bounded = self.period.as_ref().filter(|period| period.is_bounded());
        match (bounded, time) {
            (Some(period), Some(time)) if !period.contains(time) => return Ok(Verdict::Drop),
            (Some(period), None) => {
                self.without_time += 1;
                match period.without_time {
                    WithoutTime::Drop => return Ok(Verdict::Drop),
                    WithoutTime::Keep => {}
                    WithoutTime::Reject => {
                        return Err(BadLine::new(format!("no time in '{}'", period.path)));
                    }
                }
            }
            _ => {}
        }
        if self.kvps.as_mut().is_none_or(|kvps| kvps.hold(record)) {
            Ok(Verdict::Keep(time))
        } else {
            Ok(Verdict::Drop)
        }
    }

    /// Lists of texts: if the flags keep a record, its line contains at least one text of each
    /// list.
    pub(super) fn needles(&self) -> Vec<Clause> {
        let mut needles: Vec<Clause> = self.tests.iter().filter_map(OneOf::needle).collect();
        needles.extend(self.kvps.as_ref().and_then(Kvps::needle));
        let flow = Clause::any(["Flow"], Spelled::Part);
        needles.extend(flow.filter(|_| self.root.is_some()));
        needles
    }

    /// Says on stderr that `count` records without a time were dropped.
    pub(super) fn say_without_time(args: &CdrArgs, count: u64) {
        let bounded = args.from.is_some() || args.to.is_some();
        if bounded && args.without_time == WithoutTime::Drop && count > 0 {
            let records = if count == 1 { "record" } else { "records" };
            log::warn!(
                "dropped {count} {records} without a time in '{}': use --without-time to keep or reject them",
                args.time_field.trim_start_matches('.')
            );
        }
    }

    /// The number of records that have no time although --from or --to needs one, counted since the
    /// last call of this function. Only records that pass all other flags except --kvp are counted.
    pub(super) fn take_without_time(&mut self) -> u64 {
        std::mem::take(&mut self.without_time)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::json::fields::Finds;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        cdr: CdrArgs,
    }

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    pub(super) fn cdr(flags: &[&str]) -> anyhow::Result<(Fields, Cdr)> {
        let line = Line::try_parse_from([&["test"], flags].concat())?;
        let mut fields = Fields::default();
        let cdr = Cdr::new(&line.cdr, (NOW, Zone::UTC), false, &mut fields)?;
        Ok((fields, cdr))
    }

    fn decide(flags: &[&str], record: &str) -> Result<bool, BadLine> {
        let (fields, mut cdr) = cdr(flags).unwrap();
        let mut finds = Finds::default();
        let verdict = cdr.decide(&fields.read(record, &mut finds)?)?;
        Ok(verdict != Verdict::Drop)
    }

    pub(super) fn keeps(flags: &[&str], record: &str) -> bool {
        decide(flags, record).unwrap()
    }

    #[test]
    fn any_value_of_a_flag_and_all_flags() {
        let record = r#"{"message_type":"dialog_end","end_type":"FAR_HUP","app":{"name":"A"}}"#;
        assert!(keeps(&["--end-type", "X", "--end-type", "FAR_HUP"], record));
        assert!(keeps(
            &[
                "--type",
                "dialog_end",
                "--end-type",
                "FAR_HUP",
                "--app",
                "A"
            ],
            record
        ));
        assert!(!keeps(
            &["--type", "dialog_start", "--end-type", "FAR_HUP"],
            record
        ));
        assert!(keeps(&[], record));
    }

    #[test]
    fn namesakes_elsewhere_and_needles_in_texts_do_not_count() {
        let record = r#"{"kvps":[{"end_type":"FAR_HUP"}],"x":"\"end_type\":\"FAR_HUP\"","flow":{"end_type":"FAR_HUP"}}"#;
        assert!(!keeps(&["--end-type", "FAR_HUP"], record));
        assert!(keeps(
            &["--end-type", "FAR_HUP"],
            r#"{"end\u005ftype":"FAR\u005fHUP"}"#
        ));
    }

    #[test]
    fn a_root_flow_has_step_0_and_type_flow() {
        assert!(keeps(
            &["--root"],
            r#"{"flow":{"parent_step":0,"type":"Flow"}}"#
        ));
        assert!(keeps(
            &["--root"],
            r#"{"flow":{"parent_step":"0","type":"Flow"}}"#
        ));
        for flow in [
            r#"{"parent_step":1,"type":"Flow"}"#,
            r#"{"parent_step":0,"type":"Banking"}"#,
            r#"{"type":"Flow"}"#,
            "null",
        ] {
            assert!(
                !keeps(&["--root"], &format!("{{\"flow\":{flow}}}")),
                "{flow}"
            );
        }
    }

    #[test]
    fn without_a_time_a_record_is_dropped_and_counted_unless_told_otherwise() {
        let (fields, mut dropping) = cdr(&["--from", "-1d", "--type", "a"]).unwrap();
        let mut drops = |record: &str| {
            let mut finds = Finds::default();
            let record = fields.read(record, &mut finds).unwrap();
            assert_eq!(dropping.decide(&record), Ok(Verdict::Drop));
            std::mem::take(&mut dropping.without_time)
        };
        for time in [
            "",
            r#","time":null"#,
            r#","time":"undefined""#,
            r#","time":{}"#,
        ] {
            let record = format!(r#"{{"message_type":"a"{time}}}"#);
            assert_eq!(drops(&record), 1, "{time}");
        }
        assert_eq!(drops(r#"{"message_type":"b"}"#), 0);
        assert!(keeps(&["--from", "-1d", "--without-time", "keep"], "{}"));
        let error = decide(&["--from", "-1d", "--without-time", "reject"], "{}").unwrap_err();
        assert_eq!(error.to_string(), "no time in 'time'");
        let biometric = r#"{"voiceprint":{"creation_ts":1795176000000}}"#;
        assert!(keeps(
            &["--from", "-1d", "--time-field", ".voiceprint.creation_ts"],
            biometric
        ));
        assert!(cdr(&["--from", "-1d", "--time-field", "a..b"]).is_err());
    }
}
