"""Compares the builds that a new user waits for with `cargo install jaq`, each from nothing.

The goals (bars) are for the time on the clock, because a user sees this time. The table also shows
processor time, on which other processes have less effect. The time of `make demo` is from nothing
to its last line. Our crates are downloaded before the measurement. The crates of jaq are downloaded
within its time, if cargo does not have them yet.
"""
import shutil
import subprocess

from common import BENCH, ROOT, Run, Table

JAQ = "3.1.2"
PLACE = BENCH / "build"


def builds():
    """The name of each build, its command, and its longest allowed time, in multiples of jaq's time."""
    target = f"cd {ROOT} && export CARGO_TARGET_DIR={PLACE}/target CARGO_TERM_QUIET=true"
    yield "cargo install jaq", f"{target} && cargo install --quiet --locked --root {PLACE}/jaq jaq@{JAQ}", None
    yield "make demo", f"{target} && make --silent demo", 1.5
    yield "make build", f"{target} && make --silent build", 2


def measure(_rounds, _mib):
    shutil.rmtree(PLACE, ignore_errors=True)
    subprocess.run(["cargo", "fetch", "--quiet", "--locked"], cwd=ROOT, check=True)
    table = Table(f"Builds from nothing; jaq is {JAQ}")
    base = None
    for name, command, bar in builds():
        run = Run(command)
        shutil.rmtree(PLACE / "target")
        base = base or run
        note = f"{run.wall:.0f} s, {run.cpu:.0f} s of processors: {run.cpu / base.cpu:.2f} ×"
        if bar is None:
            table.line(name, run.wall, "s", None, note)
        else:
            table.at_most(name, run.wall / base.wall, bar, note)
    return table.met
