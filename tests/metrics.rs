//! `ocp-metrics` against a service whose counts grow after the end of their bucket.

mod catalogue;
mod completeness;
mod cursor;
mod errors;
mod follow;
mod hazards;
mod openmetrics;
mod plot;
mod range;
pub mod site;
