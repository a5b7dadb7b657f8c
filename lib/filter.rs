//! Selects records from a stream.
//!
//! The modules call each other in one direction: [`parallel`] → [`scan`] → [`decide`] →
//! [`selection`]. [`scan`] reads blocks of lines and writes kept records. [`decide`] validates
//! each line ([`crate::json::fields`]), extracts the records of an `envelope` if there is one,
//! and decides each record: first by the flags about call detail records ([`cdr`]), which need
//! only a few fields, then by an expression in jq's language ([`expr`]). A kept record is printed
//! with unchanged bytes ([`projection`]), if the [`selection`] among kept records takes it.

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
