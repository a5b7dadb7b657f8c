//! A calendar for a terminal: a line for each day (or run of equal days), a letter for each hour.

use std::fmt::Write;

use super::totals::Comparison;
use super::{Calendar, HourState};

/// The letter for the state of an hour.
fn letter(state: Option<HourState>) -> char {
    match state {
        None => ' ',
        Some(HourState::Have) => '#',
        Some(HourState::Begun) => '~',
        Some(HourState::Missing) => '.',
        Some(HourState::AtRisk) => '!',
        Some(HourState::Lost) => 'x',
    }
}

/// The calendars, one below the other. Consecutive days with equal states share one line.
pub fn render(calendars: &[Calendar]) -> String {
    let mut text = String::new();
    for calendar in calendars {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} {}: {}",
            calendar.group,
            calendar.kind,
            counts(calendar)
        );
        text.push_str("                           00    06    12    18\n");
        for run in calendar.day_runs(|_| false) {
            let letters: String = run.hours.into_iter().map(letter).collect();
            let line = match run.days {
                1 => format!("{:26} {letters}", run.first),
                days => {
                    let dates = format!("{} .. {}", run.first, run.last);
                    format!("{dates:26} {letters}  {days} days")
                }
            };
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    let legend = HourState::ALL.map(|state| format!("{} {}", letter(Some(state)), state.name()));
    let _ = writeln!(text, "{}   hours in UTC", legend.join("   "));
    text
}

/// The hours that differ from their control totals, one hour on each line.
pub fn departures(found: &Comparison) -> String {
    let mut text = format!(
        "\nControl totals: {} hours compared, {} differ\n",
        found.hours,
        found.departures.len()
    );
    for one in &found.departures {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {}: {one}", one.hour.hour_name(), one.group);
    }
    text
}

/// The number of hours in each state.
pub(crate) fn counts(calendar: &Calendar) -> String {
    let counts =
        HourState::ALL.map(|state| format!("{} h {}", calendar.count(state), state.name()));
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::calendar;
    use super::*;

    #[test]
    fn a_day_is_a_line_and_equal_days_are_one() {
        let (mut calendar, _) = calendar();
        calendar.hours.resize(9 * 24, HourState::Missing);
        assert_eq!(
            render(&[calendar]),
            "\
g a: 45 h have, 24 h begun, 107 h missing, 25 h at risk, 15 h lost
                           00    06    12    18
2026-11-09                 xxx#####################
2026-11-10                 xxxxxxxxxxxx!!!!!!!!!!!!
2026-11-11                 !!!!!!!!!!!!!...........
2026-11-12                 ########################
2026-11-13                 ~~~~~~~~~~~~~~~~~~~~~~~~
2026-11-14 .. 2026-11-17   ........................  4 days

# have   ~ begun   . missing   ! at risk   x lost   hours in UTC
"
        );
    }
}
