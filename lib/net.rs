//! Speaking to services: HTTP, retries, rates, secrets, and the one loop that every
//! request to a vendor takes.
//!
//! [`client`] is that loop: it waits for the [`rate`] budget, lets the request in,
//! renews a refused token once, reads `Retry-After`, and repeats what failed for a
//! passing reason by the schedule of [`retry`]. [`http`] sends one request
//! through a `proxy` to a `url`, or says in a `failure` why not; [`secret`] reads passwords and tokens.

pub mod client;
mod failure;
pub mod http;
mod proxy;
pub mod rate;
pub mod retry;
pub mod secret;
mod url;
