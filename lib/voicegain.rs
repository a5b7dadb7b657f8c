//! Voicegain Speech Analytics: every call, once, in the order of the ids.
//!
//! The vendor's `GET /sa/call` has a mode `consecutive=true`: calls in ascending
//! order of `callId` after `afterCallId`, up to the first one that is not finished.
//! The vendor's own example keeps `afterCallId` fixed and turns pages, which loses
//! calls whenever the pages shift. Here `page` is always 1, and the cursor moves with
//! every page that was delivered.
//!
//! A page goes from `api` (asks for it, in the terms of `query`) through `wire` or
//! `table` (read JSON or CSV call by call; `call`, `columns` and `dates` know the fields) and `walk`
//! (decides what is next) to `delivery`: `writer` writes the calls, or the
//! `selected_columns` of them, `memory` notes them,
//! `recording_queue` queues their recordings, and then the state, which is a
//! `progress`, is saved.
//!
//! `export` is one run: the walk (or a `listing`, without a cursor), then `refresh` (calls that changed) and `recordings`
//! (with `download`). `stuck` finds out why there are no more calls, with a `scan` of
//! the newest ones, and `outcome` says so. `import` reads the settings of the vendor's
//! script. `probe` finds out whether an account works.

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
