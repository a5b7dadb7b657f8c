//! Voicegain Speech Analytics: every call, once, by the order of its id.
//!
//! The vendor's `GET /sa/call` has a mode `consecutive=true`: calls in ascending
//! order of `callId` from `afterCallId` on, up to the first one that is still being
//! worked on. Its own example keeps `afterCallId` fixed and turns pages, which
//! loses calls whenever the pages shift. Here `page` is always 1 and the cursor
//! moves with every page that has been handed over.
//!
//! `call` is what is looked at in a call, `wire` reads a page as it
//! arrives, `columns` and `dates` know the vendor's CSV; `query` and `api` ask, and
//! `refusal` is what they are told; `progress` is
//! what is remembered, `sink` where records go. `export` is the walk, `stuck` finds
//! out why it ended and `outcome` says so; `refresh` finds what is no longer as
//! `memory` has it, `audio` fetches recordings, `import` reads the settings of the
//! vendor's script.

pub mod api;
pub mod audio;
pub mod call;
pub mod columns;
pub mod dates;
pub mod export;
pub mod import;
pub mod memory;
mod outcome;
pub mod progress;
pub mod query;
pub mod refresh;
mod refusal;
pub mod sink;
pub mod stuck;
pub mod wire;
