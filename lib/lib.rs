//! The library under the programs of callpipe, cut into rooms. A room imports only
//! rooms in rows below its own; `ARCHITECTURE.md` is the same map in full, and
//! `tests/architecture.rs` checks it.
//!
//! - [`programs`]: one file a program: its arguments, its policy, its exit status
//! - [`unzip`]: members of ZIPs become lines; `receive`: pushes become records of the lake, each once
//! - [`lake`]: records and recordings become files by type, date and hour
//! - [`ocp`], [`voicegain`], [`dialpad`]: a vendor's API, and nothing else;
//!   [`filter`]: which records are kept
//! - `cdr`: what the fields of a call detail record mean
//! - [`export`]: state, side log, windows, rejects; [`schema`]: which fields records have
//! - [`cli`]: flags, output, report, exit status
//! - [`bucket`]: objects in a bucket, written on condition, and leases
//! - [`net`]: HTTP, retries, rates, secrets
//! - [`os`]: signals, files, locks, pipes, logger; [`mod@format`]: ZIP, CSV, zstandard
//! - [`error`]: exit statuses; [`time`]: times and durations; [`json`]: lines, arrays, fields
//!
//! Each outside crate has one owner, so that replacing it touches one file or room.
//! Arguments, environment, clock, temporary directories and stdio come in as
//! parameters, through [`cli::run::Run`].
//!
//! The promises of the suite, and the module that keeps each:
//!
//! - a file has its final name only when it is complete and verified ([`os::files`]);
//! - data is on disk, or read, before the ledger or cursor that says so ([`os::files`], [`export::state`]);
//! - a record leaves with the bytes that it came with ([`json::lines`]);
//! - one table of exit statuses ([`error`]) and one voice ([`os::logger`], [`cli`]);
//! - a secret never reaches a log, an error, a flag or a state file ([`net::secret`]).

pub mod bucket;
mod cdr;
pub mod cli;
pub mod dialpad;
pub mod error;
pub mod export;
pub mod filter;
pub mod format;
pub mod json;
pub mod lake;
pub mod net;
pub mod ocp;
pub mod os;
pub mod programs;
mod receive;
pub mod schema;
pub mod time;
pub mod unzip;
pub mod voicegain;
