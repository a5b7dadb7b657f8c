//! docs/guarantees.md names only tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::program;

const PAGE: &str = include_str!("../docs/guarantees.md");

/// What may go wrong between the service that pushes and the lake: r01 to r28.
#[test]
fn every_hazard_of_the_stream_has_a_test_of_its_name() {
    let mut named = BTreeSet::new();
    let mut left: Vec<PathBuf> = ["lib/receive", "tests/receive", "tests/subscribe"]
        .map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .into();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        for line in fs::read_to_string(path).unwrap().lines() {
            let (_, name) = line.split_once("fn ").unwrap_or_default();
            named.extend(name.split('_').map_while(|word| {
                let number = word.strip_prefix('r')?;
                number.parse::<u32>().ok().filter(|_| number.len() == 2)
            }));
        }
    }
    assert_eq!(named, (1..=28).collect());
}

#[test]
fn every_test_that_is_named_exists() {
    let this = std::env::current_exe().unwrap();
    let list = program(this.to_str().unwrap()).arg("--list").run().ends(0);
    let tests: BTreeSet<String> = list
        .lines()
        .iter()
        .filter_map(|line| line.strip_suffix(": test").map(str::to_owned))
        .collect();
    let quoted = PAGE.split('`').skip(1).step_by(2);
    let named: Vec<&str> = quoted
        .filter(|text| text.contains("::") && !text.contains(' '))
        .collect();
    assert!(named.len() > 60, "{}", named.len());
    for name in named {
        assert!(tests.contains(name), "docs/guarantees.md names {name}");
    }
}
