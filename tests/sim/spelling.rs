//! Values on the command line of the simulator or in a fault: durations and instants,
//! and the one way of saying that something was misspelt.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

#[derive(Debug)]
pub struct Misspelt {
    text: String,
    expected: &'static str,
}

impl Misspelt {
    pub fn new(text: &str, expected: &'static str) -> Misspelt {
        Misspelt {
            text: text.to_owned(),
            expected,
        }
    }
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}': expected {}", self.text, self.expected)
    }
}

impl std::error::Error for Misspelt {}

pub fn duration(text: &str) -> Result<Duration, Misspelt> {
    let misspelt = || Misspelt::new(text, "a whole number with ms, s, m, h or d, such as 300ms");
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(misspelt)?;
    let (digits, unit) = text.split_at(unit_at);
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(misspelt()),
    };
    let count: u64 = digits.parse().map_err(|_| misspelt())?;
    let total = count.checked_mul(millis).ok_or_else(misspelt)?;
    Ok(Duration::from_millis(total))
}

pub fn instant(text: &str) -> Result<DateTime<Utc>, Misspelt> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| Misspelt::new(text, "an RFC 3339 time such as 2026-11-20T12:00:00Z"))
}
