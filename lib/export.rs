//! From data to cursor: what is remembered between runs, and in which order it is
//! written.

pub mod commit;
pub mod rejects;
pub mod side_log;
pub mod state;
pub mod window;
