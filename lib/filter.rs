//! Selects records from a stream.
//!
//! The modules call each other in one direction: [`parallel`] → [`scan`] → [`decide`] →
//! [`selection`]. [`scan`] reads blocks of lines and writes kept records. [`decide`] validates each
//! line ([`crate::json::fields`]) and extracts the records of an `envelope`, if there is one. It
//! decides each record first by the flags about call detail records ([`cdr`]), which need only a
//! few fields, then by an expression in jq's language ([`expr`]). If the [`selection`] takes the
//! kept record, it is printed, by default with unchanged bytes ([`projection`]).

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
