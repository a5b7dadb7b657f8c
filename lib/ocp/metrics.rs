//! Omilia's Metrics API: counts for buckets of time (five minutes to a year), real-time and batch.
//!
//! [`catalogue`] lists the metrics, [`args`] turns flags into queries, and [`question`] is one
//! query. [`api`] sends the query, [`reply`] checks the reply, and [`export`] turns the reply into
//! [`row`]s. [`gaps`] finds missing buckets, and [`memory`] finds changed values.

pub mod api;
pub mod args;
pub mod catalogue;
pub mod cursor;
pub mod export;
pub mod follow;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
pub mod gaps;
pub mod memory;
pub mod openmetrics;
pub mod plot;
pub mod progress;
pub mod question;
pub mod range;
pub mod reply;
pub mod row;
pub(crate) mod row_lines;
pub(crate) mod series_id;
