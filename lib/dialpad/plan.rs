//! Plans the windows to request, oldest first. A window includes its start but not its end, and is
//! not longer than the service allows. Together the windows cover exactly the requested range,
//! without the windows in `--have`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::settings::ServiceArgs;
use crate::cli::args;
use crate::error;
use crate::export::window::Window;
use crate::json::lines::{Lines, explain};
use crate::time::{Timestamp, parse_duration, parse_positive_duration, show_duration};

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// The flags for the range of time.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Range")]
pub struct RangeArgs {
    /// Start of the range: RFC 3339, a date with or without a time (UTC if there is no zone), epoch
    /// seconds or milliseconds, -1y, yesterday or today (in UTC). With a --state that exists, the
    /// run continues from the end of the last run.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub from: Option<String>,

    /// End of the range, not included.
    #[arg(
        long,
        value_name = "T",
        default_value = "now",
        allow_hyphen_values = true
    )]
    pub to: String,

    /// The length of a window, up to 7d. A window that is too large for the service is halved.
    #[arg(long, value_name = "DUR", default_value = "1d", value_parser = parse_window)]
    pub window: Duration,

    /// How far back the service keeps messages. An older part of the range is left out, with a
    /// warning.
    #[arg(long, value_name = "DUR", default_value = "1y", value_parser = parse_positive_duration)]
    pub history: Duration,

    /// Leave out the windows in FILE. Its lines have from and to, as --plan prints them, or are
    /// reports (--report) of earlier runs. A FILE that does not exist counts as empty.
    #[arg(long, value_name = "FILE")]
    pub have: Option<PathBuf>,

    /// Print the windows, a line of JSON for each, and send no request.
    #[arg(long)]
    pub plan: bool,
}

fn parse_window(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).map_err(|e| e.to_string())?;
    match length {
        _ if length > WEEK => Err(format!(
            "'{text}' is more than the 7d that the service allows"
        )),
        _ if length < Duration::from_secs(1) => Err(format!("'{text}' is less than 1s")),
        _ => Ok(length),
    }
}

/// A window as `--plan` prints it, with the values of `start` and `end` that a request for it
/// sends.
#[derive(Debug, Serialize)]
pub struct PlannedWindow {
    from: Timestamp,
    to: Timestamp,
    start: i64,
    end: i64,
    epoch_unit: &'static str,
}

impl PlannedWindow {
    /// The window with the times of its request.
    pub fn new(window: Window, service: &ServiceArgs) -> PlannedWindow {
        let (start, end) = service.edges(window, service.epoch_unit);
        PlannedWindow {
            from: window.from(),
            to: window.to(),
            start,
            end,
            epoch_unit: service.epoch_unit.word(),
        }
    }
}

impl RangeArgs {
    /// The time of `--from`, if given. An error with status 2 if this time is not before `--to`.
    pub fn start(&self, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
        let Some(from) = &self.from else {
            return Ok(None);
        };
        let from = args::time("--from", from, now)?;
        let to = self.end(now)?;
        if from >= to {
            return Err(error::usage(format!(
                "--from {from} is not before --to {to}: the range is empty"
            )));
        }
        Ok(Some(from))
    }

    fn end(&self, now: Timestamp) -> anyhow::Result<Timestamp> {
        args::time("--to", &self.to, now)
    }

    /// The range from `from` to `--to`. A part that is older than `--history` or in the future is
    /// cut off, with a warning. `None` if nothing is left.
    pub fn range(&self, from: Timestamp, now: Timestamp) -> anyhow::Result<Option<Window>> {
        let to = self.end(now)?;
        let oldest = now.minus(self.history);
        if from < oldest {
            log::warn!(
                "{from} is older than the service keeps ({}): starting at {oldest} (--history)",
                show_duration(self.history)
            );
        }
        if to > now {
            log::warn!("{to} is in the future: ending now, at {now}");
        }
        let range = Window::new(from.max(oldest), to.min(now));
        if range.is_none() && self.from.is_some() {
            log::warn!("the range is empty: no request is sent");
        }
        Ok(range)
    }

    /// The windows of a range, without the windows in `--have`.
    pub fn windows(&self, range: Window, service: &ServiceArgs) -> anyhow::Result<Vec<Window>> {
        let have = match &self.have {
            None => Vec::new(),
            Some(path) => read_have(path)?,
        };
        let size = self.window.min(service.longest());
        if size < self.window {
            log::info!(
                "using windows of {} instead of {}: a window with its margins must be shorter than \
                 7d",
                show_duration(size),
                show_duration(self.window)
            );
        }
        let gaps = range.gaps(&have);
        Ok(gaps.into_iter().flat_map(|gap| gap.cut(size)).collect())
    }
}

/// A line of the file of `--have`: a window of a plan, or the report of a run.
#[derive(Deserialize)]
struct Had {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    windows: Option<Vec<Had>>,
}

fn read_have(path: &Path) -> anyhow::Result<Vec<Window>> {
    let place = || format!("--have {}", path.display());
    let file = match File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(place)?,
    };
    let mut lines = Lines::new(file);
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().with_context(place)? {
        if line.record().is_empty() {
            continue;
        }
        let number = line.number;
        let place = || format!("--have {}:{number}", path.display());
        let had: Had = serde_json::from_slice(line.record())
            .map_err(|e| error::bad_input(explain(&e)))
            .with_context(place)?;
        // A report lists the exported windows. The report's own from and to can span gaps between
        // these windows.
        let all = match had.windows {
            None => vec![had],
            Some(windows) => windows,
        };
        for had in all {
            match (had.from, had.to) {
                (Some(from), Some(to)) => found.extend(Window::new(from, to)),
                _ => {
                    return Err(error::bad_input("the line has no from and to"))
                        .with_context(place);
                }
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use proptest::prelude::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        range: RangeArgs,
        #[command(flatten)]
        service: ServiceArgs,
    }

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_123);

    fn flags(more: &[&str]) -> Flags {
        Flags::parse_from([&["x"], more].concat())
    }

    #[test]
    fn a_year_is_53_windows_of_a_week() {
        let flags = flags(&["--from", "-1y", "--window", "7d"]);
        let from = flags.range.start(NOW).unwrap().unwrap();
        let range = flags.range.range(from, NOW).unwrap().unwrap();
        assert_eq!(
            flags.range.windows(range, &flags.service).unwrap().len(),
            53
        );
    }

    #[test]
    fn the_range_is_cut_to_what_there_can_be() {
        let flags = flags(&["--to", "now+3d"]);
        let range = flags
            .range
            .range(NOW.minus(WEEK * 60), NOW)
            .unwrap()
            .unwrap();
        assert_eq!(
            (NOW.since(range.from()), range.to()),
            (Duration::from_secs(365 * 86_400), NOW)
        );
        assert_eq!(flags.range.range(NOW, NOW).unwrap(), None);
    }

    #[test]
    fn what_is_there_is_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"from":"2026-11-01T00:00:00Z","to":"2026-11-02T00:00:00Z","start":1}

{"program":"dialpad-window","from":"2026-10-01T00:00:00Z","to":"2026-11-09T00:00:00Z","windows":[{"from":"2026-11-03T00:00:00Z","to":"2026-11-03T12:00:00Z","messages":0}]}
{"program":"dialpad-window","from":null,"to":null,"windows":[]}
"#;
        std::io::Write::write_all(&mut file.as_file(), text.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        let flags = flags(&["--have", path, "--to", "2026-11-04"]);
        let from = Timestamp::parse("2026-11-01", NOW).unwrap();
        let range = flags.range.range(from, NOW).unwrap().unwrap();
        let windows = flags.range.windows(range, &flags.service).unwrap();
        let shown: Vec<String> = windows.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "2026-11-02T00:00:00Z..2026-11-03T00:00:00Z",
                "2026-11-03T12:00:00Z..2026-11-04T00:00:00Z"
            ]
        );
        std::io::Write::write_all(&mut file.as_file(), b"{}\n").unwrap();
        let error = flags.range.windows(range, &flags.service).unwrap_err();
        assert!(
            format!("{error:#}").contains(":5: the line has no from and to"),
            "{error:#}"
        );
    }

    proptest! {
        #[test]
        fn windows_cover_what_is_wanted_once_and_can_all_be_asked_for(
            days in 1_u64..400,
            millis in 0_u64..86_400_000,
            size in 1_u64..=604_800,
            overlap in 0_u64..=86_400,
            unit in prop_oneof![Just("ms"), Just("s")],
        ) {
            let flags = flags(&[
                "--window", &format!("{size}s"),
                "--overlap", &format!("{overlap}s"),
                "--epoch-unit", unit,
            ]);
            let size = Duration::from_secs(size.max(days * 100));
            let flags = Flags { range: RangeArgs { window: size.min(WEEK), ..flags.range }, ..flags };
            let from = NOW.minus(Duration::from_secs(days * 86_400) + Duration::from_millis(millis));
            if let Some(range) = flags.range.range(from, NOW).unwrap() {
                let windows = flags.range.windows(range, &flags.service).unwrap();
                prop_assert_eq!(windows[0].from(), range.from());
                prop_assert_eq!(windows[windows.len() - 1].to(), range.to());
                for pair in windows.windows(2) {
                    prop_assert_eq!(pair[0].to(), pair[1].from());
                }
                for window in windows {
                    let (start, end) = flags.service.edges(window, flags.service.epoch_unit);
                    prop_assert!((end - start) * flags.service.epoch_unit.millis() < 7 * 86_400_000);
                }
            }
        }
    }
}
