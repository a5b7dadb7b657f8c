//! A calendar as a picture: SVG, alone or in a page of HTML that needs nothing else.

use std::fmt::Write;

use super::text::counts;
use super::{Calendar, HourState};

/// Pixels of an hour, and what its picture takes of them.
const CELL: usize = 14;
const BOX: usize = 12;
/// Room for the dates.
const LEFT: usize = 96;
/// Room for a title and the hours of the day.
const TOP: usize = 56;

/// Colours that people who see no red or green can tell apart.
fn colour(state: HourState) -> &'static str {
    match state {
        HourState::Have => "#0072b2",
        HourState::Begun => "#56b4e9",
        HourState::Missing => "#d9d9d9",
        HourState::AtRisk => "#e69f00",
        HourState::Lost => "#000000",
    }
}

/// The calendars one below the other, as one picture.
pub fn svg(calendars: &[Calendar]) -> String {
    let mut body = String::new();
    let mut y = 0;
    for calendar in calendars {
        y = draw(calendar, y, &mut body);
    }
    let width = (LEFT + 24 * CELL + CELL).max(640);
    let height = y + 2 * CELL;
    let mut x = LEFT;
    for state in HourState::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(
            body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX}\" height=\"{BOX}\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>",
            colour(state),
            x + CELL + 4,
            y + BOX - 1,
            state.name()
        );
        x += 90;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

/// A page with the picture.
pub fn html(calendars: &[Calendar]) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Coverage</title></head>\n<body>\n{}</body>\n</html>\n",
        svg(calendars)
    )
}

/// Draws from `y` on, and says where the next one begins.
fn draw(calendar: &Calendar, y: usize, body: &mut String) -> usize {
    let title = escape(&format!("{} {}", calendar.group, calendar.kind));
    let _ = writeln!(
        body,
        "<text x=\"{CELL}\" y=\"{}\" font-weight=\"bold\">{title}</text><text x=\"{CELL}\" y=\"{}\">{}</text>",
        y + 18,
        y + 34,
        counts(calendar)
    );
    for hour in (0..24).step_by(6) {
        let x = LEFT + hour * CELL;
        let _ = writeln!(
            body,
            "<text x=\"{x}\" y=\"{}\">{hour:02}</text>",
            y + TOP - 6
        );
    }
    let mut at = y + TOP;
    for (date, hours) in calendar.days() {
        let _ = writeln!(
            body,
            "<text x=\"{CELL}\" y=\"{}\">{date}</text>",
            at + BOX - 1
        );
        for (hour, state) in hours.into_iter().enumerate() {
            let Some(state) = state else { continue };
            let _ = writeln!(
                body,
                "<rect x=\"{}\" y=\"{at}\" width=\"{BOX}\" height=\"{BOX}\" fill=\"{}\"><title>{date} {hour:02}:00 {}</title></rect>",
                LEFT + hour * CELL,
                colour(state),
                state.name()
            );
        }
        at += CELL;
    }
    at + CELL
}

/// A name as text of XML.
fn escape(name: &str) -> String {
    name.chars()
        .map(|char| match char {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            // No control character may stand in XML.
            char if char.is_control() => char.escape_default().to_string(),
            char => char.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::calendar;
    use super::*;

    #[test]
    fn every_hour_is_a_box_with_its_time() {
        let (mut calendar, _) = calendar();
        calendar.group = "a<b&\u{1}".to_owned();
        let picture = svg(&[calendar]);
        assert_eq!(picture.matches("<title>").count(), 6 * 24);
        assert!(picture.contains("<title>2026-11-10 11:00 lost</title>"));
        assert!(picture.contains("<title>2026-11-10 12:00 at risk</title>"));
        assert!(picture.contains(">a&lt;b&amp;\\u{1} a</text>"));
        let page = html(&[]);
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg "));
    }
}
