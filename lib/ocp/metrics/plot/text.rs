//! Draws a line of text for each series.

use std::fmt::Write;
use std::time::Duration;

use super::{Plot, PlotSeries};
use crate::time::{Timestamp, show_duration};

const SETTLED: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const GROWING: [char; 4] = ['⡀', '⡄', '⡆', '⡇'];
const ZERO: char = '·';
/// The largest width of a name, and the smallest width of a drawn line beside its name, in
/// characters.
const MOST_LABEL: usize = 48;
const LEAST_COLUMNS: usize = 10;

/// The time range that the columns of a line show.
struct Columns {
    from: Timestamp,
    width: i64,
    count: usize,
}

/// The series, one below the other. No line is longer than `width` characters.
pub fn render(plot: &Plot, width: usize) -> String {
    let Some((from, to)) = plot.span() else {
        return String::new();
    };
    let names: Vec<String> = plot.series.iter().map(PlotSeries::name).collect();
    let facts: Vec<String> = plot.series.iter().map(PlotSeries::facts).collect();
    let longest = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max();
    let label = longest(&names).unwrap_or(0).min(MOST_LABEL).min(width / 2);
    let fact = longest(&facts).unwrap_or(0);
    let beside = width.saturating_sub(label + fact + 2);
    let is_wide = beside >= LEAST_COLUMNS;
    let columns = columns(plot, from, to, if is_wide { beside } else { width });
    let length = show_duration(Duration::from_millis(columns.width.unsigned_abs()));
    let (settled, growing) = (SETTLED[7], GROWING[3]);
    let mut text = String::new();
    for sentence in [
        format!("{from} to {to}. A column is {length} and shows its largest bucket."),
        format!(
            "{settled} settled, {growing} may still grow, {ZERO} is 0, a blank means that \
            there is no bucket."
        ),
        "Each line has its own scale, from its min to its max.".to_owned(),
    ] {
        wrap(&sentence, width, &mut text);
    }
    text.push('\n');
    for ((series, name), facts) in plot.series.iter().zip(&names).zip(&facts) {
        let line = line(series, &columns);
        // Writing to a String cannot fail.
        let _ = match is_wide {
            true => writeln!(text, "{} {line} {facts}", fit(name, label)),
            false => writeln!(text, "{}\n{line}", fit(name, width).trim_end()),
        };
        if !is_wide {
            wrap(facts, width, &mut text);
        }
    }
    text
}

/// Adds `sentence` in lines of at most `width` characters.
fn wrap(sentence: &str, width: usize, text: &mut String) {
    let mut used = 0;
    for word in sentence.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            text.push('\n');
            used = 0;
        }
        if used > 0 {
            text.push(' ');
            used += 1;
        }
        for char in word.chars() {
            if used == width {
                text.push('\n');
                used = 0;
            }
            text.push(char);
            used += 1;
        }
    }
    text.push('\n');
}

/// `text`, cut or padded to exactly `width` characters.
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

/// Divides the time into at most `room` columns. The length of a column is the length of the
/// shortest bucket or a multiple of it.
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

/// One character for each column. A bucket fills all columns that it covers.
fn line(series: &PlotSeries, columns: &Columns) -> String {
    let (min, max) = series.range();
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
            Some((0.0, _)) => ZERO,
            Some((value, true)) => block(&SETTLED, value, min, max),
            Some((value, false)) => block(&GROWING, value, min, max),
        })
        .collect()
}

/// The block character for a value: the lowest block for the least value, the full block for the
/// greatest value.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn block(blocks: &[char], value: f64, min: f64, max: f64) -> char {
    let part = if max > min {
        (value - min) / (max - min)
    } else {
        1.0
    };
    let level = (part * blocks.len() as f64).ceil() as usize;
    blocks[level.clamp(1, blocks.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::super::reader::tests::{plot, row};
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
        let text = render(&plot(&rows.concat()), 90);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with(
                "2026-11-01T00:00:00Z to 2026-11-01T05:00:00Z. A column is 1h and shows"
            ),
            "{text}"
        );
        assert_eq!(lines[4], "dialogs channel=ivr   █   min 4, max 4, last 4");
        assert_eq!(lines[5], "dialogs channel=web █· ▁⡇ min 0, max 8, last 8");
    }

    #[test]
    fn many_buckets_share_a_column_and_the_greatest_is_shown() {
        let rows: Vec<String> = (0..20)
            .map(|hour| row("a", hour, &hour.to_string(), ""))
            .collect();
        let text = render(&plot(&rows.concat()), 41);
        assert!(text.contains("column is 2h"), "{text}");
        assert!(
            text.ends_with("dialogs ▁▂▃▃▄▅▆▇██ min 0, max 19, last 19\n"),
            "{text}"
        );
    }

    #[test]
    fn a_small_series_beside_a_large_one_is_no_flat_line() {
        let rows: String = (0..4)
            .flat_map(|hour| {
                let small = 1 + hour % 2;
                [
                    row("big", hour, &format!("{}", 5000 + small), ""),
                    row("tiny", hour, &small.to_string(), ""),
                ]
            })
            .collect();
        let text = render(&plot(&rows), 80);
        assert!(
            text.contains("channel=big  ▁█▁█ min 5001, max 5002, last"),
            "{text}"
        );
        assert!(
            text.contains("channel=tiny ▁█▁█ min 1, max 2, last"),
            "{text}"
        );
    }

    #[test]
    fn every_line_fits_the_width() {
        let rows: String = (0..20)
            .map(|hour| {
                row(
                    "a-long-name-of-a-channel",
                    hour,
                    &format!("{}12345.25", hour + 1),
                    "",
                )
            })
            .collect();
        for width in 20..120 {
            let text = render(&plot(&rows), width);
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width), "{width}:\n{text}");
            assert!(text.contains('▁') && text.contains("2012345.25"), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_cut() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("ab", 4), "ab  ");
    }
}
