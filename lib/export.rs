//! From data to cursor: the state between runs, and the order in which it is written.

pub mod commit;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
pub mod leased_journal;
mod leased_state;
pub mod rejects;
pub mod side_log;
pub mod state;
mod state_form;
mod versioned_object;
pub mod window;
