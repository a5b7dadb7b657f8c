//! Objects in a bucket of Amazon S3, or of a service with the same protocol.
//!
//! An [`address`] is `s3://bucket/key`. A [`service`], found by its `settings`, signs requests
//! with `keys`, sends them and interprets refusals; `reply` reads their XML. [`objects`] reads,
//! writes, lists and deletes objects, and [`upload`] writes files. A [`lease`] replaces a lock.

pub mod address;
mod keys;
pub mod lease;
pub mod objects;
mod reply;
pub mod service;
mod settings;
pub mod upload;
