//! The colours of a panel, on light and on dark screens.

use std::fmt::Write;

use plotters::style::RGBColor;

/// The colours of the light picture, each with its colour on a dark page.
pub(super) const INK: (RGBColor, &str) = (RGBColor(0x1b, 0x1b, 0x1b), "#e8e8e8");
pub(super) const MUTED: (RGBColor, &str) = (RGBColor(0x59, 0x59, 0x59), "#a8a8a8");
pub(super) const GRID: (RGBColor, &str) = (RGBColor(0xdd, 0xdd, 0xdd), "#3a3a3a");
pub(super) const LINE: (RGBColor, &str) = (RGBColor(0x00, 0x62, 0xa3), "#6cb8ee");

/// The CSS rules that replace the colours on a dark screen. `page` is the rule for the page itself.
pub(super) fn dark(page: &str) -> String {
    let mut rules = String::new();
    for (light, dark) in [INK, MUTED, GRID, LINE] {
        let RGBColor(red, green, blue) = light;
        let light = format!("#{red:02X}{green:02X}{blue:02X}");
        let _ = writeln!(
            rules,
            "[fill=\"{light}\"]{{fill:{dark}}}\n[stroke=\"{light}\"]{{stroke:{dark}}}"
        );
    }
    format!("@media (prefers-color-scheme:dark){{\n{page}\n{rules}}}\n")
}
