//! A panel for each series: SVG, one below the other, or side by side in a page of
//! HTML that needs nothing else.

use std::fmt::{Display, Write};
use std::ops::Range;

use anyhow::anyhow;
use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::Circle;
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::{FontStyle, RGBColor, ShapeStyle, TRANSPARENT, TextStyle};

use super::text::fit;
use super::{Plot, PlotBucket, PlotSeries, short};
use crate::time::{HOUR_MS, Timestamp};

/// Pixels of a panel.
const PANEL: (u32, u32) = (480, 200);
/// Pixels above a panel's axes, for its two lines of text.
const HEAD: i32 = 46;
/// Characters of a title that fit into a panel.
const MOST_TITLE: usize = 58;

/// The colours of the light picture, and what a dark page makes of each.
const INK: (RGBColor, &str) = (RGBColor(0x1b, 0x1b, 0x1b), "#e8e8e8");
const MUTED: (RGBColor, &str) = (RGBColor(0x59, 0x59, 0x59), "#a8a8a8");
const GRID: (RGBColor, &str) = (RGBColor(0xdd, 0xdd, 0xdd), "#3a3a3a");
const LINE: (RGBColor, &str) = (RGBColor(0x00, 0x62, 0xa3), "#6cb8ee");

const EXPLANATION: &str = "A dashed line and hollow points may still grow. \
    A line that is broken has no bucket there. Times are UTC.";

/// Milliseconds between marks on the axis of time.
const MARKS: [i64; 15] = [
    HOUR_MS / 12,
    HOUR_MS / 4,
    HOUR_MS / 2,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    24 * HOUR_MS,
    48 * HOUR_MS,
    4 * 24 * HOUR_MS,
    7 * 24 * HOUR_MS,
    14 * 24 * HOUR_MS,
    28 * 24 * HOUR_MS,
    91 * 24 * HOUR_MS,
    364 * 24 * HOUR_MS,
];

/// The panels one below the other.
///
/// # Errors
///
/// Where the drawing library fails.
pub fn svg(plot: &Plot) -> anyhow::Result<String> {
    let (width, height) = PANEL;
    let rows = plot.series.len().max(1);
    let mut text = String::new();
    {
        let size = (width, height.saturating_mul(u32::try_from(rows)?));
        let all = SVGBackend::with_string(&mut text, size).into_drawing_area();
        for (series, area) in plot.series.iter().zip(all.split_evenly((rows, 1))) {
            draw(plot, series, &area)?;
        }
        all.present().map_err(failed)?;
    }
    let background = "<rect width=\"100%\" height=\"100%\" class=\"page\"/>";
    let style = format!(
        "<style>\n.page{{fill:#ffffff}}\n{}</style>\n",
        dark(".page{fill:#161616}")
    );
    Ok(match text.split_once(">\n") {
        Some((head, body)) => format!("{head}>\n{style}{background}\n{body}"),
        None => text,
    })
}

/// A page with the panels, as many side by side as there is room for.
///
/// # Errors
///
/// Where the drawing library fails.
pub fn html(plot: &Plot) -> anyhow::Result<String> {
    let mut panels = String::new();
    for series in &plot.series {
        let mut panel = String::new();
        {
            let area = SVGBackend::with_string(&mut panel, PANEL).into_drawing_area();
            draw(plot, series, &area)?;
            area.present().map_err(failed)?;
        }
        let _ = writeln!(panels, "<figure>{}</figure>", panel.trim_end());
    }
    let span = plot
        .span()
        .map(|(from, to)| format!("{from} to {to}"))
        .unwrap_or_default();
    let style = dark("body{background:#161616;color:#e8e8e8}");
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Metrics</title>\n<style>\n\
         body{{margin:1rem;font-family:sans-serif;background:#ffffff;color:#1b1b1b}}\n\
         main{{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr))}}\n\
         figure{{margin:0}}h1{{font-size:1.3rem}}\nsvg{{width:100%;height:auto}}\n{style}</style></head>\n\
         <body>\n<h1>Metrics</h1>\n<p>{span}. {EXPLANATION}</p>\n<main>\n{panels}</main>\n</body>\n</html>\n"
    ))
}

/// The rules that change the colours where the reader's screen is dark.
fn dark(page: &str) -> String {
    let mut rules = String::new();
    for (light, dark) in [INK, MUTED, GRID, LINE] {
        let RGBColor(red, green, blue) = light;
        let light = format!("#{red:02X}{green:02X}{blue:02X}");
        let _ = writeln!(
            rules,
            "[fill=\"{light}\"]{{fill:{dark}}}\n[stroke=\"{light}\"]{{stroke:{dark}}}"
        );
    }
    format!("@media (prefers-color-scheme:dark){{\n{page}\n{rules}}}\n")
}

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Axes<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<TimeAxis, RangedCoordf64>>;

fn draw(plot: &Plot, series: &PlotSeries, area: &Panel<'_>) -> anyhow::Result<()> {
    let Some((from, to)) = plot.span() else {
        return Ok(());
    };
    let bold = style(17, &INK.0).font.style(FontStyle::Bold);
    let bold = TextStyle::from(bold).color(&INK.0);
    let title = format!("{} {}", series.metric, series.label);
    let title = fit(title.trim_end(), MOST_TITLE);
    area.draw_text(&title, &bold, (8, 6)).map_err(failed)?;
    area.draw_text(&facts(series), &style(15, &MUTED.0), (8, 24))
        .map_err(failed)?;
    let top = plot.top(series);
    let times = TimeAxis(from.millis()..to.millis());
    let mut chart = ChartBuilder::on(area)
        .margin_top(HEAD)
        .margin_right(14)
        .x_label_area_size(24)
        .y_label_area_size(52)
        .build_cartesian_2d(times, 0.0..if top > 0.0 { top * 1.05 } else { 1.0 })
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.0)
        .axis_style(MUTED.0)
        .x_labels(6)
        .y_labels(4)
        .y_label_formatter(&|value| short(*value))
        .label_style(style(14, &MUTED.0))
        .draw()
        .map_err(failed)?;
    for run in runs(series) {
        trace(&mut chart, &run)?;
    }
    Ok(())
}

/// What stands under the title: the step, the latest value and the greatest.
fn facts(series: &PlotSeries) -> String {
    let growing = series.last().filter(|bucket| !bucket.is_settled);
    format!(
        "by {}, max {}, last {}{}",
        series.step,
        short(series.max()),
        series
            .last()
            .map_or_else(String::new, |bucket| short(bucket.value)),
        growing.map_or("", |_| " (may still grow)")
    )
}

type Point = (i64, f64);

/// Buckets that follow each other without a gap.
fn runs(series: &PlotSeries) -> Vec<Vec<(Timestamp, PlotBucket)>> {
    let mut runs: Vec<Vec<(Timestamp, PlotBucket)>> = Vec::new();
    for (from, bucket) in &series.buckets {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|(_, before)| before.to >= *from) => {
                run.push((*from, *bucket));
            }
            _ => runs.push(vec![(*from, *bucket)]),
        }
    }
    runs
}

/// Draws one run: solid between settled buckets, dashed where one of the two may still
/// grow, and a point for what has no neighbour.
fn trace(chart: &mut Axes<'_, '_>, run: &[(Timestamp, PlotBucket)]) -> anyhow::Result<()> {
    let middle = |(from, bucket): &(Timestamp, PlotBucket)| -> Point {
        let half = (bucket.to.millis() - from.millis()) / 2;
        (from.millis() + half, bucket.value)
    };
    let solid = ShapeStyle::from(&LINE.0).stroke_width(2);
    // A run of pairs of one kind is one line.
    for piece in run
        .windows(2)
        .collect::<Vec<_>>()
        .chunk_by(|a, b| is_solid(a) == is_solid(b))
    {
        let Some(first) = piece.first() else { continue };
        let points =
            std::iter::once(middle(&first[0])).chain(piece.iter().map(|pair| middle(&pair[1])));
        let points: Vec<Point> = points.collect();
        match is_solid(first) {
            true => chart.draw_series(LineSeries::new(points, solid)).map(drop),
            false => chart
                .draw_series(DashedLineSeries::new(points, 4, 3, solid))
                .map(drop),
        }
        .map_err(failed)?;
    }
    let alone = run.len() == 1;
    let points = run.iter().filter(|(_, bucket)| alone || !bucket.is_settled);
    let points = points.map(|one| match one.1.is_settled {
        true => Circle::new(middle(one), 2, solid.filled()),
        false => Circle::new(middle(one), 3, ShapeStyle::from(&LINE.0)),
    });
    chart.draw_series(points).map_err(failed)?;
    Ok(())
}

fn is_solid(pair: &[(Timestamp, PlotBucket)]) -> bool {
    pair.iter().all(|(_, bucket)| bucket.is_settled)
}

fn style(size: u32, colour: &'static RGBColor) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size)).color(colour)
}

fn failed(e: impl Display) -> anyhow::Error {
    anyhow!("drawing the picture: {e}")
}

/// An axis of milliseconds since 1970 whose marks are whole hours or days in UTC.
struct TimeAxis(Range<i64>);

impl Ranged for TimeAxis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = i64;

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn map(&self, value: &i64, (left, right): (i32, i32)) -> i32 {
        let all = (self.0.end - self.0.start).max(1) as f64;
        let part = (value - self.0.start) as f64 / all;
        left + (part * f64::from(right - left)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<i64> {
        let most = i64::try_from(hint.max_num_points().clamp(1, 6)).unwrap_or(1);
        let all = self.0.end - self.0.start;
        let fits = MARKS.into_iter().find(|mark| all / mark < most);
        let mark = fits.unwrap_or(all / most + 1);
        let first = self.0.start.div_euclid(mark) * mark;
        (0..=most + 1)
            .map(|step| first + step * mark)
            .filter(|at| self.0.contains(at) || *at == self.0.end)
            .collect()
    }

    fn range(&self) -> Range<i64> {
        self.0.clone()
    }
}

impl ValueFormatter<i64> for TimeAxis {
    fn format(value: &i64) -> String {
        let (date, hour) = Timestamp::from_millis(*value).date_and_hour();
        let minute = value.rem_euclid(HOUR_MS) / (HOUR_MS / 60);
        match (hour, minute) {
            (0, 0) => date.get(5..).unwrap_or(&date).to_owned(),
            _ => format!("{hour:02}:{minute:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{plot, row};
    use super::*;

    fn rows() -> String {
        [
            row("web", 0, "8", ""),
            row("web", 1, "2", ""),
            row("web", 3, "1", ""),
            row("a<b", 4, "8", "").replace("\"settled\":true", "\"settled\":false"),
        ]
        .concat()
    }

    #[test]
    fn each_series_has_a_panel_and_what_may_grow_is_hollow() {
        let page = html(&plot(&rows())).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>"));
        assert_eq!(page.matches("<figure><svg ").count(), 2);
        assert!(page.contains("dialogs channel=a&lt;b"), "{page}");
        assert!(page.contains("last 8 (may still grow)"));
        // One bucket without a neighbour is a point, one that grows a hollow one.
        let circles: Vec<&str> = page
            .lines()
            .filter(|line| line.contains("<circle"))
            .collect();
        assert_eq!(
            circles
                .iter()
                .filter(|line| line.contains("fill=\"none\""))
                .count(),
            1
        );
        assert_eq!(circles.len(), 2);
    }

    #[test]
    fn a_picture_alone_has_its_colours_for_dark_screens() {
        let picture = svg(&plot(&rows())).unwrap();
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert!(picture.contains("height=\"400\""));
        assert!(picture.contains("prefers-color-scheme:dark"));
        for (RGBColor(red, green, blue), _) in [INK, MUTED, GRID, LINE] {
            let colour = format!("=\"#{red:02X}{green:02X}{blue:02X}\"");
            assert!(picture.matches(&colour).count() > 2, "{colour}");
        }
    }

    #[test]
    fn marks_are_whole_hours_or_days() {
        let day = 24 * HOUR_MS;
        let axis = TimeAxis(day + 1..3 * day);
        let marks: Vec<String> = axis.key_points(6).iter().map(TimeAxis::format).collect();
        assert_eq!(marks, ["12:00", "01-03", "12:00", "01-04"]);
        let hour = TimeAxis(0..HOUR_MS);
        assert_eq!(hour.key_points(5).len(), 5);
    }
}
