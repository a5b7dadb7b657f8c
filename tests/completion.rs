//! Completions work in the shells themselves: in each that this machine has.

use std::path::Path;
use std::process::Command;

use crate::cli::{PROGRAMS, commands_of};
use crate::harness::{bin_dir, scratch};

/// Prints what bash offers for the words of a line.
const BASH: &str = r#"
. "./$1"
function=$(complete -p "$1" | sed 's/.*-F \([^ ]*\) .*/\1/')
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
"$function" "$1" "${!#}" "${@: -2:1}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// Types each argument into a shell on a terminal of its own, then a tab, and waits until the
/// line has what comes after the `|` of the argument. Prints the lines that were completed.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=($PWD \$fpath); autoload -Uz compinit; compinit -u -D; print rea''dy"
zpty -m -r shell out '*ready*'
for pair; do
    line=${pair%|*} rest=${pair#*|}
    zpty -w -n shell "$line"
    zpty -m -r shell out "*${line##* }*"
    zpty -w -n shell $'\t'
    zpty -m -r shell out "*${rest}*"
    print -r -- $pair
    zpty -w -n shell $'\C-u'
done
zpty -d shell
"#;

/// Whether the machine has the shell.
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn has(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no {shell}");
    }
    found
}

/// Each subcommand of all programs, and a flag of all programs and subcommands: the words
/// before it, and itself.
fn expected() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for program in PROGRAMS {
        all.push((program.to_owned(), "--report".to_owned()));
        for command in commands_of(program) {
            all.push((format!("{program} {command}"), "--verbose".to_owned()));
            all.push((program.to_owned(), command));
        }
    }
    all
}

/// A word without its last letter.
fn begun(word: &str) -> &str {
    &word[..word.len() - 1]
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
    let out = String::from_utf8(output.stdout).unwrap();
    let status = output.status;
    assert!(
        status.success(),
        "{command:?}: {status}: {errors}, after:\n{out}"
    );
    out
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
    for (before, word) in expected() {
        let words: Vec<&str> = before.split(' ').chain([begun(&word)]).collect();
        assert_eq!(offered(&words), [&*word], "{before}");
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
    for program in PROGRAMS {
        generate(program, "zsh", dir.path(), &format!("_{program}"));
    }
    let pair = |(before, word): (String, String)| {
        let (begun, rest) = word.split_at(word.len() - 1);
        format!("{before} {begun}|{rest}")
    };
    let mut pairs: Vec<String> = expected().into_iter().map(pair).collect();
    pairs.push("export-plan windows --ord|er".to_owned());
    pairs.push("export-plan windows --order newest|-first".to_owned());
    let mut command = Command::new("timeout");
    command.args(["60", "zsh", "-f", "-c", ZSH, "zsh"]);
    command.args(&pairs);
    let out = printed(command.env("TERM", "dumb").current_dir(dir.path()));
    assert!(out.lines().eq(&pairs), "{out}");
}

#[test]
fn fish_completes_subcommands_and_their_flags_and_values() {
    if !has("fish") {
        return;
    }
    let dir = scratch();
    for program in PROGRAMS {
        generate(program, "fish", dir.path(), &format!("{program}.fish"));
    }
    let mut lines = vec![(
        "export-plan windows --order newe".to_owned(),
        "newest-first".to_owned(),
    )];
    for (before, word) in expected() {
        lines.push((format!("{before} {}", begun(&word)), word));
    }
    let home = dir.path();
    let script = r#"
for file in *.fish; source $file; end
for line in $argv; complete -C "$line" | string split --fields 1 \t; end"#;
    let mut command = Command::new("fish");
    command.args(["--no-config", "-c", script]);
    command.args(lines.iter().map(|(line, _)| line));
    let out = printed(command.env("HOME", home).current_dir(home));
    assert!(out.lines().eq(lines.iter().map(|(_, word)| word)), "{out}");
}
