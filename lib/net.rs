//! Speaking to services: HTTP, retries, rates, secrets.

pub mod attempts;
pub mod http;
pub mod retry;
pub mod secret;
