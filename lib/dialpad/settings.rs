//! The service and the meaning of its parameters. The vendor documents neither the unit of `start`
//! and `end`, nor whether they are inclusive, nor what `offset` counts. So the unit and `offset`
//! have settings, and every window is requested with a margin: inclusive and exclusive edges then
//! give the same messages.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::args::parse_line;
use crate::export::window::Window;
use crate::net::http::{Url, parse_url};
use crate::time::parse_duration;

/// The longest period that a request may cover: "the difference can not be more than 7 days". The
/// vendor does not say whether exactly 7 days are allowed.
pub const LONGEST: Duration = Duration::from_millis(7 * 86_400_000 - 1);

/// The unit of `start` and `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// Milliseconds since 1970, as `ts` in a message does.
    Ms,
    /// Seconds since 1970.
    S,
}

impl Unit {
    /// The length of the unit in milliseconds.
    pub fn millis(self) -> i64 {
        match self {
            Unit::Ms => 1,
            Unit::S => 1000,
        }
    }

    /// The other unit.
    pub fn other(self) -> Unit {
        match self {
            Unit::Ms => Unit::S,
            Unit::S => Unit::Ms,
        }
    }

    /// The value of `--epoch-unit`.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Ms => "ms",
            Unit::S => "s",
        }
    }
}

/// The unit of `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OffsetMode {
    /// The number of messages to skip.
    Rows,
    /// The number of pages to skip.
    Pages,
}

impl OffsetMode {
    /// The value of `--offset-mode`.
    pub(super) fn word(self) -> &'static str {
        match self {
            OffsetMode::Rows => "rows",
            OffsetMode::Pages => "pages",
        }
    }

    /// The other value of `--offset-mode`.
    pub fn other(self) -> &'static str {
        match self {
            OffsetMode::Rows => "pages",
            OffsetMode::Pages => "rows",
        }
    }
}

/// How the key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyPlacement {
    /// In a header, as documented since 2024.
    Bearer,
    /// In the query as `apiKey`, as older documentation says. Proxies and servers log queries.
    Query,
}

/// A parameter of the query.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name of the parameter.
    pub name: String,
    /// The value of the parameter. If the value is empty, the parameter is left out.
    pub value: String,
}

impl FromStr for Param {
    type Err = String;

    fn from_str(text: &str) -> Result<Param, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Param {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err(format!("'{text}' is not NAME=VALUE")),
        }
    }
}

/// The service and the meaning of its parameters.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Service")]
pub struct ServiceArgs {
    /// The https URL of your digital contact center. The vendor's documentation names no server;
    /// app.koopid.io and CUSTOMER.app.koopid.io have been seen.
    #[arg(long, value_name = "URL", env = "DIALPAD_BASE_URL", value_parser = parse_url)]
    pub base_url: Option<Url>,

    /// The digital experience account id, from the admin portal.
    #[arg(long, value_name = "ID", env = "DIALPAD_PROVIDER_ID", value_parser = parse_line)]
    pub provider_id: Option<String>,

    /// The unit of the parameters start and end. If the first requests find no message, the program
    /// tries the other unit.
    #[arg(long, value_name = "UNIT", default_value = "ms")]
    pub epoch_unit: Unit,

    /// The most messages to request at a time. 0, as in the vendor's example, probably means all.
    /// If a window may have more messages than the reply, the window is split until each part is
    /// complete.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub limit: u64,

    /// What the parameter offset counts. This matters only if one reply is too small for the
    /// messages of a few seconds, or of a --customer-session without --from.
    #[arg(long, value_name = "MODE", default_value = "rows")]
    pub offset_mode: OffsetMode,

    /// Request DUR more on both sides of every window, because the service may exclude the edges. A
    /// message that two windows have is exported once.
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = parse_overlap)]
    pub overlap: Duration,

    /// Read every window a second time, in two parts, and compare the messages. Without this flag,
    /// only windows whose reply may be cut off are read twice.
    #[arg(long)]
    pub verify_split: bool,

    /// How the key is sent. A key in a query can be read in the logs of every proxy.
    #[arg(long, value_name = "HOW", default_value = "bearer")]
    pub auth: KeyPlacement,

    /// The partnerId for --auth query.
    #[arg(long, value_name = "ID")]
    pub partner_id: Option<String>,

    /// Send NAME=VALUE in the query instead of the usual parameter NAME. NAME= leaves the parameter
    /// out. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub param: Vec<Param>,
}

impl ServiceArgs {
    /// The start and the end to send for a window: with the margin, in whole units.
    pub(super) fn edges(&self, window: Window, unit: Unit) -> (i64, i64) {
        let (from, to) = self.asked(window);
        let unit = unit.millis();
        (from.div_euclid(unit), (to + unit - 1).div_euclid(unit))
    }

    fn asked(&self, window: Window) -> (i64, i64) {
        let from = window.from().minus(self.overlap).millis().max(0);
        (from, window.to().plus(self.overlap).millis())
    }

    /// Whether the reply for a window is allowed to contain a message of this time. One second
    /// outside the margin is allowed, because the service can round times.
    pub(super) fn may_come(&self, window: Window, ts: i64) -> bool {
        let (from, to) = self.asked(window);
        (from - 1000..=to + 1000).contains(&ts)
    }

    /// The longest window that can be requested with its margins.
    pub fn longest(&self) -> Duration {
        let margins = self.overlap * 3 + Duration::from_secs(2);
        LONGEST.saturating_sub(margins)
    }

    /// A time rounded down to whole units.
    pub(super) fn floor(&self, at: i64) -> i64 {
        let unit = self.epoch_unit.millis();
        at.div_euclid(unit) * unit
    }
}

fn parse_overlap(text: &str) -> Result<Duration, String> {
    let length = parse_duration(text).map_err(|e| e.to_string())?;
    match length <= Duration::from_secs(86_400) {
        true => Ok(length),
        false => Err(format!("'{text}' is more than 1d")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        service: ServiceArgs,
    }

    #[test]
    fn no_request_covers_more_than_seven_days() {
        for unit in [Unit::Ms, Unit::S] {
            for overlap in ["0s", "1s", "3h"] {
                let service = Flags::parse_from(["x", "--overlap", overlap]).service;
                let from = 1_717_000_000_999_i64;
                let length =
                    i64::try_from((service.longest() + service.overlap).as_millis()).unwrap();
                let at = Timestamp::from_millis;
                let window = Window::new(at(from), at(from + length)).unwrap();
                let (start, end) = service.edges(window, unit);
                assert!((end - start) * unit.millis() < 7 * 86_400_000);
            }
        }
    }
}
