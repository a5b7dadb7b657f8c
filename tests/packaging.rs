//! What is installed is all of it: `make install` and the Debian package have
//! every program of Cargo.toml and every file that the pages name.

use std::collections::BTreeSet;

use crate::cli::PROGRAMS;

const MAKEFILE: &str = include_str!("../Makefile");

fn manifest() -> toml::Table {
    include_str!("../Cargo.toml").parse().unwrap()
}

fn programs() -> BTreeSet<String> {
    let manifest = manifest();
    let bins = manifest["bin"].as_array().unwrap().iter();
    bins.map(|bin| bin["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The words behind what `make install` has in a line that begins like this.
fn words(start: &str) -> BTreeSet<String> {
    let mut lines = MAKEFILE.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(start)).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

/// The sources of the package's files that go to `place`.
fn packaged(place: &str) -> BTreeSet<String> {
    let manifest = manifest();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array();
    let assets = assets.unwrap().iter();
    let here = assets.filter(|asset| asset[1].as_str() == Some(place));
    here.map(|asset| asset[0].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_program_is_installed_packaged_and_tested_for_its_manners() {
    let programs = programs();
    assert_eq!(words("PROGRAMS :="), programs);
    let released = programs.iter().map(|name| format!("target/release/{name}"));
    assert_eq!(packaged("usr/bin/"), released.collect());
    assert_eq!(
        PROGRAMS
            .map(str::to_owned)
            .into_iter()
            .collect::<BTreeSet<_>>(),
        programs
    );
}

#[test]
fn what_is_shared_is_the_same_in_both() {
    let mut installed = words("install -m 644 lib/ocp/");
    installed.retain(|word| !word.starts_with("$("));
    let packaged = packaged("usr/share/callpipe/");
    let strip = |file: &str| file.strip_prefix("lib/ocp/").unwrap_or(file).to_owned();
    assert_eq!(
        packaged
            .iter()
            .map(|file| strip(file))
            .collect::<BTreeSet<_>>(),
        installed
    );
}
