//! The interface of every program to its user: flags, configuration, the output of records, the
//! report and the exit status.

pub mod args;
pub mod config;
pub(crate) mod help;
mod local_paths;
pub mod named_files;
mod object_output;
pub mod output;
pub mod probe;
pub mod progress_line;
pub mod run;
mod unnamed_output;
