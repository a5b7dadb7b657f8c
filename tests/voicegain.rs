//! `vg-consecutive` against a vendor whose calls change while it walks over them.

mod audio;
mod csv;
mod faults;
mod hazards;
mod local;
mod odd_recordings;
mod odd_replies;
mod probe;
mod refresh;
mod schedule;
mod script;
mod select;
pub mod site;
mod state;
mod stuck;
