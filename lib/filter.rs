//! Selects records from a stream.
//!
//! Of these four modules, each calls only modules to its right: [`parallel`] → [`scan`] →
//! [`decide`] → [`selection`]. [`scan`] reads blocks of lines and writes kept records. [`decide`]
//! validates each line ([`crate::json::fields`]). If the lines are envelopes of records
//! (`envelope`), [`decide`] also extracts the records. Each record is decided first by the flags
//! about call detail records ([`cdr`]), which need only a few fields, then by an expression in jq's
//! language ([`expr`]). The [`selection`] chooses which kept records are printed. By default, they
//! are printed with unchanged bytes ([`projection`]).

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
