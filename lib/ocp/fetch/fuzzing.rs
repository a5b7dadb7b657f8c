//! Fuzz target: plan lines.

use std::path::Path;

use super::plan_line::PlanLine;
use crate::json::lines::Lines;

/// Reads the bytes as plan lines, and joins lines for pages of one export.
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
