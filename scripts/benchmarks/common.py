"""Code that all measurements share: building the programs, the machine, and runs in turn.

Figures are ratios of the times of whole processes that were measured in the same run, because
machines differ, and their speed changes over time.
"""
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target" / "release"
BENCH = ROOT / "target" / "bench"


def build():
    env = dict(os.environ, CARGO_TARGET_DIR=str(ROOT / "target"))
    command = [ROOT / "scripts" / "programs", "--release", "--with", "vendor-sim"]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
    command = ["cargo", "build", "--release", "--locked", "--examples"]
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    os.environ["PATH"] = f"{RELEASE / 'programs'}:{RELEASE / 'examples'}:{os.environ['PATH']}"


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}, load {os.getloadavg()[0]:.2f}"


class Run:
    """One run of a command: `wall` seconds on the clock, `cpu` seconds of processor time."""

    def __init__(self, command, env=None, cwd=None):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        process = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, env=env, cwd=cwd)
        said = process.stdout.read()
        status = process.wait()
        self.wall = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if status:
            sys.exit(f"bench: status {status}: {command}")
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if said.startswith(b'{"wall":'):
            # A library that runs inside Python prints its own time, without the start of Python.
            self.wall = json.loads(said)["wall"]


class Turns:
    """Commands that run in turn, so that a disturbance slows all of them."""

    def __init__(self, rounds, commands, **where):
        self.runs = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                self.runs[name].append(Run(command, **where))

    def ratio(self, name, base, what="wall"):
        """The median of a command's time divided by the time of `base` in the same round."""
        pairs = zip(self.runs[name], self.runs[base])
        return statistics.median(getattr(a, what) / getattr(b, what) for a, b in pairs)

    def time(self, name, what="wall"):
        return statistics.median(getattr(run, what) for run in self.runs[name])


class Table:
    """Prints lines of figures, each with its goal (bar). `met` is false if a figure missed its bar."""

    def __init__(self, title):
        self.met = True
        print(f"\n{title}\n{machine()}\n")

    def line(self, what, figure, unit, bar, note=""):
        """`bar` is ("≥" or "≤", number), or None for a figure without a goal."""
        met = bar is None or (figure >= bar[1] if bar[0] == "≥" else figure <= bar[1])
        self.met &= met
        wanted = "" if bar is None else f"{bar[0]} {bar[1]:g}"
        print(f"{what:62} {figure:8.2f} {unit:4} {wanted:8} {'' if bar is None else 'met' if met else 'MISSED':7}{note}", flush=True)

    def at_least(self, what, figure, bar, note=""):
        self.line(what, figure, "×", ("≥", bar), note)

    def at_most(self, what, figure, bar, note="", unit="×"):
        self.line(what, figure, unit, ("≤", bar), note)


def peak_memory(command):
    """The largest resident memory, in MiB, of any process of a command."""
    code = "import resource, subprocess, sys; subprocess.run(['bash', '-c', sys.argv[1]], check=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", code, command], check=True, stdout=subprocess.PIPE)
    return int(done.stdout) / 1024


def first_byte(command, line, rounds=40):
    """Milliseconds from the start of a program to its first byte of output. Its input is one line and
    stays open."""
    times = []
    for _ in range(rounds):
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        process.stdin.write(line)
        process.stdout.read(1)
        times.append(time.monotonic() - began)
        process.stdin.close()
        process.stdout.read()
        process.wait()
    return 1000 * statistics.median(times)


def corpus(mib):
    """The directory of a corpus of this size, and its manifest. scripts/gen-cdr makes it once."""
    directory = BENCH / f"corpus-{mib}"
    if not (directory / "manifest.json").exists():
        subprocess.run([ROOT / "scripts" / "gen-cdr", "--out", directory, "--mib", str(mib)], check=True)
    return directory, json.loads((directory / "manifest.json").read_text())
