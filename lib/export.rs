//! From data to cursor: what is remembered between runs, and in which order it is
//! written.

pub mod commit;
mod leased_state;
pub mod rejects;
pub mod side_log;
pub mod state;
mod state_form;
pub mod state_place;
pub mod window;
