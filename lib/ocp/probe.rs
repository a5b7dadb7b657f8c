//! Finds out whether an account works: each role of the Exports API once, from the
//! harmless to the costly, and which line of the profile to change where it does not.
//!
//! `ask` sends a role's request and corrects the profile in memory where the reply shows
//! what would fit; so one walk finds more than the first mistake. `walk` is the order
//! of the roles, `page` looks at a ZIP.

mod ask;
mod page;
mod walk;

pub use walk::{Probe, ProbeArgs};
