//! What is installed is all of it: `make install` and the Debian package have
//! every program of Cargo.toml and every file that the pages name.

use std::collections::BTreeSet;
use std::process::Command;

use crate::cli::PROGRAMS;
use crate::harness;

const MAKEFILE: &str = include_str!("../Makefile");

fn manifest() -> toml::Table {
    include_str!("../Cargo.toml").parse().unwrap()
}

/// Those that are built one by one for tests.
fn programs() -> BTreeSet<String> {
    let manifest = manifest();
    let bins = manifest["bin"].as_array().unwrap().iter();
    bins.map(|bin| bin["name"].as_str().unwrap().to_owned())
        .filter(|name| name != "callpipe")
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
    let listed = Command::new(env!("CARGO_BIN_EXE_callpipe"))
        .arg("--list")
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(
        listed.lines().map(str::to_owned).collect::<BTreeSet<_>>(),
        programs
    );
    assert_eq!(packaged("usr/bin/"), ["target/share/bin/*".into()].into());
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

#[test]
fn one_file_is_every_program() {
    let all = env!("CARGO_BIN_EXE_callpipe");
    let ask = |command: &mut Command| {
        let output = command.output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), out, output.stderr.is_empty())
    };
    let home = tempfile::tempdir().unwrap();
    for program in PROGRAMS {
        let alone = ask(Command::new(harness::bin_dir().join(program)).arg("--help"));
        assert_eq!(alone.0, Some(0), "{program}");
        assert_eq!(ask(Command::new(all).args([program, "--help"])), alone);
        let link = home.path().join(program);
        std::os::unix::fs::symlink(all, &link).unwrap();
        assert_eq!(ask(Command::new(link).arg("--help")), alone);
    }
    let (status, out, quiet) = ask(Command::new(all).arg("export-fech"));
    assert_eq!((status, out.as_str(), quiet), (Some(2), "", false));
    assert_eq!(ask(&mut Command::new(all)).0, Some(2));
    let (status, help, _) = ask(Command::new(all).arg("--help"));
    assert_eq!(status, Some(0));
    assert!(
        PROGRAMS.iter().all(|program| help.contains(program)),
        "{help}"
    );
}
