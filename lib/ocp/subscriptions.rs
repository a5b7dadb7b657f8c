//! Subscriptions of the streaming export: compares the wanted subscriptions with those of the
//! service, and changes those of the service without a gap in the collected data.
//!
//! `profile` describes the five roles of the API, and `api` sends their requests. `wanted` reads
//! `subscriptions.toml`. `changes` decides which subscriptions to create or update, and records
//! each change in a `ledger`. `probe` tests a receiver in the way in which the vendor will use it.
//! `switch` checks whether the old credentials are still in use. `backlog` names the hours whose
//! records can be lost when a subscription is deleted.

pub mod api;
pub mod backlog;
pub mod changes;
pub mod ledger;
pub mod probe;
pub mod profile;
pub mod secret_source;
pub mod subscription;
pub mod switch;
pub mod wanted;
