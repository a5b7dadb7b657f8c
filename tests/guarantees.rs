//! docs/guarantees.md names only tests that exist.

use std::collections::BTreeSet;

use crate::harness::program;

const PAGE: &str = include_str!("../docs/guarantees.md");

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
