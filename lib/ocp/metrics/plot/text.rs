//! A line of text for each series.

use std::fmt::Write;
use std::time::Duration;

use super::{Plot, PlotSeries, short};
use crate::time::{Timestamp, show_duration};

const SETTLED: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const GROWING: [char; 4] = ['⡀', '⡄', '⡆', '⡇'];
const ZERO: char = '·';
/// Room for a name and for a line at least.
const MOST_LABEL: usize = 48;
const LEAST_COLUMNS: usize = 10;

/// What of time a line's columns show.
struct Columns {
    from: Timestamp,
    width: i64,
    count: usize,
}

/// The series one below the other, `width` characters wide.
pub fn render(plot: &Plot, width: usize) -> String {
    let Some((from, to)) = plot.span() else {
        return String::new();
    };
    let labels: Vec<String> = plot.series.iter().map(name).collect();
    let label = labels
        .iter()
        .map(|label| label.chars().count())
        .max()
        .unwrap_or(0);
    let label = label.min(MOST_LABEL).min(width / 2);
    let facts: Vec<String> = plot.series.iter().map(facts).collect();
    let fact = facts.iter().map(String::len).max().unwrap_or(0);
    let room = width.saturating_sub(label + fact + 3).max(LEAST_COLUMNS);
    let columns = columns(plot, from, to, room);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{from} to {to}. A column is {}: the greatest of its buckets.\n\
         {} settled, {} may still grow, {ZERO} is 0, a blank has no bucket.\n",
        show_duration(Duration::from_millis(columns.width.unsigned_abs())),
        SETTLED[7],
        GROWING[3],
    );
    for ((series, name), facts) in plot.series.iter().zip(&labels).zip(&facts) {
        let line = line(series, &columns, plot.top(series));
        let _ = writeln!(text, "{} {line} {facts}", fit(name, label));
    }
    text
}

fn name(series: &PlotSeries) -> String {
    format!("{} {}", series.metric, series.label)
        .trim_end()
        .to_owned()
}

fn facts(series: &PlotSeries) -> String {
    let last = series.last().map_or(0.0, |bucket| bucket.value);
    format!("max {}, last {}", short(series.max()), short(last))
}

/// `text` in exactly `width` characters.
pub(super) fn fit(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => format!("{text:width$}"),
    }
}

/// As many columns as fit, each of a whole number of the shortest buckets.
fn columns(plot: &Plot, from: Timestamp, to: Timestamp, room: usize) -> Columns {
    let buckets = plot.series.iter().flat_map(|series| &series.buckets);
    let lengths = buckets.map(|(from, bucket)| bucket.to.millis() - from.millis());
    let shortest = lengths.min().unwrap_or(1).max(1);
    let all = to.millis() - from.millis();
    let room = i64::try_from(room).unwrap_or(i64::MAX).max(1);
    let width = all
        .div_euclid(shortest)
        .max(1)
        .unsigned_abs()
        .div_ceil(room.unsigned_abs());
    let width = i64::try_from(width)
        .unwrap_or(i64::MAX)
        .saturating_mul(shortest);
    let count = all.max(1).unsigned_abs().div_ceil(width.unsigned_abs());
    Columns {
        from,
        width,
        count: usize::try_from(count).unwrap_or(usize::MAX),
    }
}

/// A character for each column. A bucket that is longer than a column fills all that
/// it covers.
fn line(series: &PlotSeries, columns: &Columns, top: f64) -> String {
    let mut greatest: Vec<Option<(f64, bool)>> = vec![None; columns.count];
    let at = |time: Timestamp| {
        let column = (time.millis() - columns.from.millis()).div_euclid(columns.width);
        usize::try_from(column).unwrap_or(0)
    };
    for (from, bucket) in &series.buckets {
        let last = at(bucket.to.minus(Duration::from_millis(1)));
        let covered = greatest.iter_mut().take(last + 1).skip(at(*from));
        for column in covered {
            let seen = column.unwrap_or((f64::MIN, true));
            *column = Some((seen.0.max(bucket.value), seen.1 && bucket.is_settled));
        }
    }
    greatest
        .into_iter()
        .map(|column| match column {
            None => ' ',
            Some((value, _)) if value <= 0.0 => ZERO,
            Some((value, true)) => block(&SETTLED, value, top),
            Some((value, false)) => block(&GROWING, value, top),
        })
        .collect()
}

/// The block that is high enough; the greatest value fills it.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn block(blocks: &[char], value: f64, top: f64) -> char {
    let level = (value / top * blocks.len() as f64).ceil() as usize;
    blocks[level.clamp(1, blocks.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{plot, row};
    use super::*;

    #[test]
    fn each_series_is_a_line_with_gaps_and_with_what_still_grows() {
        let rows = [
            row("web", 0, "8", ""),
            row("web", 1, "0", ""),
            row("web", 3, "1", ""),
            row("web", 4, "8", "").replace("\"settled\":true", "\"settled\":false"),
            row("ivr", 2, "4", ""),
        ];
        let text = render(&plot(&rows.concat()), 60);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("2026-11-01T00:00:00Z to 2026-11-01T05:00:00Z. A column is 1h:"),
            "{text}"
        );
        assert_eq!(lines[3], "dialogs channel=ivr   ▄   max 4, last 4");
        assert_eq!(lines[4], "dialogs channel=web █· ▁⡇ max 8, last 8");
    }

    #[test]
    fn many_buckets_share_a_column_and_the_greatest_is_shown() {
        let rows: Vec<String> = (0..20)
            .map(|hour| row("a", hour, &hour.to_string(), ""))
            .collect();
        let text = render(&plot(&rows.concat()), 40);
        assert!(text.contains("A column is 2h"), "{text}");
        assert!(
            text.ends_with("dialogs ▁▂▃▃▄▅▆▇██ max 19, last 19\n"),
            "{text}"
        );
    }

    #[test]
    fn a_name_that_is_too_long_is_cut() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("ab", 4), "ab  ");
    }
}
