//! What is installed is all of it: `make install` and every package have each program of
//! Cargo.toml and every file that the pages name.

use std::collections::BTreeSet;
use std::path::Path;
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

/// The words after `start` in a line of `make install`.
fn words(start: &str) -> BTreeSet<String> {
    let mut lines = MAKEFILE.lines().map(str::trim);
    let line = lines.find_map(|line| line.strip_prefix(start)).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
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
    assert_eq!(
        PROGRAMS
            .map(str::to_owned)
            .into_iter()
            .collect::<BTreeSet<_>>(),
        programs
    );
}

/// The names below a directory of the repository that end like this.
fn sources(dir: &str, end: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let names = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(end)).collect()
}

#[test]
fn every_package_holds_all_programs_with_their_pages_and_completions() {
    let home = harness::scratch();
    let (root, share) = (home.path().join("root"), home.path().join("share"));
    let binary = home.path().join("callpipe");
    std::fs::write(&binary, "#!/bin/sh\n").unwrap();
    let made = Command::new("make")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--silent", "install", "PREFIX=/usr"])
        .arg(format!("BINARY={}", binary.display()))
        .arg(concat!("GENERATOR=", env!("CARGO_BIN_EXE_callpipe")))
        .arg(format!("SHARE={}", share.display()))
        .arg(format!("DESTDIR={}", root.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8(made.stderr).unwrap();
    assert!(made.status.success(), "{errors}");
    let listed = Command::new("python3")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging"))
        .args(["-B", "contents.py", root.to_str().unwrap()])
        .output()
        .unwrap();
    let errors = String::from_utf8(listed.stderr).unwrap();
    assert!(listed.status.success(), "{errors}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let listed: BTreeSet<&str> = listed.lines().collect();

    // A link, or in a wheel a script; and where each package has its data.
    for (start, run, linked, data, zsh) in [
        (
            "tarball",
            "callpipe-1.2.3-x86_64-unknown-linux-musl/bin",
            777,
            "callpipe-1.2.3-x86_64-unknown-linux-musl/share",
            "site-functions",
        ),
        ("deb", "usr/bin", 777, "usr/share", "vendor-completions"),
        (
            "wheel",
            "callpipe-1.2.3.data/scripts",
            755,
            "callpipe-1.2.3.data/data/share",
            "site-functions",
        ),
    ] {
        let has = |mode: u32, path: String| {
            let line = format!("{start} {mode} {path}");
            assert!(
                listed.contains(line.as_str()),
                "{line}\nis not in {listed:#?}"
            );
        };
        has(755, format!("{run}/callpipe"));
        for program in PROGRAMS {
            has(linked, format!("{run}/{program}"));
            has(644, format!("{data}/man/man1/{program}.1"));
            has(644, format!("{data}/bash-completion/completions/{program}"));
            has(644, format!("{data}/zsh/{zsh}/_{program}"));
            has(
                644,
                format!("{data}/fish/vendor_completions.d/{program}.fish"),
            );
        }
        for sql in sources("scripts", ".sql") {
            has(644, format!("{data}/callpipe/{sql}"));
        }
        has(644, format!("{data}/callpipe/exports-api.toml"));
        for page in sources("docs", ".md") {
            has(644, format!("{data}/doc/callpipe/docs/{page}"));
        }
        has(644, format!("{data}/doc/callpipe/LICENSE"));
    }
    for only in [
        "deb 644 /control",
        "deb 644 /md5sums",
        "deb 644 usr/share/doc/callpipe/copyright",
        "tarball 644 callpipe-1.2.3-x86_64-unknown-linux-musl/CHANGELOG.md",
        "wheel 644 callpipe-1.2.3.dist-info/METADATA",
    ] {
        assert!(listed.contains(only), "{only}");
    }
}

#[test]
fn the_number_of_the_release_is_the_same_everywhere() {
    let number = env!("CARGO_PKG_VERSION");
    let sim: toml::Table = include_str!("vendor-sim/Cargo.toml").parse().unwrap();
    assert_eq!(sim["package"]["version"].as_str(), Some(number));
    let log = include_str!("../CHANGELOG.md");
    let mut sections = log.lines().filter_map(|line| line.strip_prefix("## "));
    let newest = sections.find(|section| *section != "Unreleased");
    assert_eq!(newest, Some(number));
}

#[test]
fn what_a_build_lacks_is_named_with_the_command_that_installs_it() {
    let home = harness::scratch();
    let check = |argument: &str| {
        let output = Command::new("/bin/sh")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install-deps"))
            .args(["--check", argument])
            .env("PATH", home.path())
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors.replace("install-deps: ", ""))
    };
    let rust = "cargo is missing: install Rust 1.89 or newer with rustup\n";
    assert_eq!(check("demo"), (Some(1), rust.to_owned()));
    let add = |name: &str| std::os::unix::fs::symlink("/bin/true", home.path().join(name)).unwrap();
    ["cargo", "make"].into_iter().for_each(add);
    let lacks = "missing: gcc bash. Run scripts/install-deps demo, which installs them with apt\n";
    assert_eq!(check("demo"), (Some(1), lacks.to_owned()));
    ["cc", "bash"].into_iter().for_each(add);
    assert_eq!(check("demo"), (Some(0), String::new()));
    assert_eq!(check("other").0, Some(2));
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
    let (status, version, _) = ask(Command::new(all).arg("--version"));
    let number = concat!("callpipe ", env!("CARGO_PKG_VERSION"));
    assert!(
        status == Some(0) && version.starts_with(number),
        "{version}"
    );
    let (status, help, _) = ask(Command::new(all).arg("--help"));
    assert_eq!(status, Some(0));
    assert!(
        PROGRAMS.iter().all(|program| help.contains(program)),
        "{help}"
    );
}

/// The version that the build script writes when it runs in `dir`, and its directives for cargo.
fn version_built_in(dir: &Path, script: &Path, set: &[(&str, &str)]) -> (String, String) {
    let mut command = Command::new(script);
    command
        .current_dir(dir)
        .env_remove("SOURCE_DATE_EPOCH")
        .env("OUT_DIR", dir)
        .envs([("CARGO_PKG_VERSION", "1.2.3"), ("PROFILE", "release")])
        .envs([("TARGET", "z80-none"), ("HOST", "z80-none")])
        .env("CARGO_CFG_TARGET_ENV", "gnu")
        .envs(set.iter().copied());
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let directives = String::from_utf8(output.stdout).unwrap();
    (read(&dir.join("version")), directives)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_release_build_names_its_commit_and_any_other_only_its_number() {
    let home = harness::scratch();
    let script = home.path().join("script");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs");
    let rustc = ["--edition=2024", "-o", script.to_str().unwrap(), source];
    let compiled = Command::new("rustc").args(rustc).status().unwrap();
    assert!(compiled.success());
    let inner = home.path().join("checkout/unpacked");
    std::fs::create_dir_all(&inner).unwrap();
    let outer = inner.parent().unwrap();
    let git = |line: &str| {
        let output = Command::new("git")
            .args(line.split(' '))
            .current_dir(outer)
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("HOME", "/nonexistent")])
            .env("GIT_COMMITTER_DATE", "2024-02-29T23:30:00-0200")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git("init -q");
    let build = |dir: &Path, set: &[(&str, &str)]| version_built_in(dir, &script, set);
    assert_eq!(build(outer, &[]).0, "1.2.3", "no commit yet");
    git("-c user.name=x -c user.email=x@localhost commit -q --allow-empty -m one");
    let commit = git("rev-parse --short=12 HEAD");
    let (version, directives) = build(outer, &[]);
    assert_eq!(
        version,
        format!("1.2.3\ncommit {commit}, 2024-03-01, z80-none")
    );
    for watched in [".git/HEAD", ".git/logs/HEAD"] {
        let line = format!("cargo:rerun-if-changed={watched}\n");
        assert!(directives.contains(&line), "{directives}");
    }
    let (version, _) = build(outer, &[("SOURCE_DATE_EPOCH", "951782400")]);
    assert!(version.contains(", 2000-02-29, "), "{version}");
    let (version, directives) = build(outer, &[("PROFILE", "debug")]);
    assert_eq!(version, "1.2.3");
    assert!(!directives.contains(".git"), "{directives}");
    assert_eq!(build(&inner, &[]).0, "1.2.3", "a checkout around it");
    assert_eq!(build(outer, &[("PATH", "")]).0, "1.2.3", "no git");

    let getconf = outer.join("getconf");
    let packs = |library: &str, set: &[(&str, &str)]| {
        std::fs::write(&getconf, format!("#!/bin/sh\necho {library}\n")).unwrap();
        harness::shell(&format!("chmod +x {}", getconf.display())).prints("");
        let path = [("PATH", outer.to_str().unwrap())];
        let (_, directives) = build(outer, &[&path, set].concat());
        directives.contains("-Wl,-z,pack-relative-relocs\n")
    };
    assert!(packs("glibc 2.36", &[]) && packs("glibc 3.0", &[]));
    assert!(!packs("glibc 2.35", &[]) && !packs("musl", &[]));
    for other in [
        ("HOST", "x"),
        ("CARGO_CFG_TARGET_ENV", "musl"),
        ("PROFILE", "debug"),
    ] {
        assert!(!packs("glibc 2.36", &[other]), "{other:?}");
    }
}
