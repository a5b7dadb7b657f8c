//! Plan lines, as the fuzzer sends them.

use std::path::Path;

use super::plan_line::PlanLine;
use crate::json::lines::Lines;

/// Lines that are taken for pages of one export are put together.
pub(crate) fn plan(bytes: &[u8], _: &Path) {
    let mut lines = Lines::new(bytes);
    let mut pages: Option<PlanLine> = None;
    while let Ok(Some(line)) = lines.next_line() {
        let Ok(line) = PlanLine::parse(&line) else {
            continue;
        };
        match &mut pages {
            Some(pages) if pages.takes(&line) => pages.add(line),
            _ => pages = Some(line),
        }
    }
}
