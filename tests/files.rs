//! What happens to the files that a command line names.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use crate::harness::{program, scratch, shell};

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn no_option_destroys_what_another_one_names() {
    for command in [
        "vg-consecutive --state S -o S",
        "vg-consecutive --state S -o ./S",
        "vg-consecutive --state soft -o hard",
        "vg-consecutive --state new -o dangling",
        "vg-consecutive --state S --report S",
        "vg-consecutive --state S -o S.lock",
        "vg-consecutive --state S --state-out S",
        "vg-consecutive --state S --state-out T -o T",
        "vg-consecutive --state S --import-config S",
        "vg-consecutive --state S >> S",
        "dialpad-window --state S -o S",
        "dialpad-window --have S -o S",
        "cdr-filter . S -o soft",
        "cdr-filter . S --rejects hard",
        "cdr-filter . -o y --rejects y S",
        "cdr-filter . -o y --report y S",
        "cdr-filter . S >> S",
        "cdr-filter . < S >> S",
        "cdr-filter . - -o S < S",
        "unzip-jsonl --schema-report s -o s S",
        "unzip-jsonl --schema-report s --rejects s S",
        "unzip-jsonl S -o hard",
        "export-fetch --out-dir . --ledger L -o L < /dev/null",
        "export-fetch --out-dir . -o ledger.ndjson < /dev/null",
        "export-fetch --out-dir . --report S < S",
        "export-plan coverage --ledger S -o S",
        "export-plan windows --group g --type t --from -1d --have S -o S",
        "export-plan pages -o S < S",
        "ocp-token --ca-cert S -o S",
    ] {
        let dir = scratch();
        fs::write(dir.path().join("S"), "{}\n").unwrap();
        fs::hard_link(dir.path().join("S"), dir.path().join("hard")).unwrap();
        symlink("S", dir.path().join("soft")).unwrap();
        symlink("new", dir.path().join("dangling")).unwrap();
        let before = names(dir.path());
        let ran = shell(command).dir(dir.path()).run().ends(2);
        assert!(
            ran.stderr()
                .ends_with(" name the same file: use two files\n"),
            "{command}: {}",
            ran.stderr()
        );
        assert_eq!(names(dir.path()), before, "{command}");
        assert_eq!(
            fs::read(dir.path().join("S")).unwrap(),
            b"{}\n",
            "{command}"
        );
    }
    let dir = scratch();
    fs::write(dir.path().join("S"), "{}\n").unwrap();
    let shared = "cdr-filter . S S -o /dev/null --report /dev/null --rejects /dev/null";
    shell(shared).dir(dir.path()).prints("");
    let both = "cdr-filter . S -o /dev/stdout | cat";
    shell(both).dir(dir.path()).prints("{}\n");
}

#[test]
fn a_link_stays_and_its_target_is_written() {
    let dir = scratch();
    fs::create_dir(dir.path().join("far")).unwrap();
    symlink("far/out", dir.path().join("near")).unwrap();
    for _ in 0..2 {
        let script = "echo '{}' | cdr-filter . -o near";
        shell(script).dir(dir.path()).prints("");
        assert!(
            fs::symlink_metadata(dir.path().join("near"))
                .unwrap()
                .is_symlink()
        );
        assert_eq!(fs::read(dir.path().join("far/out")).unwrap(), b"{}\n");
    }
}

#[test]
fn a_file_with_two_names_is_refused_and_one_keeps_its_mode() {
    let dir = scratch();
    let out = dir.path().join("out");
    fs::write(&out, "old").unwrap();
    fs::hard_link(&out, dir.path().join("other")).unwrap();
    let ran = shell("cdr-filter . -o out < /dev/null")
        .dir(dir.path())
        .run();
    let ran = ran.ends(2);
    assert!(ran.stderr().contains("it has 2 names"), "{}", ran.stderr());
    assert_eq!(fs::read(&out).unwrap(), b"old");
    fs::remove_file(dir.path().join("other")).unwrap();
    fs::set_permissions(&out, PermissionsExt::from_mode(0o606)).unwrap();
    shell("umask 077; echo '{}' | cdr-filter . -o out --report new")
        .dir(dir.path())
        .prints("");
    assert_eq!(fs::read(&out).unwrap(), b"{}\n");
    assert_eq!((mode(&out), mode(&dir.path().join("new"))), (0o606, 0o600));
}

#[test]
fn a_new_file_is_for_its_user_only_unless_a_mode_is_given() {
    let dir = scratch();
    shell("umask 002; echo '{}' | cdr-filter . -o own; echo '{}' | cdr-filter . -o shared --mode 664 --report report")
        .dir(dir.path())
        .prints("");
    let mode_of = |name: &str| mode(&dir.path().join(name));
    assert_eq!(
        ["own", "shared", "report"].map(mode_of),
        [0o600, 0o664, 0o664]
    );
    for wrong in ["8", "1777", "rw"] {
        let ran = program("cdr-filter").args([".", "--mode", wrong]).run();
        assert!(ran.ends(2).stderr().contains("is not a mode"), "{wrong}");
    }
}

/// Whether this machine lets its user make namespaces.
fn can_unshare(flags: &str) -> bool {
    let tried = shell(&format!("unshare {flags} true")).run();
    tried.status() == 0
}

#[test]
fn a_mount_point_is_refused_before_anything_is_read() {
    if !can_unshare("-rm") {
        return;
    }
    let dir = scratch();
    fs::write(dir.path().join("out"), "old").unwrap();
    let script = "unshare -rm bash -c 'mount --bind out out && echo {} | cdr-filter . -o out'";
    let ran = shell(script).dir(dir.path()).run().ends(2);
    assert!(
        ran.stderr().contains("it is a mount point"),
        "{}",
        ran.stderr()
    );
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    let dir = scratch();
    let record = format!("{{\"a\":\"{}\"}}\n", "x".repeat(4000));
    fs::write(dir.path().join("in"), record.repeat(100)).unwrap();
    for out in ["-o out", "> out"] {
        let script = format!("ulimit -f 8; cdr-filter . in {out}");
        let ran = shell(&script).dir(dir.path()).run().ends(74);
        assert!(ran.stderr().contains("File too large"), "{}", ran.stderr());
    }
}

#[test]
fn a_stdout_that_does_not_wait_is_waited_for() {
    let dir = scratch();
    let records = format!("{{\"a\":\"{}\"}}\n", "x".repeat(10_000)).repeat(400);
    fs::write(dir.path().join("in"), &records).unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        std::thread::sleep(std::time::Duration::from_millis(500));
        reader.read_to_string(&mut text).map(|_| text)
    });
    let ran = program("cdr-filter")
        .args([".", "in"])
        .dir(dir.path())
        .with(|command| {
            command.stdout(Stdio::from(writer));
        });
    ran.check(0, "", "");
    assert!(reading.join().unwrap().unwrap() == records);
}

#[test]
fn process_one_ends_when_it_is_told_to() {
    if !can_unshare("-rfp") {
        return;
    }
    for (run, status) in [
        ("cdr-filter .", 143),
        (
            "export-fetch --out-dir . --region us1 --token-command false",
            143,
        ),
    ] {
        let script = format!(
            "mkfifo in; exec 9<>in
unshare -rfp {run} < in & outer=$!
until inner=$(cat /proc/$outer/task/$outer/children) && [ -n \"$inner\" ] && grep -q '^SigCgt:.*[^0]' /proc/${{inner% }}/status && [ \"$(cat /proc/${{inner% }}/comm)\" != unshare ]; do sleep 0.01; done
sleep 0.3
kill -TERM $inner
for i in {{1..500}}; do kill -0 $outer 2> /dev/null || break; sleep 0.01; done
kill -KILL $inner 2> /dev/null || true
wait $outer"
        );
        let dir = scratch();
        shell(&script).dir(dir.path()).run().ends(status);
    }
}
