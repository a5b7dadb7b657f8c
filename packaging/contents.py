"""Prints which files each package would contain, if it were made from an installed directory.

    python3 packaging/contents.py ROOT

Each line has the package, the mode and the name of a file. The status is 1 if a second package of
the same files has other bytes, or if the wheel's list of its files is wrong.
"""

import base64
import csv
import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

from deb import deb
from tarball import tarball
from wheel import wheel

PROJECT = {"name": "callpipe", "version": "1.2.3", "description": "d", "license": "MIT", "readme": "r"}


def in_tar(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(entry.mode, entry.name) for entry in tar if not entry.isdir()]


def in_deb(data):
    """Lines for both archives of a Debian package; names that begin with / are in the first archive."""
    found, place = [], 8
    while place < len(data):
        header = data[place : place + 60]
        name, size = header[:16].decode().strip(), int(header[48:58])
        content = data[place + 60 : place + 60 + size]
        place += 60 + size + size % 2
        if name.endswith(".tar.gz"):
            start = "/" if name.startswith("control") else ""
            found += [(mode, start + path.removeprefix("./")) for mode, path in in_tar(content)]
    return found


def in_wheel(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith("/RECORD"))
        listed = {name: digest for name, digest, _ in csv.reader(archive.read(record).decode().splitlines())}
        for name in archive.namelist():
            hashed = base64.urlsafe_b64encode(hashlib.sha256(archive.read(name)).digest())
            if name != record and listed.pop(name, "") != f"sha256={hashed.rstrip(b'=').decode()}":
                sys.exit(f"contents: RECORD has another {name}")
        if list(listed) != [record]:
            sys.exit(f"contents: RECORD has {listed}")
        return [(entry.external_attr >> 16 & 0o777, entry.filename) for entry in archive.infolist()]


def main():
    root = Path(sys.argv[1])
    project = PROJECT | {"terms": (Path(__file__).resolve().parent.parent / "LICENSE").read_text()}
    for make, target, inside in [
        (tarball, "x86_64-unknown-linux-musl", in_tar), (deb, "x86_64", in_deb), (wheel, "x86_64", in_wheel),
    ]:
        _, data = make(root, project, target, 1_700_000_000)
        if make(root, project, target, 1_700_000_000)[1] != data:
            sys.exit(f"contents: a second {make.__name__} has other bytes")
        for mode, name in inside(data):
            sys.stdout.write(f"{make.__name__} {mode:o} {name}\n")


if __name__ == "__main__":
    main()
