//! ZIPs as a Java or Go service streams them: bit 3 of the flags set, sizes and CRCs only after
//! each member's data, so that a reader which trusts local headers fails here and not in
//! production. Also how one is ruined.

use std::io::{Cursor, Seek, Write};

use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{DateTime, ZipArchive};

type Member = (String, Vec<u8>);

/// With data descriptors, or with plain headers as from a service that builds the file before it
/// sends it.
pub fn write(members: impl Iterator<Item = Member>, descriptors: bool) -> Vec<u8> {
    if descriptors {
        fill(ZipWriter::new_stream(Vec::new()), members).into_inner()
    } else {
        fill(ZipWriter::new(Cursor::new(Vec::new())), members).into_inner()
    }
}

fn fill<W: Write + Seek>(mut zip: ZipWriter<W>, members: impl Iterator<Item = Member>) -> W {
    let options = SimpleFileOptions::default().last_modified_time(DateTime::default());
    for (name, bytes) in members {
        zip.start_file(name, options).expect("a new member");
        zip.write_all(&bytes).expect("writing to memory");
    }
    zip.finish().expect("writing to memory")
}

/// Flips the byte in the middle of one member's data; headers and central directory stay as they
/// are. The last bits of an empty member's data are padding that nobody checks, so it is not taken.
pub fn damage(zip: &mut [u8]) {
    let mut archive = ZipArchive::new(Cursor::new(&*zip)).expect("a ZIP of our own");
    let middle = (0..archive.len()).find_map(|index| {
        let member = archive.by_index(index).expect("a member of our own");
        let start = member.data_start().expect("known once it is open");
        (member.size() > 0).then(|| start + member.compressed_size() / 2)
    });
    if let Some(middle) = middle {
        zip[middle as usize] ^= 0xff;
    }
}

pub fn truncate(zip: &mut Vec<u8>) {
    zip.truncate(zip.len() / 2);
}
