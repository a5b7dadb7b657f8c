//! ZIP archives, read member by member in constant memory.
//!
//! Only this module uses the crate `zip`. The crate reads the central directory at the end of the
//! archive, one entry at a time. The type `ZipArchive` of the crate is not used: it would keep all
//! entries in memory, and if several members have one name, it would keep only the last of them.
//! This module inflates the members itself, with positioned reads of shared bytes. This is a fifth
//! faster and allows several threads. The crate `rawzip` 0.5 needs no unstable interface, but is
//! not used: if several places look like the end of a directory, it tries only the last place,
//! which can be in a comment or in data after the archive. It also does not find ZIP64 after other
//! bytes, and does not decode names.
//!
//! An archive is not trusted. While a member is inflated, the size in the directory is an upper
//! bound; at the end of the member, its size and checksum must match the directory. A member's
//! bytes must be inside the file and belong to no other member. Its name in the directory and the
//! name before its data must be the same. [`ZipLimits`] limits the sizes in the directory.

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
pub use window::ZipBytes;
