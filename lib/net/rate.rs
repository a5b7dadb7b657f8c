//! The value of `--rate`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::time::{parse_duration, show_duration};

/// At most N requests in any period of the given length. `5/60s` means at most five requests in any
/// 60 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The largest number of requests in one period.
    pub limit: usize,
    /// The length of the period.
    pub per: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let wrong = || format!("'{text}' is not a rate: use REQUESTS/DURATION, for example 5/60s");
        let (limit, per) = text.split_once('/').ok_or_else(wrong)?;
        let limit = limit.trim().parse().map_err(|_| wrong())?;
        let per = parse_duration(per).map_err(|_| wrong())?;
        if limit == 0 || per.is_zero() {
            return Err(wrong());
        }
        Ok(Rate { limit, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.limit, show_duration(self.per))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_and_show() {
        assert_eq!("5/60s".parse::<Rate>().unwrap().to_string(), "5/1m");
        for text in ["5", "0/60s", "5/0s", "x/60s", "5/60"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
