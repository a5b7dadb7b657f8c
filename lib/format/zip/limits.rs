//! Limits against ZIP bombs, for the sizes in the central directory.

use std::fmt;
use std::str::FromStr;

use clap::Args;

use super::error::{ArchiveError, bad};

/// For a member of at most this many inflated bytes, `max_ratio` is not checked.
const HARMLESS: u64 = 10 << 20;

/// The limits for the sizes in a directory. The defaults accept everything that a contact centre
/// can export and that deflate can produce.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct ZipLimits {
    /// Refuse a member that is larger than SIZE when inflated. SIZE is in bytes, or a number with
    /// K, M, G or T (powers of 1024).
    #[arg(long, value_name = "SIZE", default_value_t = ZipLimits::default().max_member_size)]
    pub max_member_size: Size,

    /// Refuse a member if it and the members before it hold more than SIZE when inflated.
    #[arg(long, value_name = "SIZE", default_value_t = ZipLimits::default().max_zip_size)]
    pub max_zip_size: Size,

    /// Refuse a ZIP with more members than N, directories included.
    #[arg(long, value_name = "N", default_value_t = ZipLimits::default().max_members)]
    pub max_members: u64,

    /// Refuse a member of more than 10 MiB that is more than N times as large as its compressed
    /// data. Deflate reaches a ratio of up to 1032 for silence, and of about 30 for records.
    #[arg(long, value_name = "N", default_value_t = ZipLimits::default().max_ratio)]
    pub max_ratio: u64,
}

impl Default for ZipLimits {
    fn default() -> ZipLimits {
        ZipLimits {
            max_member_size: Size(16 << 30),
            max_zip_size: Size(64 << 30),
            max_members: 1_000_000,
            max_ratio: 1200,
        }
    }
}

impl ZipLimits {
    /// No limits, for a caller that only verifies an archive.
    pub fn none() -> ZipLimits {
        ZipLimits {
            max_member_size: Size(u64::MAX),
            max_zip_size: Size(u64::MAX),
            max_members: u64::MAX,
            max_ratio: u64::MAX,
        }
    }

    /// Refuses a member if its sizes, according to the directory, are over a limit. `total` is the
    /// inflated size of this member and of all members before it.
    pub(super) fn check(&self, size: u64, compressed: u64, total: u64) -> Result<(), ArchiveError> {
        if size > self.max_member_size.0 {
            return bad(format!(
                "{size} bytes when inflated, over --max-member-size {}",
                self.max_member_size
            ));
        }
        if total > self.max_zip_size.0 {
            return bad(format!(
                "with it the ZIP holds {total} bytes when inflated, over --max-zip-size {}",
                self.max_zip_size
            ));
        }
        if size > HARMLESS && size > compressed.saturating_mul(self.max_ratio) {
            return bad(format!(
                "{size} bytes from {compressed}, over --max-ratio {}",
                self.max_ratio
            ));
        }
        Ok(())
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

const UNITS: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Size, &'static str> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "" | "B" => Some(0),
            unit => UNITS.iter().find_map(|(letter, shift)| {
                let rest = unit.strip_prefix(*letter)?;
                matches!(rest, "" | "B" | "IB").then_some(*shift)
            }),
        };
        let number = digits.parse::<u64>().ok();
        number
            .zip(shift)
            .and_then(|(number, shift)| number.checked_mul(1 << shift))
            .map(Size)
            .ok_or("not a size such as 1048576, 512M or 16G")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |(_, shift): &&(char, u32)| self.0 > 0 && self.0.trailing_zeros() >= *shift;
        match UNITS.iter().find(exact) {
            Some((letter, shift)) => write!(f, "{}{letter}", self.0 >> shift),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        for (text, bytes) in [("0", 0), ("1000", 1000), ("1K", 1024), ("16G", 16 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!("3MiB".parse(), Ok(Size(3 << 20)));
        assert_eq!("3mb".parse(), Ok(Size(3 << 20)));
        for text in ["", "G", "1.5G", "-1", "1X", "99999999T"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_refusal_names_the_flag() {
        let limits = ZipLimits {
            max_member_size: Size(50 << 20),
            max_zip_size: Size(60 << 20),
            max_ratio: 100,
            ..ZipLimits::default()
        };
        let refusal = |size, compressed, total| {
            limits
                .check(size, compressed, total)
                .err()
                .map(|e| e.to_string())
        };
        assert_eq!(refusal(10 << 20, 1, 0), None);
        assert_eq!(refusal(20 << 20, 1 << 20, 60 << 20), None);
        for (size, compressed, total, flag) in [
            (51 << 20, 51 << 20, 0, "--max-member-size 50M"),
            (1, 1, (60 << 20) + 1, "--max-zip-size 60M"),
            (20 << 20, 200_000, 0, "--max-ratio 100"),
        ] {
            let text = refusal(size, compressed, total).unwrap();
            assert!(text.ends_with(flag), "{text}");
        }
    }
}
