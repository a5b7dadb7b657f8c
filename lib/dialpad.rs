//! Dialpad's Omnichannel (Koopid) API: every message, though it has no id, no order
//! and no total.
//!
//! The vendor's article documents two requests and leaves open nearly everything
//! that a loop over them would rest on: the unit of `start` and `end`, what `limit`
//! 0 and `offset` mean, whether edges are inclusive, the shape of the reply. What
//! is wrong is answered with `200 []`. So what is unknown is a setting where it has
//! to be, and is checked against what comes: a run ends with exactly the messages
//! that there are, or says which setting to change.
//!
//! `plan` is which windows there are, `settings` how parameters are meant, `query`
//! and `api` ask, at the pace that was set; `reply` and `message` read what comes, into a `spool`. `bisect` finds out
//! whether that is all there is, with `pages` where windows are not enough, and
//! `empty_window_probe` whether nothing means nothing. `seen` is what keeps a message from
//! leaving twice, `progress` what is remembered, `sink` where messages go, `redact`
//! what must not. `export` walks over windows, `sessions` over customer sessions.

pub mod api;
pub mod bisect;
pub mod empty_window_probe;
pub mod export;
pub mod message;
pub mod pages;
pub mod plan;
pub mod progress;
pub mod query;
pub mod redact;
pub mod reply;
pub mod seen;
pub mod sessions;
pub mod settings;
pub mod sink;
pub mod spool;
