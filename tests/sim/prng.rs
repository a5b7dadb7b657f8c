//! Small deterministic randomness (splitmix64), so that the same group, type and hour hold the same
//! records in every run and on every machine without a crate whose streams may change between
//! versions.

use std::hash::{BuildHasher, Hasher, RandomState};

pub struct Prng(u64);

impl Prng {
    /// FNV-1a over the parts, which are kept apart by a byte that UTF-8 never uses.
    pub fn seeded(parts: &[&str]) -> Prng {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for part in parts {
            for byte in part.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Prng(hash)
    }

    /// For tokens and export ids: what one simulator gave out must mean nothing to the next one.
    pub fn unrepeatable() -> Prng {
        Prng(RandomState::new().build_hasher().finish())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text += &format!("{:016x}", self.next());
        }
        text.truncate(digits);
        text
    }

    pub fn uuid(&mut self) -> String {
        let h = self.hex(32);
        let (a, b, c, d) = (&h[..8], &h[8..12], &h[13..16], &h[17..20]);
        format!("{a}-{b}-4{c}-8{d}-{}", &h[20..])
    }
}
