//! Omilia's OCP: tokens, the Exports API (batch and streaming), and the Metrics API.
//!
//! `keycloak` gets a token, and `cache` stores it. `auth` adds this token, or a personal access
//! token, to each request. `plan` splits a range of time into windows. `profile` holds the paths
//! and fields of the Exports API, because they are not public. `exports` sends the requests, and
//! `ledger` records what was requested and what is on disk. [`subscriptions`] manages the streaming
//! export. [`metrics`] reads the Metrics API. `adopt` and `export_list` handle exports that already
//! exist.

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
