//! The library that all programs of callpipe use. It is divided into rooms: a room is one module in
//! the list below. A room imports only rooms from list items below its own. `ARCHITECTURE.md` has
//! this map with more detail, and `tests/architecture.rs` checks it.
//!
//! - [`programs`]: one file for each program: its arguments, policy and exit status
//! - [`unzip`]: turns members of ZIPs into lines; `receive`: stores each pushed record in the lake
//!   once
//! - [`lake`]: writes records and recordings to files by type, date and hour
//! - [`ocp`], [`voicegain`], [`dialpad`]: the API of one vendor, and nothing else; [`filter`]:
//!   decides which records are kept
//! - `cdr`: the meaning of the fields of a call detail record
//! - [`export`]: state, side log, windows, rejects; [`schema`]: reports which fields the records
//!   have
//! - [`cli`]: flags, output, report, exit status
//! - [`bucket`]: objects in a bucket, conditional writes, and leases
//! - [`net`]: HTTP, retries, rates, secrets
//! - [`os`]: signals, files, locks, pipes, logger; [`mod@format`]: ZIP, CSV, zstandard
//! - [`error`]: exit statuses; [`time`]: times and durations; [`json`]: lines, arrays, fields
//!
//! Each outside crate has one owner, so that replacing it touches one file or room. Only
//! [`cli::run`] reads the command line and the environment. Only [`cli::run`] and [`os`] read a
//! clock, and only [`os`] sleeps and writes to the disk. Programs pass the environment, a
//! [clock](os::clock::Clock) and the directory for temporary files to other functions as
//! parameters. [`cli::run::Run`] has the output of records, the report and the start time of a
//! program.
//!
//! What the programs promise, and the modules that ensure it:
//!
//! - a file gets its final name only when it is complete and verified ([`os::files`]);
//! - a ledger or cursor is written only after its data is on disk, or after the next program has
//!   read this data ([`os::files`], [`export::state`]);
//! - the bytes of a record do not change ([`json::lines`]);
//! - all programs have the same exit statuses ([`error`]), and the same form of messages and help
//!   ([`os::logger`], [`cli`]);
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
