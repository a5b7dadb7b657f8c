//! Where the choices of a generator come from: a seed, or a fuzzer's bytes.

use std::collections::VecDeque;

/// Throws what a seed or a script says.
pub struct Dice(Source);

enum Source {
    /// The state of splitmix64, which is the same in every release and everywhere.
    Seed(u64),
    /// Bytes, one a throw, and zeros after them.
    Script(VecDeque<u8>),
}

impl Dice {
    pub fn seeded(seed: u64) -> Dice {
        Dice(Source::Seed(seed))
    }

    pub fn scripted(bytes: &[u8]) -> Dice {
        Dice(Source::Script(bytes.iter().copied().collect()))
    }

    /// A number from 0 to below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        match &mut self.0 {
            Source::Script(bytes) => usize::from(bytes.pop_front().unwrap_or_default()) % bound,
            Source::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                ((z ^ (z >> 31)) % bound as u64) as usize
            }
        }
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// True once in `times`, on average.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }
}
