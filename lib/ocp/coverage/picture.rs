//! A calendar as a picture: SVG, alone or in a self-contained HTML page.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::text::counts;
use super::totals::Comparison;
use super::{Calendar, HourState};
use crate::time::Timestamp;

/// The distance from one hour to the next, and from one row of days to the next, in pixels. 60 rows
/// fit on a screen.
const CELL: usize = 14;
const ROW: usize = 12;
/// The width and the height of an hour's box, in pixels.
const BOX: usize = 12;
const BOX_HEIGHT: usize = 10;
/// The average width of a character of the title, in pixels.
const CHAR: usize = 7;
/// The number of states in a row of the legend, and the width of each state in pixels.
const IN_ROW: usize = 5;
const LEGEND_CELL: usize = 94;
/// Pixels between the rows of the legend.
const LEGEND_ROW: usize = 18;
/// The width of the column with the dates, in pixels.
const LEFT: usize = 150;
/// The height of a calendar's title and of the row with the hours, in pixels.
const TOP: usize = 52;

/// The CSS class of a state's boxes, and their colour on a light and on a dark screen. Colour-blind
/// people can distinguish these colours.
fn look(state: HourState) -> (&'static str, &'static str, &'static str) {
    match state {
        HourState::Have => ("have", "#0072b2", "#3d9bdc"),
        HourState::Begun => ("begun", "#56b4e9", "#a5d8f6"),
        HourState::Missing => ("missing", "#d9d9d9", "#4a4a4a"),
        HourState::AtRisk => ("risk", "#e69f00", "#f0b432"),
        HourState::Lost => ("lost", "#000000", "#ffffff"),
    }
}

/// The CSS rules of the colours, for light and for dark screens.
fn style() -> String {
    let mut light = ".page{fill:#ffffff}text{fill:#1b1b1b}".to_owned();
    let mut dark = ".page{fill:#161616}text{fill:#e8e8e8}".to_owned();
    for (class, on_light, on_dark) in HourState::ALL.map(look) {
        // Writing to a String cannot fail.
        let _ = write!(light, ".{class}{{fill:{on_light}}}");
        let _ = write!(dark, ".{class}{{fill:{on_dark}}}");
    }
    // This rule comes after the rules of the states, because it overrides the colour of a state.
    light += ".departs{fill:#ffffff;stroke:#d55e00;stroke-width:3}";
    dark += ".departs{fill:#161616;stroke:#ff9a4d}";
    format!("<style>\n{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n</style>\n")
}

/// The calendars as one picture, one below the other. The title, the time zone, the time `now` and
/// the legend come first. Consecutive days with equal states share one row. If an hour differs from
/// its control total, the box of the hour is hollow, and its tooltip shows the numbers.
pub fn svg(calendars: &[Calendar], found: Option<&Comparison>, now: Timestamp) -> String {
    let mut body = String::new();
    let mut y = head(found, now, &mut body);
    for calendar in calendars {
        y = draw(calendar, found, y, &mut body);
    }
    let title = |calendar: &Calendar| calendar.group.len() + 1 + calendar.kind.len();
    let longest = calendars.iter().map(title).max().unwrap_or_default();
    let width = (LEFT + 24 * CELL + CELL).max(2 * CELL + longest * CHAR);
    let height = y;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n{}<rect width=\"100%\" height=\"100%\" class=\"page\"/>\n{body}</svg>\n",
        style()
    )
}

/// A self-contained HTML page with the picture.
pub fn html(calendars: &[Calendar], found: Option<&Comparison>, now: Timestamp) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Coverage</title>\n<style>\n\
         body{{margin:1rem;background:#ffffff}}\nbody>svg{{max-width:100%;height:auto}}\n\
         @media (prefers-color-scheme:dark){{body{{background:#161616}}}}\n</style></head>\n\
         <body>\n{}</body>\n</html>\n",
        svg(calendars, found, now)
    )
}

/// Draws the title and the legend, and returns the `y` of the first calendar.
fn head(found: Option<&Comparison>, now: Timestamp, body: &mut String) -> usize {
    // Writing to a String cannot fail.
    let _ = writeln!(
        body,
        "<text x=\"{CELL}\" y=\"24\" font-size=\"18\" font-weight=\"bold\">Coverage</text>\
         <text x=\"{CELL}\" y=\"44\">Days and hours in UTC. Made at {}</text>",
        now.rfc3339_seconds()
    );
    let states = HourState::ALL.map(|state| (look(state).0, state.name()));
    let departs = found.map(|_| ("have departs", "differs"));
    let mut last = 0;
    for (at, (class, name)) in states.into_iter().chain(departs).enumerate() {
        let x = CELL + at % IN_ROW * LEGEND_CELL;
        last = 56 + at / IN_ROW * LEGEND_ROW;
        let _ = writeln!(
            body,
            "<rect x=\"{x}\" y=\"{last}\" width=\"{BOX}\" height=\"{BOX}\" class=\"{class}\"/><text x=\"{}\" y=\"{}\">{name}</text>",
            x + CELL + 4,
            last + BOX - 1
        );
    }
    last + LEGEND_ROW
}

/// Draws a calendar from `y` on, and returns the `y` of the next calendar.
fn draw(calendar: &Calendar, found: Option<&Comparison>, y: usize, body: &mut String) -> usize {
    let title = escape(&format!("{} {}", calendar.group, calendar.kind));
    let departures = departures(calendar, found);
    let departing = match departures.len() {
        0 => String::new(),
        count => format!(", {count} h differ from the totals"),
    };
    let _ = writeln!(
        body,
        "<text x=\"{CELL}\" y=\"{}\" font-weight=\"bold\">{title}</text><text x=\"{CELL}\" y=\"{}\">{}{departing}</text>",
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
    let is_alone = |date: &str| departures.keys().any(|(day, _)| day == date);
    for run in calendar.day_runs(is_alone) {
        let (dates, long) = match run.days {
            1 => (run.first.clone(), run.first.clone()),
            // The last day is shown without its year, because the first day shows the year.
            _ => (
                format!("{} .. {}", run.first, run.last.get(5..).unwrap_or_default()),
                format!("{} .. {}", run.first, run.last),
            ),
        };
        let _ = writeln!(
            body,
            "<text x=\"{CELL}\" y=\"{}\">{dates}</text>",
            at + BOX_HEIGHT
        );
        for (hour, state) in run.hours.into_iter().enumerate() {
            let Some(state) = state else { continue };
            let (class, numbers) = match departures.get(&(run.first.clone(), hour)) {
                Some(numbers) => (" departs", numbers.as_str()),
                None => ("", ""),
            };
            let _ = writeln!(
                body,
                "<rect x=\"{}\" y=\"{at}\" width=\"{BOX}\" height=\"{BOX_HEIGHT}\" class=\"{}{class}\"><title>{long} {hour:02}:00 {}{numbers}</title></rect>",
                LEFT + hour * CELL,
                look(state).0,
                state.name()
            );
        }
        at += ROW;
    }
    at + CELL
}

/// For each hour that differs from its control total: the text that shows its numbers. The keys are
/// date and hour.
fn departures(
    calendar: &Calendar,
    found: Option<&Comparison>,
) -> BTreeMap<(String, usize), String> {
    let mut departures: BTreeMap<_, String> = BTreeMap::new();
    for one in found.into_iter().flat_map(|found| found.of(calendar)) {
        let (date, hour) = one.hour.date_and_hour();
        let numbers = departures.entry((date, hour as usize)).or_default();
        *numbers += &escape(&format!("; {one}"));
    }
    departures
}

/// A name escaped for XML.
fn escape(name: &str) -> String {
    name.chars()
        .map(|char| match char {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            // XML must not contain control characters.
            char if char.is_control() => char.escape_default().to_string(),
            char => char.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::calendar;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_176_000_000);

    #[test]
    fn every_hour_is_a_box_with_its_time() {
        let (mut calendar, _) = calendar();
        calendar.group = "a<b&\u{1}".to_owned();
        let picture = svg(&[calendar], None, NOW);
        assert_eq!(picture.matches("<title>").count(), 6 * 24);
        assert!(picture.contains("<title>2026-11-10 11:00 lost</title>"));
        assert!(picture.contains("<title>2026-11-10 12:00 at risk</title>"));
        assert!(picture.contains(">a&lt;b&amp;\\u{1} a</text>"));
        let page = html(&[], None, NOW);
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg "));
        assert_eq!(page.matches("prefers-color-scheme:dark").count(), 2);
        // Without a long name, the picture is only as wide as the dates and hours.
        assert!(page.contains("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"500\""));
    }

    /// The bottom edge of the picture, in pixels.
    fn height(picture: &str) -> usize {
        let (_, rest) = picture.split_once(" height=\"").unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    }

    #[test]
    fn the_title_the_zone_the_time_and_the_legend_come_first() {
        let (calendar, _) = calendar();
        let picture = svg(&[calendar], None, NOW);
        let places = [
            ">Coverage</text>",
            ">Days and hours in UTC. Made at 2026-11-20T12:00:00Z</text>",
            ">at risk</text>",
            ">lost</text>",
            ">g a</text>",
            "<title>2026-11-09 00:00 lost</title>",
        ]
        .map(|part| picture.find(part).unwrap());
        assert!(places.is_sorted(), "{places:?}");
    }

    #[test]
    fn sixty_days_fit_on_a_screen_and_equal_ones_take_a_row() {
        let (mut calendar, _) = calendar();
        let states = [HourState::Have, HourState::Missing];
        calendar.hours = (0..60 * 24).map(|hour| states[hour / 24 % 2]).collect();
        let calendars = &mut [calendar];
        let picture = svg(calendars, None, NOW);
        assert!(height(&picture) <= 860, "{}", height(&picture));
        calendars[0].hours = vec![HourState::Have; 60 * 24];
        let picture = svg(calendars, None, NOW);
        assert!(picture.contains(">2026-11-09 .. 01-07</text>"));
        assert!(picture.contains("<title>2026-11-09 .. 2027-01-07 23:00 have</title>"));
        assert_eq!(picture.matches("<title>").count(), 24);
    }

    #[test]
    fn every_colour_has_one_for_dark_screens() {
        let (calendar, _) = calendar();
        let picture = svg(&[calendar], None, NOW);
        let (before, dark) = picture
            .split_once("@media (prefers-color-scheme:dark)")
            .unwrap();
        let (dark, body) = dark.split_once("</style>").unwrap();
        for class in HourState::ALL
            .map(|state| look(state).0)
            .into_iter()
            .chain(["page"])
        {
            let rule = format!(".{class}{{fill:#");
            assert!(before.contains(&rule) && dark.contains(&rule), "{class}");
            assert!(body.contains(&format!("class=\"{class}\"")), "{class}");
        }
        assert!(dark.contains("text{fill:#") && !body.contains("fill="));
        assert!(before.contains(".departs{fill:#") && dark.contains(".departs{fill:#"));
        assert!(!body.contains("departs"));
    }
}
