//! From data to cursor: the state between runs, and the order in which it is written.

pub mod commit;
pub mod rejects;
pub mod side_log;
pub mod state;
pub mod window;
