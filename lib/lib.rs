//! The library under the programs of callpipe.
//!
//! Each module owns one thing, and most own one outside crate, so that replacing
//! the crate touches one file. Nothing here reads the arguments, the
//! environment, the clock or stdio behind its caller's back: they come in as
//! parameters, through [`cli::run::Run`].
//!
//! What the suite promises, and where it is kept:
//!
//! - a file has its final name only when it is complete and verified ([`os::files`]);
//! - data is on disk, or read, before the ledger or cursor that says so ([`os::files`], [`export::state`]);
//! - a record leaves with the bytes that it came with ([`json::lines`]);
//! - one table of exit statuses ([`error`]) and one voice ([`os::logger`], [`cli`]);
//! - a secret never reaches a log, an error, a flag or a state file ([`net::secret`]).

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
pub mod schema;
pub mod time;
pub mod unzip;
pub mod voicegain;
