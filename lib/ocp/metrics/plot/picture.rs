//! Draws a panel for each series: SVG with one panel below the other, or a self-contained HTML
//! page with panels side by side.

use std::fmt::Write;

use plotters::backend::SVGBackend;
use plotters::drawing::IntoDrawingArea;

use super::Plot;
use colours::dark;
use panel::{draw, failed};

mod colours;
mod panel;
mod time_axis;

/// The width and the height of a panel, in pixels.
const PANEL: (u32, u32) = (480, 200);
const EXPLANATION: &str = "Dashed lines and hollow points may still grow. A gap in a line means \
    that there is no bucket. Each line has its own scale. Times are UTC.";

/// The panels, one below the other; an empty text if there is no series.
///
/// # Errors
///
/// If the drawing library fails.
pub fn svg(plot: &Plot) -> anyhow::Result<String> {
    let Some(span) = plot.span() else {
        return Ok(String::new());
    };
    let (width, height) = PANEL;
    let rows = plot.series.len().max(1);
    let mut text = String::new();
    {
        let size = (width, height.saturating_mul(u32::try_from(rows)?));
        let all = SVGBackend::with_string(&mut text, size).into_drawing_area();
        for (series, area) in plot.series.iter().zip(all.split_evenly((rows, 1))) {
            draw(series, span, &area)?;
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

/// A self-contained HTML page with the panels side by side; an empty text if there is no series.
///
/// # Errors
///
/// If the drawing library fails.
pub fn html(plot: &Plot) -> anyhow::Result<String> {
    let Some(span) = plot.span() else {
        return Ok(String::new());
    };
    let mut panels = String::new();
    for series in &plot.series {
        let mut panel = String::new();
        {
            let area = SVGBackend::with_string(&mut panel, PANEL).into_drawing_area();
            draw(series, span, &area)?;
            area.present().map_err(failed)?;
        }
        let _ = writeln!(panels, "<figure>{}</figure>", panel.trim_end());
    }
    let (from, to) = span;
    let style = dark("body{background:#161616;color:#e8e8e8}");
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Metrics</title>\n<style>\n\
         body{{margin:1rem;font-family:sans-serif;background:#ffffff;color:#1b1b1b}}\n\
         main{{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,26rem),1fr))}}\n\
         figure{{margin:0}}h1{{font-size:1.3rem}}\nsvg{{width:100%;height:auto}}\n{style}</style></head>\n\
         <body>\n<h1>Metrics</h1>\n<p>{from} to {to}. {EXPLANATION}</p>\n<main>\n{panels}</main>\n</body>\n</html>\n"
    ))
}

#[cfg(test)]
mod tests {
    use plotters::style::RGBColor;

    use super::super::reader::tests::{plot, row};
    use super::colours::{GRID, INK, LINE, MUTED};
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
        // A bucket without a neighbour is a point; a bucket that can still grow is a hollow point.
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
    fn a_series_has_an_axis_of_its_own() {
        let rows: String = (0..3)
            .flat_map(|hour| {
                [
                    row("big", hour, &format!("{}", 90_000 + hour), ""),
                    row("tiny", hour, &hour.to_string(), ""),
                ]
            })
            .collect();
        for picture in [html(&plot(&rows)).unwrap(), svg(&plot(&rows)).unwrap()] {
            for text in ["min 90000, max 90002, last", "min 0, max 2, last", "90001"] {
                assert!(picture.contains(text), "{text}: {picture}");
            }
        }
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
}
