//! Objects in a bucket of Amazon S3, or of a service with the same protocol.
//!
//! An [`address`] is `s3://bucket/key`. A [`service`] is our client for one such service: it sends
//! requests and interprets the replies. `settings` reads the address of the service from the
//! environment, and `reply` reads the XML of its replies. `keys` gets the credentials, `signing`
//! signs requests, and `dialect` contains the differences between Amazon and Google. [`objects`]
//! reads, writes, lists and deletes objects, [`first_part`] and [`ranges`] read parts of objects,
//! and [`upload`] writes files. A [`lease`] is used instead of a lock. A [`file_or_object`] is the
//! value of an option that accepts a file or an object. A [`pending_object`] is an object that is
//! written like a file.

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
