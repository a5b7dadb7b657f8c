//! `ocp-receive status`: shows the pushes on each path.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::cli::run::{self, Outcome, Run};
use crate::receive::directory::ReceiveDirectory;
use crate::receive::store::Store;
use crate::receive::store::reading::PathActivity;
use crate::time::{Timestamp, show_duration};

pub(crate) const EXAMPLES: &str = "\
Examples:
  ocp-receive status --dir /srv/ocp
  ocp-receive status --dir /srv/ocp | jq -r 'select(.last_push == null) | .path'";

/// The number of pushes a minute is computed from the pushes in this period before now.
const RECENT: Duration = Duration::from_secs(300);

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The directory of the receiver. The receiver can be running.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// The output line about one path.
#[derive(Serialize)]
struct StatusLine {
    path: String,
    last_push: Option<Timestamp>,
    pushes: i64,
    pushes_per_minute: f64,
    refused: i64,
    oldest_unpublished_seconds: Option<u64>,
    certificate_days: Option<i64>,
}

pub(crate) fn print(args: &Args, run: &mut Run) -> anyhow::Result<Outcome> {
    let store = Store::open(&ReceiveDirectory::new(&args.dir))?;
    let now = run.now;
    let expires = store.fact("certificate_expires_at")?;
    let days = expires.map(|at| (at - now.millis()).div_euclid(86_400_000));
    let line = |path: PathActivity| StatusLine {
        path: path.path,
        last_push: path.last_push,
        pushes: path.pushes,
        pushes_per_minute: path.recent as f64 / (RECENT.as_secs_f64() / 60.0),
        refused: path.refused,
        oldest_unpublished_seconds: path.oldest_unpublished.map(|at| now.since(at).as_secs()),
        certificate_days: days,
    };
    let paths = store.paths(now.minus(RECENT))?;
    let lines: Vec<StatusLine> = paths.into_iter().map(line).collect();
    let is_table = !run.output.is_held() && run::is_stdout_terminal();
    if is_table {
        for row in table(&lines, now) {
            run.output.write_line(row.as_bytes())?;
        }
    } else {
        for line in &lines {
            run.output.write_record(line)?;
        }
    }
    Ok(match lines.is_empty() {
        true => Outcome::Nothing,
        false => Outcome::Done,
    })
}

/// The lines as a table for people.
fn table(lines: &[StatusLine], now: Timestamp) -> Vec<String> {
    let ago = |time: Option<Timestamp>| match time {
        None => "never".to_owned(),
        Some(at) => {
            let seconds = Duration::from_secs(now.since(at).as_secs());
            format!("{} ago", show_duration(seconds))
        }
    };
    let head = [
        "path",
        "last push",
        "a minute",
        "refused",
        "oldest unpublished",
        "certificate",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for line in lines {
        let unpublished = line.oldest_unpublished_seconds;
        rows.push([
            // The client chooses the path: control characters in it must not reach the
            // terminal.
            line.path.replace(char::is_control, "?"),
            ago(line.last_push),
            format!("{:.1}", line.pushes_per_minute),
            line.refused.to_string(),
            unpublished.map_or("none".to_owned(), |s| show_duration(Duration::from_secs(s))),
            line.certificate_days
                .map_or("unknown".to_owned(), |days| format!("{days} days")),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|at| width(at).unwrap_or(0)).collect();
    let pad = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(pad).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_columns() {
        let now = Timestamp::from_millis(1_793_491_200_000);
        let line = StatusLine {
            path: "acme/dialog_end\u{1b}".to_owned(),
            last_push: Some(now.minus(Duration::from_secs(65))),
            pushes: 3,
            pushes_per_minute: 0.6,
            refused: 2,
            oldest_unpublished_seconds: Some(7),
            certificate_days: Some(40),
        };
        let rows = table(&[line], now);
        assert_eq!(
            rows,
            [
                "path              last push  a minute  refused  oldest unpublished  certificate",
                "acme/dialog_end?  1m5s ago   0.6       2        7s                  40 days",
            ]
        );
    }
}
