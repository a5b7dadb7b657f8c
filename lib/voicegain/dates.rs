//! The times of the vendor's CSV: `05-12-2024 6:15:45 PM`, without a zone, and in an order that
//! depends on an account's settings. The order is never guessed: a flag sets it, or another date in
//! the data shows it.

use std::cell::{Cell, RefCell};

use clap::{Args, ValueEnum};

use crate::error;
use crate::time::Timestamp;
use crate::time::local::{DateOrder, date_parts, parse_local};
use crate::time::zone::Zone;

/// The order of day, month and year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// 31-12-2026
    Dmy,
    /// 12-31-2026
    Mdy,
    /// 2026-12-31
    Ymd,
    /// The program finds the order from a date in the first page with a day above 12, or with the
    /// year first. If there is no such date, the run fails.
    Auto,
}

/// The flags about times in CSV.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "CSV from the service")]
pub struct DateArgs {
    /// The order of day, month and year in the service's CSV, which depends on the settings of the
    /// account. Needed with --wire csv, unless --raw is given.
    #[arg(long, value_name = "ORDER", requires = "csv_tz")]
    pub csv_date_order: Option<OrderArg>,

    /// The zone of the times in the service's CSV: UTC, +02:00 or a name such as America/New_York.
    /// Needed with --wire csv, unless --raw is given. When clocks go back, an hour occurs twice; a
    /// time in that hour counts as its first occurrence.
    #[arg(long, value_name = "ZONE", requires = "csv_date_order")]
    pub csv_tz: Option<Zone>,
}

impl DateArgs {
    /// Whether the flags say how to read times.
    pub fn are_given(&self) -> bool {
        self.csv_date_order.is_some() && self.csv_tz.is_some()
    }
}

/// Reads the times of one run, all in the same format.
#[derive(Debug)]
pub struct Dates {
    order: Cell<Option<DateOrder>>,
    zone: Zone,
    /// Whether times are not read, because no flag says how.
    is_ignored: bool,
    /// The text that was read last, and its time: the start of a call is read twice, for the export
    /// and for the output.
    last: RefCell<(String, Timestamp)>,
}

impl Dates {
    /// A reader for the format that the flags set.
    pub fn new(args: &DateArgs) -> Dates {
        let order = match args.csv_date_order {
            Some(OrderArg::Dmy) => Some(DateOrder::Dmy),
            Some(OrderArg::Mdy) => Some(DateOrder::Mdy),
            Some(OrderArg::Ymd) => Some(DateOrder::Ymd),
            Some(OrderArg::Auto) | None => None,
        };
        Dates {
            order: Cell::new(order),
            is_ignored: !args.are_given(),
            zone: args.csv_tz.unwrap_or(Zone::UTC),
            last: RefCell::new((String::new(), Timestamp::from_millis(0))),
        }
    }

    /// Whether times are not read at all.
    pub(super) fn are_ignored(&self) -> bool {
        self.is_ignored
    }

    /// Whether the order of day, month and year must still be found.
    pub(super) fn is_open(&self) -> bool {
        self.order.get().is_none() && !self.is_ignored
    }

    /// Sets the order that the evidence shows. An error with status 65 if the evidence shows no
    /// order or several orders.
    pub(super) fn decide(&self, evidence: &Evidence) -> anyhow::Result<()> {
        self.order.set(Some(evidence.order()?));
        Ok(())
    }

    /// Reads a time. A time in RFC 3339 needs no order of day and month.
    pub(super) fn read(&self, text: &str) -> anyhow::Result<Timestamp> {
        let mut last = self.last.borrow_mut();
        if last.0 != text || text.is_empty() {
            last.1 = self.parse(text)?;
            last.0.clear();
            last.0.push_str(text);
        }
        Ok(last.1)
    }

    fn parse(&self, text: &str) -> anyhow::Result<Timestamp> {
        if let Some(instant) = Timestamp::parse_instant(text) {
            return Ok(instant);
        }
        let Some(order) = self.order.get() else {
            return Err(error::bad_input(format!(
                "'{text}': the order of day and month is not known: give --csv-date-order"
            )));
        };
        parse_local(text, order, self.zone).ok_or_else(|| {
            let order = order.to_possible_value();
            let order = order.as_ref().map_or("", |value| value.get_name());
            error::bad_input(format!(
                "'{text}' is not a time in the order {order} and in that zone: check --csv-date-order and --csv-tz"
            ))
        })
    }
}

/// Times whose dates show the order of day, month and year.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    day_first: Option<String>,
    month_first: Option<String>,
    year_first: Option<String>,
}

impl Evidence {
    /// Keeps a time if its date shows the order of day, month and year.
    pub(super) fn add(&mut self, text: &str) {
        let found = match date_parts(text) {
            Some((1000.., _, _)) => &mut self.year_first,
            Some((13..=31, 1..=12, _)) => &mut self.day_first,
            Some((1..=12, 13..=31, _)) => &mut self.month_first,
            _ => return,
        };
        found.get_or_insert_with(|| text.to_owned());
    }

    fn order(&self) -> anyhow::Result<DateOrder> {
        match (&self.day_first, &self.month_first, &self.year_first) {
            (Some(_), None, None) => Ok(DateOrder::Dmy),
            (None, Some(_), None) => Ok(DateOrder::Mdy),
            (None, None, Some(_)) => Ok(DateOrder::Ymd),
            (None, None, None) => Err(error::bad_input(
                "--csv-date-order auto: no date of the first page has a day above 12: give dmy, mdy or ymd",
            )),
            _ => {
                let seen = [&self.day_first, &self.month_first, &self.year_first];
                let seen: Vec<&str> = seen.into_iter().flatten().map(String::as_str).collect();
                Err(error::bad_input(format!(
                    "--csv-date-order auto: the dates contradict each other: '{}'",
                    seen.join("', '")
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order_of(dates: &[&str]) -> Result<DateOrder, String> {
        let mut evidence = Evidence::default();
        dates.iter().for_each(|date| evidence.add(date));
        evidence.order().map_err(|e| e.to_string())
    }

    #[test]
    fn a_day_above_twelve_decides_and_nothing_else() {
        let vague = "05-12-2024 6:15:45 PM";
        assert_eq!(
            order_of(&[vague, "13-12-2024 1:00:00 AM"]),
            Ok(DateOrder::Dmy)
        );
        assert_eq!(
            order_of(&["12/31/2024 1:00:00 AM", vague]),
            Ok(DateOrder::Mdy)
        );
        assert_eq!(order_of(&["2024-01-02 13:00"]), Ok(DateOrder::Ymd));
        assert!(
            order_of(&[vague, ""])
                .unwrap_err()
                .contains("give dmy, mdy or ymd")
        );
        assert!(
            order_of(&["13-12-2024 1:00", "12-13-2024 1:00"])
                .unwrap_err()
                .contains("contradict")
        );
    }

    #[test]
    fn without_an_order_only_an_instant_is_read() {
        let args = DateArgs {
            csv_date_order: Some(OrderArg::Auto),
            csv_tz: None,
        };
        let dates = Dates::new(&args);
        assert!(dates.read("05-12-2024 6:15:45 PM").is_err());
        assert!(dates.read("2024-12-05T18:15:45Z").is_ok());
    }
}
