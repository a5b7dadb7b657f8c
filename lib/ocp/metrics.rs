//! Omilia's Metrics API: counts by the calendar, real-time and batch.
//!
//! [`catalogue`] is what there is to ask, [`args`] the flags and the questions that they
//! mean, [`question`] one of them, [`api`] asks it, [`reply`] checks what comes,
//! [`export`] makes [`row`]s of it; [`gaps`] finds missing buckets, [`memory`] tells what
//! has changed.

pub mod api;
pub mod args;
pub mod catalogue;
pub mod cursor;
pub mod export;
pub mod follow;
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
