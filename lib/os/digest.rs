//! SHA-256, MD5 and HMAC-SHA256, and bytes as hexadecimal digits.

use std::io::{self, Write};

use md5::Md5;
use ring::hmac;
use sha2::{Digest, Sha256};

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of all of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of all of `bytes`.
pub(crate) fn sha256_raw(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The first half of the SHA-256 of `bytes`.
pub fn sha256_half(bytes: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|at| digest[at])
}

/// The MD5 of all of `bytes`. Services use it to detect transmission errors; it does not protect
/// against forgery.
pub(crate) fn md5_raw(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// The HMAC-SHA256 of all of `bytes` with a key of any length.
pub(crate) fn hmac_sha256(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, bytes).as_ref().to_vec()
}

/// A writer that passes bytes to `inner` and hashes them.
#[derive(Debug)]
pub struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    /// Starts a new hash. The written bytes go to `inner`, too.
    pub fn new(inner: W) -> Hashing<W> {
        let hash = Sha256::new();
        Hashing { inner, hash }
    }

    /// The inner writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// Returns the inner writer, and the SHA-256 of all written bytes in hexadecimal.
    pub fn finish(self) -> (W, String) {
        (self.inner, hex(&self.hash.finalize()))
    }

    /// Returns the inner writer, and the SHA-256 of all written bytes.
    pub(crate) fn finish_raw(self) -> (W, [u8; 32]) {
        (self.inner, self.hash.finalize().into())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_hashed() {
        let mut hashing = Hashing::new(Vec::new());
        hashing.write_all(b"ab").unwrap();
        hashing.write_all(b"c").unwrap();
        let (bytes, digest) = hashing.finish();
        assert_eq!(bytes, b"abc");
        assert_eq!(digest, sha256(b"abc"));
        assert!(digest.starts_with("ba7816bf"));
    }

    /// The MD5 is an example of RFC 1321. The HMAC is the example of RFC 4231 with a key longer
    /// than a block.
    #[test]
    fn other_digests_are_those_of_their_standards() {
        assert_eq!(hex(&md5_raw(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        let long = hmac_sha256(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
        );
        assert!(hex(&long).starts_with("60e431591ee0b67f0d8a26aacbf5b77f"));
    }
}
