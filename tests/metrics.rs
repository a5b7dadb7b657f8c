//! `ocp-metrics` against a service whose counts grow after the end of their bucket.

mod catalogue;
mod cursor;
mod errors;
mod hazards;
mod range;
mod site;
