//! Draws one series: its name, its range, and a line over time.

use std::fmt::Display;
use std::ops::Range;

use anyhow::anyhow;
use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::DrawingArea;
use plotters::element::Circle;
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::{FontStyle, RGBColor, ShapeStyle, TRANSPARENT, TextStyle};

use super::super::text::fit;
use super::super::{PlotBucket, PlotSeries, short};
use super::colours::{GRID, INK, LINE, MUTED};
use super::time_axis::TimeAxis;
use crate::time::Timestamp;

/// The height of the space above a panel's axes, in pixels. This space holds two lines of text.
const HEAD: i32 = 46;
/// The number of characters of a title that fit into a panel.
const MOST_TITLE: usize = 58;

pub(super) type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Axes<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<TimeAxis, RangedCoordf64>>;

/// Draws one series. The time axis goes from `from` to `to`.
pub(super) fn draw(
    series: &PlotSeries,
    (from, to): (Timestamp, Timestamp),
    area: &Panel<'_>,
) -> anyhow::Result<()> {
    let bold = style(17, &INK.0).font.style(FontStyle::Bold);
    let bold = TextStyle::from(bold).color(&INK.0);
    let title = fit(&series.name(), MOST_TITLE);
    area.draw_text(&title, &bold, (8, 6)).map_err(failed)?;
    area.draw_text(&facts(series), &style(15, &MUTED.0), (8, 24))
        .map_err(failed)?;
    let times = TimeAxis(from.millis()..to.millis());
    let mut chart = ChartBuilder::on(area)
        .margin_top(HEAD)
        .margin_right(14)
        .x_label_area_size(24)
        .y_label_area_size(52)
        .build_cartesian_2d(times, values(series.range()))
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

/// The text under the title: the step, and the least, the greatest and the latest value.
fn facts(series: &PlotSeries) -> String {
    let growing = series.last().filter(|bucket| !bucket.is_settled);
    let growing = growing.map_or("", |_| " (may still grow)");
    format!("by {}, {}{growing}", series.step, series.facts())
}

/// The value axis: from the least to the greatest value of a series, plus a margin at both ends.
/// There is no margin below a least value of 0.
fn values((min, max): (f64, f64)) -> Range<f64> {
    let margin = if max > min { (max - min) * 0.05 } else { 1.0 };
    let low = if min == 0.0 { 0.0 } else { min - margin };
    low..max + margin
}

type Point = (i64, f64);

/// The runs of a series: buckets that follow each other without a gap.
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

/// Draws a run of buckets. The line between two settled buckets is solid; every other line is
/// dashed. A point marks each bucket that has no neighbours or is not settled.
fn trace(chart: &mut Axes<'_, '_>, run: &[(Timestamp, PlotBucket)]) -> anyhow::Result<()> {
    let middle = |(from, bucket): &(Timestamp, PlotBucket)| -> Point {
        let half = (bucket.to.millis() - from.millis()) / 2;
        (from.millis() + half, bucket.value)
    };
    let solid = ShapeStyle::from(&LINE.0).stroke_width(2);
    // Consecutive pairs of buckets with the same kind of line (solid or dashed) are drawn as one
    // line.
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

pub(super) fn failed(e: impl Display) -> anyhow::Error {
    anyhow!("drawing the picture: {e}")
}
