//! Dialpad's Omnichannel (Koopid) API: exports every message, although messages have no id and no
//! order, and replies give no total.
//!
//! The vendor's article documents two requests. Code that reads all messages with these requests
//! also needs to know the unit of `start` and `end`, the meaning of `limit` 0 and `offset`, whether
//! edges are inclusive, and the shape of the reply. The article says none of this. The service
//! answers wrong values of these parameters with `200 []`. So the unit, `limit`, what `offset`
//! counts, and the margin at the edges are settings, and the export checks the settings against the
//! replies. A run exports exactly the messages that exist, or it fails and names the setting to
//! change.
//!
//! `plan` makes the windows (the periods to request), `settings` says how the service reads
//! parameters; `query` makes the requests and `api` sends them; `reply` and `message` read messages
//! into a `spool`. `bisect` checks whether a reply is complete; it uses `pages` where a window
//! cannot be split. `empty_window_probe` checks whether an empty reply means that there are no
//! messages. `seen` prevents exporting a message twice, `progress` is the content of the state,
//! `writer` writes messages, `redact` finds personal data. `export` exports windows, `sessions`
//! exports customer sessions. `probe` tests whether an account works, and how its service reads the
//! settings.

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
