//! Writes the text of `--version`. In a release build from a git checkout, the text contains the
//! commit, its day and the target. In all other builds the text is only the version number: if it
//! contained the commit, a debug build would compile the library again after each commit. A release
//! build also asks the linker for packed relocations.

#![allow(
    clippy::disallowed_methods,
    reason = "a build that was interrupted runs this again"
)]

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let mut directives = String::from(
        "cargo:rerun-if-changed=build.rs\ncargo:rerun-if-env-changed=SOURCE_DATE_EPOCH\n",
    );
    let mut text = env::var("CARGO_PKG_VERSION")?;
    let is_release = env::var("PROFILE")? == "release";
    // Check for `.git` in this directory only: an unpacked archive may be inside the checkout of
    // another project.
    if is_release && Path::new(".git").exists() {
        for name in ["HEAD", "logs/HEAD"] {
            let path = git(&["rev-parse", "--git-path", name]);
            if let Some(path) = path.filter(|path| Path::new(path).exists()) {
                directives += &format!("cargo:rerun-if-changed={path}\n");
            }
        }
        if let Some(built) = built_from()? {
            text += &format!("\n{built}");
        }
    }
    if is_release && loads_packed_relocations()? {
        directives += "cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs\n";
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("version"), text)?;
    Ok(io::stdout().write_all(directives.as_bytes())?)
}

/// Whether the target is this machine and its C library reads packed relocations. A program reads
/// all relocations at each start. Unpacked relocations take a megabyte more memory.
fn loads_packed_relocations() -> Result<bool, Box<dyn Error>> {
    let is_native = env::var("HOST")? == env::var("TARGET")?;
    if !is_native || env::var("CARGO_CFG_TARGET_ENV")? != "gnu" {
        return Ok(false);
    }
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else {
        return Ok(false);
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.trim().strip_prefix("glibc ").unwrap_or_default();
    let mut numbers = version
        .split('.')
        .map_while(|number| number.parse::<u32>().ok());
    Ok((numbers.next(), numbers.next()) >= (Some(2), Some(36)))
}

/// The commit, its day and the target; `None` if git does not know the commit.
fn built_from() -> Result<Option<String>, Box<dyn Error>> {
    let Some(shown) = git(&["show", "-s", "--abbrev=12", "--format=%h %ct", "HEAD"]) else {
        return Ok(None);
    };
    let (commit, committed) = shown.split_once(' ').ok_or("git show: no time")?;
    let seconds = env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| committed.to_owned());
    let seconds: i64 = seconds.trim().parse()?;
    let target = env::var("TARGET")?;
    Ok(Some(format!("commit {commit}, {}, {target}", day(seconds))))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The day in UTC, for example 2026-11-28. `seconds` are counted since 1970.
fn day(seconds: i64) -> String {
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut days = seconds.div_euclid(86_400);
    let mut year = 1970;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + i64::from(is_leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}
