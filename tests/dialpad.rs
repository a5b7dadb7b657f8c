//! `dialpad-window` against a vendor that may mean anything by what it documents.

mod combinations;
mod faults;
mod local;
mod odd_replies;
mod probe;
mod sessions;
pub mod site;
mod state;
