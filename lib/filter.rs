//! Which records of a stream are kept.
//!
//! One direction: [`parallel`] → [`scan`] → [`decide`] → [`selection`]. [`scan`] reads
//! blocks of lines and writes what is kept; [`decide`] validates a line as a whole
//! ([`crate::json::fields`]), perhaps takes its records out of an `envelope`, and decides
//! each: first by the flags that know call detail records ([`cdr`]), which look at a few
//! fields where they stand in the line, and only then by an expression in jq's language
//! ([`expr`]). A kept record leaves with the bytes that it came with ([`projection`]), if
//! the [`selection`] among kept records takes it.

pub mod blocks;
pub mod cdr;
pub mod decide;
pub mod decided;
mod envelope;
pub mod expr;
pub mod parallel;
mod prefilter;
pub mod projection;
pub mod scan;
pub mod selection;
