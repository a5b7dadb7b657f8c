//! Access to the operating system: signals, files that are complete or absent, locks, pipes,
//! stderr.
//!
//! [`signals`] ends waits and requests on SIGINT and SIGTERM, [`deferred_signals`]
//! lets a few steps finish first; [`files`] writes files that are complete or
//! absent, [`replaceable`] knows which cannot be replaced, [`staging`] writes a set of
//! them, [`unnamed`] files go with the process, [`unsynced`] changes wait to be synced
//! together; [`journal`] lines that stay; [`checked_line`] is a line with a checksum,
//! [`locks`] keep two runs apart, `shared_record` lets them count together, [`blocking`] and [`readiness`] wait on descriptors; [`path_segment`]
//! turns any name into a file name, [`local_path`] tells addresses from paths, [`digest`] is SHA-256; [`pipes`] sizes pipes, `private` is for files of one user,
//! [`mutex`] locks a mutex, [`logger`] writes messages to stderr, [`redaction`] cleans
//! them; [`clock`] is the time, `host` the name of this machine, `sockets` opens and limits
//! connections, `waiting` is the reason of a wait, for the progress line.

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
