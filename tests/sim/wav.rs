//! Recordings: a quarter of a second of noise, telephone quality, whose bytes include newlines and
//! so would break anything that took a WAV for lines.

use super::prng::Prng;

const RATE: u32 = 8000;

pub fn noise(seed: &str) -> Vec<u8> {
    let mut random = Prng::seeded(&["wav", seed]);
    let samples: Vec<u8> = (0..RATE / 4).map(|_| random.below(256) as u8).collect();
    let size = samples.len() as u32;
    let mut wav = Vec::with_capacity(44 + samples.len());
    wav.extend(b"RIFF");
    wav.extend((36 + size).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    let (pcm, channels, bits) = (1u16, 1u16, 8u16);
    wav.extend(pcm.to_le_bytes());
    wav.extend(channels.to_le_bytes());
    wav.extend(RATE.to_le_bytes());
    wav.extend(RATE.to_le_bytes());
    wav.extend(1u16.to_le_bytes());
    wav.extend(bits.to_le_bytes());
    wav.extend(b"data");
    wav.extend(size.to_le_bytes());
    wav.extend(samples);
    wav
}
