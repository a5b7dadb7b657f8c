//! Subscriptions of the streaming export: the wanted ones, those of the service, and changes
//! without a gap in the collection.
//!
//! `profile` describes the five roles of the API and `api` sends them; `wanted` reads
//! `subscriptions.toml`; `changes` decides what to create or update, and records it in a
//! `ledger`; `probe` tests a receiver as the vendor will use it; `switch` checks whether the old
//! credentials are still in use; `backlog` names the records that are lost with a subscription.

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
