//! `vg-consecutive` against a vendor whose calls change while it walks over them.

mod hazards;
mod site;
