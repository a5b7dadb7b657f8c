//! Objects in a bucket of S3, or of what speaks its protocol.
//!
//! An [`address`] is `s3://bucket/key`. A [`service`], found by its `settings`, signs
//! requests with `keys`, sends them and reads refusals; `reply` reads their XML.
//! [`objects`] are read, written on condition, listed and deleted; an [`upload`] makes one
//! of a file. A [`lease`] takes the place of a lock.

pub mod address;
mod keys;
pub mod lease;
pub mod objects;
mod reply;
pub mod service;
mod settings;
pub mod upload;
