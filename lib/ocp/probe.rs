//! Tests whether an account works. The probe tests the roles of the Exports API one by one: the
//! harmless roles first, the costly roles last. If a role fails, the error names the line of the
//! API profile that the user must change.
//!
//! `ask` sends the request of a role. If the reply shows a better value for a line of the profile,
//! `ask` corrects the profile in memory. One probe can therefore find several mistakes. `walk`
//! contains the order of the roles: `list`, `create`, `state` (with the metadata), and `page`,
//! which checks a ZIP. `metrics` and `subscriptions` test the other two APIs of an account, and
//! only read from them.

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
