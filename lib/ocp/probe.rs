//! Tests whether an account works: each role of the Exports API once, from the harmless to the
//! costly. If a role fails, the error names the line of the profile to change.
//!
//! `ask` sends a role's request. If the reply shows a better value, it corrects the profile in
//! memory, so that one probe can find several mistakes. `walk` contains the order of the roles:
//! `list`, `create`, `state` (with the metadata), and `page`, which checks a ZIP. `metrics` and
//! `subscriptions` read from the other two APIs of an account.

mod args;
mod ask;
mod create;
mod list;
mod metrics;
mod page;
mod state;
mod subscriptions;
mod walk;

pub use args::{OtherApi, ProbeArgs};
pub use walk::{OtherApis, Probe};
