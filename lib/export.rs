//! What every export needs: the state between runs, which is written after the data that it
//! describes; windows of time; and bad records.

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
