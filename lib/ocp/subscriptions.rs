//! Subscriptions of the streaming export: the wanted ones, those of the service, and changes
//! without a gap in the collection.
//!
//! `profile` spells the five roles of the API and `api` speaks them; `wanted` reads
//! `subscriptions.toml`; `changes` decides what is created, updated or the same, and
//! notes it in a `ledger`; `probe` does what the vendor will do; `switch` says when the
//! old credentials are no longer in use; `backlog` is what goes with a subscription.

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
