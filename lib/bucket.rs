//! Objects in a bucket of Amazon S3, or of a service with the same protocol.
//!
//! An [`address`] is `s3://bucket/key`. A [`service`] sends requests and interprets refusals.
//! `settings` says where the service is, and `reply` reads the XML of its replies. `signing` signs
//! requests with `keys`, and `dialect` says what is different at Google. [`objects`] reads, writes,
//! lists and deletes objects, [`first_part`] and [`ranges`] read parts of them, and [`upload`]
//! writes files. A [`lease`] replaces a lock. A [`file_or_object`] is the value of an option that
//! accepts a file or an object. A [`pending_object`] is an object that is written like a file.

pub mod address;
mod dialect;
pub mod file_or_object;
pub mod first_part;
mod keys;
pub mod lease;
pub mod objects;
pub mod pending_object;
pub mod ranges;
mod reply;
pub mod service;
mod settings;
mod signing;
pub mod upload;
