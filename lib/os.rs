//! What the operating system gives: signals, files that are complete or absent,
//! locks, pipes, stderr.
//!
//! [`signals`] ends waits and requests on SIGINT and SIGTERM, [`deferred_signals`]
//! lets a few steps finish first; [`files`] writes files that are complete or
//! absent, [`staging`] a set of them; [`unnamed`] files go with the process, [`unsynced`] changes
//! wait to be synced together; [`blocking`] and [`readiness`] wait on descriptors;
//! [`path_segment`] turns any name into a file
//! name, [`digest`] is SHA-256; [`pipes`] sizes pipes, [`mutex`] locks a mutex,
//! [`logger`] writes messages to stderr.

pub mod blocking;
pub mod deferred_signals;
pub mod digest;
pub mod files;
pub mod logger;
pub mod mutex;
pub mod path_segment;
pub mod pipes;
pub mod readiness;
pub mod signals;
pub mod staging;
pub mod unnamed;
pub mod unsynced;
