//! Completions work in the shells themselves: in each that this machine has.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::cli::PROGRAMS;
use crate::harness::{bin_dir, scratch};

/// Prints what bash offers for the words of a line.
const BASH: &str = r#"
. "./$1"
function=$(complete -p "$1" | sed 's/.*-F \([^ ]*\) .*/\1/')
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
"$function" "$1" "${!#}" "${@: -2:1}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Types into a shell on a terminal of its own, and waits for what is completed.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -D; print rea''dy"
zpty -m -r shell out '*ready*'
zpty -w -n shell $'export-plan w\t'
zpty -m -r shell out '*windows*'
zpty -w -n shell $'--ord\t'
zpty -m -r shell out '*er*'
zpty -w -n shell $'newest\t'
zpty -m -r shell out '*newest-first*'
print completed
zpty -d shell
"#;

/// Whether the machine has the shell.
fn has(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").output().is_ok();
    if !found {
        writeln!(std::io::stderr(), "skipped: there is no {shell}").unwrap();
    }
    found
}

/// Writes the completions of a program to a file of this name in `dir`.
fn generate(program: &str, shell: &str, dir: &Path, file: &str) {
    let output = Command::new(bin_dir().join(program))
        .args(["--generate", shell])
        .output()
        .unwrap();
    assert!(output.status.success(), "{program}");
    std::fs::write(dir.join(file), output.stdout).unwrap();
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_subcommands_and_their_flags_and_values() {
    let dir = scratch();
    for program in PROGRAMS {
        generate(program, "bash", dir.path(), program);
    }
    let offered = |words: &[&str]| {
        let mut command = Command::new("bash");
        command.args(["--norc", "-c", BASH, "bash"]).args(words);
        let all = printed(command.current_dir(dir.path()));
        all.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let plan = offered(&["export-plan", ""]);
    for command in ["windows", "pages", "coverage", "check", "prune"] {
        assert!(plan.contains(&command.to_owned()), "{plan:?}");
    }
    for (words, only) in [
        (&["ocp-metrics", "b"][..], "batch"),
        (&["export-plan", "windows", "--ord"], "--order"),
        (&["ocp-metrics", "batch", "--loo"], "--lookback"),
        (&["ocp-receive", "rotate-key", "--di"], "--dir"),
        (&["cdr-filter", "--format", "c"], "csv"),
    ] {
        assert_eq!(offered(words), [only], "{words:?}");
    }
    let orders = offered(&["export-plan", "windows", "--order", ""]);
    assert_eq!(orders, ["oldest-first", "newest-first", "expiring-first"]);
}

#[test]
fn zsh_completes_subcommands_and_their_flags_and_values() {
    if !has("zsh") {
        return;
    }
    let dir = scratch();
    generate("export-plan", "zsh", dir.path(), "_export-plan");
    let mut command = Command::new("timeout");
    command.args(["60", "zsh", "-f", "-c", ZSH]);
    let out = printed(command.env("TERM", "dumb").current_dir(dir.path()));
    assert!(out.ends_with("completed\n"), "{out}");
}

#[test]
fn fish_completes_subcommands_and_their_flags_and_values() {
    if !has("fish") {
        return;
    }
    let dir = scratch();
    for program in ["export-plan", "ocp-metrics"] {
        generate(program, "fish", dir.path(), &format!("{program}.fish"));
    }
    for (line, first) in [
        ("export-plan wi", "windows\t"),
        ("ocp-metrics b", "batch\t"),
        ("export-plan windows --order newe", "newest-first\t"),
    ] {
        let script = r#"for file in *.fish; source $file; end; complete -C "$argv[1]""#;
        let mut command = Command::new("fish");
        command.args(["--no-config", "-c", script, line]);
        let home = dir.path();
        let out = printed(command.env("HOME", home).current_dir(home));
        assert!(out.starts_with(first), "{line}: {out}");
    }
}
