//! ZIP archives, read member by member in constant memory.
//!
//! The only user of `zip`, and of `flate2` and `crc32fast`. `zip` walks the
//! directory at the archive's end, one entry at a time: its `ZipArchive` would
//! hold all of them and, of members with one name, keep only the last. The
//! members are inflated here, from positioned reads on a shared file, which is
//! a fifth faster and lets several be inflated at once. `rawzip` 0.5 needs no unstable
//! interface, but it tries only the last end record, which bytes of a comment or behind
//! the archive can hide, finds no ZIP64 behind other bytes, and does not decode names.
//!
//! An archive is not trusted. What a member declares in the directory is an
//! upper bound while it is inflated and must be true at its end, checksum
//! included; its bytes must lie inside the file and belong to no other member;
//! its two names must agree; and [`ZipLimits`] bounds what may be declared.

mod archive;
mod directory;
mod error;
mod inflate;
mod limits;
mod ranges;
mod verify;
mod window;

pub use archive::Archive;
pub use directory::{Member, MemberData, MemberWalk};
pub use error::ArchiveError;
pub use inflate::{MemberContents, Unpacker};
pub use limits::{Size, ZipLimits};
pub use verify::{Summary, verify};
