//! Runs a program and holds it to its status, its stdout and its stderr at
//! once; the last two are expected to be empty unless the test says otherwise.

pub mod memory;
pub mod variants;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use self::variants::{Directory, timeless};

/// Where the programs are started from: a directory of this name in the environment, in
/// which each of them is [broken on purpose](crate::guarantees), or that of cargo.
pub fn bin_dir() -> PathBuf {
    std::env::var_os(BROKEN_PROGRAMS).map_or_else(built, PathBuf::from)
}

/// See [`bin_dir`].
pub const BROKEN_PROGRAMS: &str = "CALLPIPE_BROKEN_PROGRAMS";

/// The directory that cargo put the programs in.
pub fn built() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_ocp-token"));
    path.parent()
        .expect("a program lies in a directory")
        .to_owned()
}

/// A scratch directory, gone at the end of the test.
pub fn scratch() -> TempDir {
    tempfile::Builder::new()
        .prefix("callpipe-test-")
        .tempdir()
        .expect("the temporary directory is writable")
}

/// A program about to be run, with nothing of the caller's environment but the
/// path.
pub struct Program {
    command: Command,
    stdin: Vec<u8>,
    variants: Vec<OsString>,
}

/// `name` is one of the suite's programs, or any other on the path.
pub fn program(name: &str) -> Program {
    let ours = bin_dir().join(name);
    let mut command = Command::new(if ours.exists() {
        ours.as_os_str()
    } else {
        OsStr::new(name)
    });
    let mut path = OsString::from(bin_dir());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    command.env_clear().env("PATH", path);
    Program {
        command,
        stdin: Vec::new(),
        variants: Vec::new(),
    }
}

/// A pipeline as a user types it, under `bash` with `set -euo pipefail`.
pub fn shell(script: &str) -> Program {
    program("bash").args(["-c", &format!("set -euo pipefail\n{script}")])
}

impl Program {
    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Program {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Program {
        self.command.args(args);
        self
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.command.env(name, value);
        self
    }

    /// Many variables of the environment.
    pub fn envs<'a>(self, vars: impl IntoIterator<Item = (&'a str, String)>) -> Program {
        vars.into_iter()
            .fold(self, |program, (name, value)| program.env(name, value))
    }

    /// The working directory.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Program {
        self.command.current_dir(dir);
        self
    }

    /// Its stdin, through a pipe; empty unless given.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Program {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    /// Starts it without waiting, for tests that send signals. Its stdin is fed
    /// by a thread.
    pub fn spawn(self) -> Child {
        self.spawn_into(Stdio::piped())
    }

    fn spawn_into(mut self, stdout: Stdio) -> Child {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{:?}: {e}", self.command));
        let mut pipe = child.stdin.take().expect("stdin is piped");
        let bytes = self.stdin;
        // A program may end without reading its input.
        std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        child
    }

    /// Has [`Program::run`] run it with each of these as its last argument, with
    /// the first one also into a file instead of a pipe, and hold it to doing the
    /// same each time: its status, what it writes and the files in its directory.
    pub fn variants<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Program {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        self.variants = args.collect();
        self
    }

    /// Runs it with stdin, stdout and stderr as the caller sets them.
    pub fn with(mut self, set: impl FnOnce(&mut Command)) -> Ran {
        assert!(self.variants.is_empty(), "a pipe can be set only once");
        self.command.stdin(Stdio::null());
        set(&mut self.command);
        let shown = format!("{:?}", self.command);
        let output = self
            .command
            .output()
            .unwrap_or_else(|e| panic!("{shown}: {e}"));
        Ran { shown, output }
    }

    /// Runs it to its end.
    pub fn run(self) -> Ran {
        if self.variants.is_empty() {
            return self.run_once(None);
        }
        let dir = self.command.get_current_dir().map(Directory::new);
        let pipes = self.variants.iter().map(|variant| (variant, None));
        let file = tempfile::tempfile().expect("the temporary directory is writable");
        let into_file = (&self.variants[0], Some(file));
        let mut all = pipes.chain([into_file]).map(|(variant, file)| {
            dir.iter().for_each(Directory::put_back);
            let ran = self.again(variant).run_once(file);
            let named = variants::named_files(&self.command);
            (ran, (dir.as_ref().map(Directory::files), named))
        });
        let (first, first_files) = all.next().expect("there is a variant");
        for (ran, files) in all {
            ran.is_as(&first);
            assert!(files == first_files, "{}: other files", ran.shown);
        }
        first
    }

    /// Into a file, if there is one, and else into a pipe.
    fn run_once(self, file: Option<File>) -> Ran {
        let shown = format!("{:?} into {file:?}", self.command);
        let stdout = file.as_ref().map(|file| file.try_clone().expect("a file"));
        let child = self.spawn_into(stdout.map_or_else(Stdio::piped, Stdio::from));
        let mut output = child.wait_with_output().expect("the program was started");
        if let Some(mut file) = file {
            file.rewind().expect("a file can be rewound");
            file.read_to_end(&mut output.stdout)
                .expect("a file can be read");
        }
        Ran { shown, output }
    }

    fn again(&self, arg: &OsStr) -> Program {
        let mut command = Command::new(self.command.get_program());
        command.args(self.command.get_args()).arg(arg).env_clear();
        let envs = self.command.get_envs();
        command.envs(envs.filter_map(|(name, value)| Some((name, value?))));
        if let Some(dir) = self.command.get_current_dir() {
            command.current_dir(dir);
        }
        Program {
            command,
            stdin: self.stdin.clone(),
            variants: Vec::new(),
        }
    }

    /// Runs it and expects status 0, this on stdout, and a silent stderr.
    #[track_caller]
    pub fn prints(self, stdout: &str) {
        self.run().check(0, stdout, "");
    }

    /// Runs it and expects this status, an empty stdout, and this on stderr.
    #[track_caller]
    pub fn fails(self, status: i32, stderr: &str) {
        self.run().check(status, "", stderr);
    }
}

/// Messages without the time that the run took (`-v`).
fn untimed(stderr: &str) -> Vec<String> {
    let untimed = |line: &str| match line.split_once(" after ") {
        Some((before, rest)) if before.contains(": status ") => {
            let counts = rest.split_once(':').map_or("", |(_, counts)| counts);
            format!("{before}{counts}")
        }
        _ => line.to_owned(),
    };
    stderr.lines().map(untimed).collect()
}

/// A program that has ended.
pub struct Ran {
    shown: String,
    /// What `std` says of it.
    pub output: Output,
}

impl Ran {
    #[track_caller]
    fn is_as(&self, other: &Ran) {
        let shown = &self.shown;
        assert_eq!(self.status(), other.status(), "{shown}: {}", self.stderr());
        assert_eq!(untimed(&self.stderr()), untimed(&other.stderr()), "{shown}");
        let same = timeless(&self.output.stdout) == timeless(&other.output.stdout);
        assert!(same, "{shown}: another stdout");
    }

    /// The exit status; a signal is shown as the shell shows it, 128 + number.
    pub fn status(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let status = self.output.status;
        status
            .code()
            .unwrap_or_else(|| 128 + status.signal().expect("neither a status nor a signal"))
    }

    /// Stdout as text.
    pub fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).expect("stdout is UTF-8")
    }

    /// Stderr as text.
    pub fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).expect("stderr is UTF-8")
    }

    /// The lines of stdout.
    pub fn lines(&self) -> Vec<String> {
        self.stdout().lines().map(str::to_owned).collect()
    }

    /// The lines of stdout as JSON.
    pub fn records(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}: {line}", self.shown))
        };
        self.stdout().lines().map(parse).collect()
    }

    /// All three at once; `[..]` and `...` stand for anything, as in snapbox.
    #[track_caller]
    pub fn check(self, status: i32, stdout: &str, stderr: &str) -> Ran {
        let expected = format!("status: {status}\nstdout:\n{stdout}\nstderr:\n{stderr}\n");
        let seen = format!(
            "status: {}\nstdout:\n{}\nstderr:\n{}\n",
            self.status(),
            self.stdout(),
            self.stderr()
        );
        // What is a path to snapbox may be an escape in JSON.
        snapbox::Assert::new()
            .normalize_paths(false)
            .eq(seen, expected);
        self
    }

    /// The status alone, for tests that look at the rest themselves; shows all
    /// of it where it is another.
    #[track_caller]
    pub fn ends(self, status: i32) -> Ran {
        assert_eq!(
            self.status(),
            status,
            "{}\nstdout:\n{}\nstderr:\n{}",
            self.shown,
            String::from_utf8_lossy(&self.output.stdout),
            String::from_utf8_lossy(&self.output.stderr),
        );
        self
    }
}
