//! Feeds the fuzzer's input to the readers of pages of calls.

use std::path::Path;

use serde_json::value::RawValue;

use super::dates::{DateArgs, Dates};
use super::table::{CsvPage, RawCall, read_times};
use super::wire::JsonPage;

/// Reads the bytes as a page of JSON and as a page of CSV, and checks that each call that a reader
/// accepts gives one line of JSON.
pub(crate) fn page(bytes: &[u8], _: &Path) {
    let mut page = JsonPage::new(bytes);
    while let Ok(Some(_)) = page.advance() {
        assert!(is_line_of_json(page.json()), "{}", page.json());
    }
    let dates = Dates::new(&DateArgs {
        csv_date_order: None,
        csv_tz: None,
    });
    for is_delimited in [true, false] {
        let mut page = CsvPage::new(bytes, is_delimited);
        while let Ok(Some((_, call))) = page.next_call(&dates) {
            let RawCall::Row(row, header) = call else {
                continue;
            };
            let mut line = Vec::new();
            if header.write_json(row, &dates, &mut line).is_ok() {
                assert!(str::from_utf8(&line).is_ok_and(is_line_of_json), "{line:?}");
            }
        }
    }
    let _ = read_times(bytes, &mut |_, _| {});
}

fn is_line_of_json(text: &str) -> bool {
    !text.contains(['\n', '\r']) && serde_json::from_str::<&RawValue>(text).is_ok()
}
