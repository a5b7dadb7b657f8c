//! Dialpad's Omnichannel (Koopid) API: every message, though it has no id, no order
//! and no total.
//!
//! The vendor's article documents two requests and leaves open nearly everything that a loop over
//! them depends on: the unit of `start` and `end`, what `limit` 0 and `offset` mean, whether edges
//! are inclusive, the shape of the reply. The service answers wrong values with `200 []`. So
//! unknown meanings are settings, and are checked against the replies: a run ends with exactly the
//! messages that exist, or names the setting to change.
//!
//! `plan` makes the windows, `settings` says how the service reads parameters; `query` makes the
//! requests and `api` sends them; `reply` and `message` read messages into a `spool`. `bisect`
//! checks whether a reply is complete, with `pages` if windows are not enough. `empty_window_probe`
//! checks whether an empty reply means that there are no messages. `seen` prevents exporting a
//! message twice, `progress` is the content of the state, `writer` writes messages, `redact` finds
//! texts that must not be written. `export` walks over windows, `sessions` over customer sessions.
//! `probe` tests whether an account works, and how its service reads the settings.

pub mod api;
mod bisect;
mod empty_window_probe;
pub mod export;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod message;
mod pages;
pub mod plan;
pub mod probe;
pub mod progress;
pub mod query;
mod redact;
mod reply;
mod seen;
pub mod sessions;
pub mod settings;
mod spool;
pub mod writer;
