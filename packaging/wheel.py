"""A wheel with the programs, for machines that have pip and no compiler.

It contains one binary, and a script of two lines for each program. A wheel cannot contain links,
and a copy for each program would be ten binaries. The scripts are for /bin/sh, because Python
needs more time to start than most runs need. The data files go to share/ of the environment into
which pip installs.
"""

import base64
import hashlib
import io
import time
import zipfile

from tree import files, mode

# A static binary runs with every C library.
TAGS = {
    "x86_64": "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    "aarch64": "py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
}
SCRIPT = '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/callpipe" {} "$@"\n'


def wheel(root, project, arch, epoch):
    """The name and the bytes of the wheel with the files below root/usr."""
    name = f"{project['name']}-{project['version']}"
    tag = TAGS[arch]
    parts = []
    for path, source in files(root / "usr"):
        if source.is_symlink():
            parts.append((f"{name}.data/scripts/{source.name}", SCRIPT.format(source.name).encode(), 0o755))
        elif path.startswith("bin/"):
            parts.append((f"{name}.data/scripts/{source.name}", source.read_bytes(), 0o755))
        else:
            parts.append((f"{name}.data/data/{path}", source.read_bytes(), mode(source)))
    info = f"{name}.dist-info"
    parts.append((f"{info}/METADATA", metadata(project).encode(), 0o644))
    tags = "".join(f"Tag: py3-none-{platform}\n" for platform in tag.split("-")[2].split("."))
    about = f"Wheel-Version: 1.0\nGenerator: {project['name']}\nRoot-Is-Purelib: false\n{tags}"
    parts.append((f"{info}/WHEEL", about.encode(), 0o644))
    record = "".join(f"{path},sha256={digest(content)},{len(content)}\n" for path, content, _ in parts)
    parts.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode(), 0o644))
    return f"{name}-{tag}.whl", packed(parts, epoch)


def metadata(project):
    return (
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        f"Summary: {project['description']}\nLicense: {project['license']}\n"
        f"Requires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n{project['readme']}"
    )


def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def packed(parts, epoch):
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as out:
        for path, content, mode in parts:
            entry = zipfile.ZipInfo(path, time.gmtime(epoch)[:6])
            entry.create_system = 3
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, content)
    return raw.getvalue()
