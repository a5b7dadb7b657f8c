//! The time of a record, and the test whether this time is between `--from` and `--to`.

use std::time::Duration;

use super::flags::{CdrArgs, Instant, WithoutTime};
use crate::cdr::{instant, number, says};
use crate::cli::args;
use crate::error;
use crate::export::window::Window;
use crate::json::fields::{Fields, Record, Slot};
use crate::time::Timestamp;
use crate::time::zone::Zone;

/// The range from `from` to before `to`, and the field that is compared with the range. Without
/// `from`, the range has no start; without `to`, the range has no end.
#[derive(Debug)]
pub(super) struct Period {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    pub(super) path: String,
    slot: Slot,
    /// The slots of `message_type` and `duration`, if the end of the dialog is compared.
    end: Option<(Slot, Slot)>,
    pub(super) without_time: WithoutTime,
}

impl Period {
    pub(super) fn new(
        args: &CdrArgs,
        (now, zone): (Timestamp, Zone),
        fields: &mut Fields,
    ) -> anyhow::Result<Period> {
        let parse = |flag: &str, text: &Option<String>| {
            text.as_deref()
                .map(|text| args::time_in(flag, text, now, zone))
                .transpose()
        };
        let (from, to) = (parse("--from", &args.from)?, parse("--to", &args.to)?);
        if let (Some(from), Some(to)) = (from, to)
            && Window::new(from, to).is_none()
        {
            return Err(error::usage(format!(
                "--from {from} is not before --to {to}"
            )));
        }
        let path = args.time_field.trim_start_matches('.').to_owned();
        if path.split('.').any(str::is_empty) {
            return Err(error::usage(format!(
                "--time-field '{}': separate names with dots: voiceprint.creation_ts",
                args.time_field
            )));
        }
        Ok(Period {
            from,
            to,
            slot: fields.want(&path),
            path,
            end: (args.at == Instant::End)
                .then(|| (fields.want("message_type"), fields.want("duration"))),
            without_time: args.without_time,
        })
    }

    /// Whether --from or --to is given, so that records need a time.
    pub(super) fn is_bounded(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    pub(super) fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.to.is_none_or(|to| time < to)
    }

    /// The time of a record; `None` if the time is missing or invalid.
    pub(super) fn time_of(&self, record: &Record<'_, '_>) -> Option<Timestamp> {
        let start = instant(record.get(self.slot)?)?;
        match self.end {
            Some((kind, duration)) if says(record, kind) == "dialog_end" => {
                let millis = number(record, duration)?;
                Some(start.plus(Duration::try_from_secs_f64(millis / 1000.0).ok()?))
            }
            _ => Some(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cdr, keeps};

    #[test]
    fn times_are_half_open_and_in_milliseconds() {
        let day = &["--from", "2026-11-01", "--to", "2026-11-02"];
        for (time, kept) in [
            ("1793491199999", false),
            ("1793491200000", true),
            ("1793491200000.5", true),
            ("\"1793491200000\"", true),
            ("\"2026-11-01T23:59:59.999Z\"", true),
            ("1793577599999", true),
            ("1793577599999.9", true),
            ("1793577600000", false),
            ("99999999999999999999", false),
        ] {
            assert_eq!(keeps(day, &format!("{{\"time\":{time}}}")), kept, "{time}");
        }
        assert!(keeps(&["--from", "-1d"], r#"{"time":1795176000000}"#));
        assert!(!keeps(&["--to", "now"], r#"{"time":1795176000000}"#));
        assert!(cdr(&["--from", "2026-11-02", "--to", "2026-11-02"]).is_err());
        assert!(cdr(&["--from", "soon"]).is_err());
    }

    #[test]
    fn the_end_of_a_dialog_is_its_time_plus_its_duration() {
        let end = &["--at", "end", "--from", "2026-11-01", "--to", "2026-11-02"];
        let record = |kind: &str, duration: &str| {
            format!(r#"{{"message_type":"{kind}","time":1793491199000,"duration":{duration}}}"#)
        };
        assert!(keeps(end, &record("dialog_end", "1000")));
        assert!(keeps(end, &record("dialog_end", "\"1000.5\"")));
        assert!(!keeps(end, &record("dialog_end", "999")));
        assert!(!keeps(end, &record("dialog_end", "null")));
        assert!(!keeps(end, &record("dialog_end", "-1")));
        assert!(!keeps(end, &record("dialog_step", "1000")));
    }
}
