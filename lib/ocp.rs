//! Omilia's OCP: tokens, the Exports API, batch and streaming, and the Metrics API.
//!
//! `keycloak` and `cache` get a token and store it; `auth` adds it, or a personal access token,
//! to a request. `plan` splits a range into windows, `profile` has the paths and fields of the
//! API, which are not public; `exports` sends the requests, and `ledger` records what was
//! requested and what is on disk. [`subscriptions`] are those of the streaming export,
//! [`metrics`] is the Metrics API. `adopt` and `export_list` handle exports that already exist.

pub mod adopt;
pub mod api_args;
pub mod auth;
pub mod cache;
pub mod claims;
pub mod coverage;
pub mod export_list;
pub mod export_request;
pub mod exports;
pub mod fetch;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
pub(crate) mod inventory;
pub mod keycloak;
pub mod ledger;
pub mod metrics;
pub mod plan;
pub mod probe;
pub mod profile;
pub mod region;
pub mod subscriptions;
pub(crate) mod zip_layout;
pub mod zip_store;
