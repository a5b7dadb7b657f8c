//! Requests to services: HTTP, retries, rates, secrets, and the one loop that sends every request
//! to a vendor.
//!
//! A program sets up [`connection`] once. [`client`] is the loop: it waits until the [`budget`] of
//! a [`rate`] allows the request, adds credentials, and renews a refused token once. It reads
//! `Retry-After`, and repeats a request after a temporary failure by the schedule of [`retry`].
//! Several processes can share a rate: `turns` decides which process may send the next request, and
//! [`shared_budget`] stores the turns in a file. [`http`] sends one request to a `url`, through a
//! `proxy` if the environment names one. Without a complete reply, it returns a `failure` with the
//! reason. [`secret`] reads passwords and tokens.

pub mod budget;
pub mod client;
pub mod connection;
mod failure;
pub mod http;
mod proxy;
pub mod rate;
pub mod retry;
#[cfg(test)]
pub(crate) mod scripted;
pub mod secret;
pub mod shared_budget;
mod turns;
mod url;
