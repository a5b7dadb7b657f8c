"""Installs the programs to compare with into target/bench, from the places where users get them."""
import os
import shutil
import subprocess
import sys

from common import BENCH

PACKAGES = {"jq": "jq", "unzip": "unzip", "bsdtar": "libarchive-tools"}
JAQ = "3.1.2"
LIBRARIES = ["duckdb", "jq", "deflate"]


def install():
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if missing:
        command = ["apt-get", "install", "-y", *missing]
        subprocess.run(command if os.geteuid() == 0 else ["sudo", *command], check=True, stdout=sys.stderr)
    if not (BENCH / "bin" / "jaq").exists():
        command = ["cargo", "install", "jaq", "--version", JAQ, "--locked", "--root", BENCH]
        subprocess.run(command, check=True)
    python = BENCH / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", BENCH / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *LIBRARIES], check=True)
    os.environ["PATH"] = f"{os.environ['PATH']}:{BENCH / 'bin'}"
    return python


def versions(python):
    """One line with the versions of these programs."""
    def first(*command):
        text = subprocess.run(command, capture_output=True, text=True).stdout
        return text.splitlines()[0] if text else command[0]

    code = "from importlib.metadata import version; print(', '.join(f'{n} {version(n)}' for n in %r))" % LIBRARIES
    unzip = " ".join(first("unzip", "-v").split()[:2])
    return f"{first('jq', '--version')}, {first('jaq', '--version')}, {unzip}, {' '.join(first('bsdtar', '--version').split()[:2])}; from PyPI {first(python, '-c', code)}"
