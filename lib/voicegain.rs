//! Voicegain Speech Analytics: exports every call once, in the order of the ids.
//!
//! The vendor's `GET /sa/call` has a mode `consecutive=true`: it returns calls in ascending order
//! of `callId` after `afterCallId`, up to the first call that is not finished. The vendor's own
//! example keeps `afterCallId` fixed and requests page after page, which loses calls whenever the
//! pages shift. Here the walk always requests page 1, and moves `afterCallId` (the cursor) with
//! every page that was delivered.
//!
//! A page passes through these modules. `api` requests the page at an address that `query` builds.
//! `wire` (JSON) or `table` (CSV) reads the page call by call; `call`, `columns` and `dates` know
//! the fields. `walk` decides which page is next. `delivery` passes the calls to `writer`, which
//! writes them or their `selected_columns`, to `memory`, which notes them, and to
//! `recording_queue`. Then `delivery` saves the state (`progress`).
//!
//! `export` is one run: the walk (or a `listing`, which has no cursor), then `refresh` (calls that
//! changed) and `recordings` (with `download`). `stuck` finds out why there are no more calls, with
//! a `scan` of the newest calls, and `outcome` reports the reason. `import` reads the settings of
//! the vendor's script. `probe` tests whether an account works.

pub mod api;
mod call;
mod columns;
pub mod dates;
mod delivery;
mod download;
pub mod export;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
pub mod import;
mod listing;
mod memory;
mod outcome;
pub mod probe;
pub mod progress;
pub mod query;
mod recording_queue;
pub mod recordings;
mod refresh;
mod scan;
pub mod selected_columns;
mod stuck;
mod table;
mod walk;
pub mod wire;
pub mod writer;
