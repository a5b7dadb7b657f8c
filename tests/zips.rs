//! ZIPs as no well-meaning writer makes them: every field can lie.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// One member, at first an honest one.
#[derive(Clone)]
pub struct Member {
    name: Vec<u8>,
    local_name: Vec<u8>,
    data: Vec<u8>,
    method: u16,
    flags: u16,
    crc: u32,
    size: u32,
    compressed_size: Option<u32>,
    descriptor: bool,
    at: Option<u32>,
}

impl Member {
    /// A member compressed with deflate.
    pub fn new(name: &str, bytes: impl AsRef<[u8]>) -> Member {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes.as_ref()).unwrap();
        Member {
            data: encoder.finish().unwrap(),
            method: 8,
            ..Member::stored(name, bytes)
        }
    }

    /// A member as it is.
    pub fn stored(name: &str, bytes: impl AsRef<[u8]>) -> Member {
        let bytes = bytes.as_ref();
        Member {
            name: name.into(),
            local_name: name.into(),
            data: bytes.to_vec(),
            method: 0,
            flags: 0,
            crc: crc32fast::hash(bytes),
            size: bytes.len() as u32,
            compressed_size: None,
            descriptor: false,
            at: None,
        }
    }

    /// Sizes and checksum after the data and in the directory only.
    pub fn descriptor(mut self) -> Member {
        self.descriptor = true;
        self.flags |= 8;
        self
    }

    /// The flag of encryption.
    pub fn encrypted(mut self) -> Member {
        self.flags |= 1;
        self
    }

    /// Another method than that of the data.
    pub fn method(mut self, method: u16) -> Member {
        self.method = method;
        self
    }

    /// Another checksum than that of the data.
    pub fn crc(mut self, crc: u32) -> Member {
        self.crc = crc;
        self
    }

    /// Another size than that of the data.
    pub fn size(mut self, size: u32) -> Member {
        self.size = size;
        self
    }

    /// Another length than that of the data.
    pub fn compressed_size(mut self, size: u32) -> Member {
        self.compressed_size = Some(size);
        self
    }

    /// Another name in front of the data than in the directory.
    pub fn local_name(mut self, name: &str) -> Member {
        self.local_name = name.into();
        self
    }

    /// Data that end after `length` bytes.
    pub fn cut(mut self, length: usize) -> Member {
        self.data.truncate(length);
        self
    }

    /// Only an entry in the directory; the data are those of the member at `at`.
    pub fn at(mut self, at: u32) -> Member {
        self.at = Some(at);
        self
    }
}

/// An archive of these members.
pub fn zip(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        let at = member.at.unwrap_or(bytes.len() as u32);
        if member.at.is_none() {
            bytes.extend_from_slice(b"PK\x03\x04");
            let known = !member.descriptor;
            fields(&mut bytes, member, known, member.local_name.len());
            bytes.extend_from_slice(&member.local_name);
            bytes.extend_from_slice(&member.data);
            if member.descriptor {
                bytes.extend_from_slice(b"PK\x07\x08");
                sizes(&mut bytes, member, true);
            }
        }
        directory.extend_from_slice(b"PK\x01\x02\x14\x00");
        fields(&mut directory, member, true, member.name.len());
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(&member.name);
    }
    let start = bytes.len() as u32;
    bytes.extend_from_slice(&directory);
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(members.len()).unwrap_or(u16::MAX);
    assert_eq!(
        usize::from(count),
        members.len(),
        "ZIP64 is not written here"
    );
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&start.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes
}

/// What both headers of a member have in common.
fn fields(out: &mut Vec<u8>, member: &Member, known: bool, name: usize) {
    out.extend_from_slice(&20_u16.to_le_bytes());
    out.extend_from_slice(&member.flags.to_le_bytes());
    out.extend_from_slice(&member.method.to_le_bytes());
    out.extend_from_slice(&[0, 0, 0x21, 0]);
    sizes(out, member, known);
    out.extend_from_slice(&(name as u16).to_le_bytes());
    out.extend_from_slice(&[0; 2]);
}

fn sizes(out: &mut Vec<u8>, member: &Member, known: bool) {
    let compressed_size = member.compressed_size;
    let compressed_size = compressed_size.unwrap_or(member.data.len() as u32);
    for field in [member.crc, compressed_size, member.size] {
        out.extend_from_slice(&(if known { field } else { 0 }).to_le_bytes());
    }
}
