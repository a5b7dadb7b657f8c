//! Access to the operating system: signals, files that are complete or absent, locks, pipes,
//! stderr.
//!
//! - Signals: [`signals`] ends waits and requests on SIGINT and SIGTERM; [`deferred_signals`] lets
//!   a few steps finish first.
//! - Files: [`files`] writes files that are complete or absent; [`replaceable`] finds files that a
//!   rename cannot replace; [`staging`] is a directory for files without their final names;
//!   `pending_file` is a file without its final name that stays after a crash; [`unnamed`] files
//!   vanish with the process; [`unsynced`] changes names without a sync; `private` files are for
//!   one user.
//! - Names: [`path_segment`] turns any name into a file name; [`local_path`] refuses addresses in
//!   place of paths.
//! - Lines: [`journal`] appends lines to a locked file; [`checked_line`] is a line with a checksum.
//! - Several processes: [`locks`] prevents two runs from using one file at the same time;
//!   `shared_record` is a file that several processes change.
//! - Descriptors: [`blocking`] and [`readiness`] wait until a descriptor is ready; [`pipes`]
//!   enlarges pipes; `sockets` prepares sockets and raises the limit of open files.
//! - Messages: [`logger`] writes them to stderr; [`redaction`] removes secrets; `waiting` stores
//!   why the process waits, for the progress line.
//! - Others: [`clock`] is the time; `host` is the name of this machine; [`digest`] computes hashes;
//!   [`mutex`] locks a mutex.

pub mod blocking;
pub mod checked_line;
pub mod clock;
pub mod deferred_signals;
pub mod digest;
pub mod files;
pub(crate) mod host;
pub mod journal;
pub mod local_path;
pub mod locks;
pub mod logger;
pub mod mutex;
pub mod path_segment;
pub(crate) mod pending_file;
pub mod pipes;
pub(crate) mod private;
pub mod readiness;
pub mod redaction;
pub mod replaceable;
pub(crate) mod shared_record;
pub mod signals;
pub(crate) mod sockets;
pub mod staging;
pub mod unnamed;
pub mod unsynced;
pub(crate) mod waiting;
