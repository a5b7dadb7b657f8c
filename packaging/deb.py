"""A package for Debian and Ubuntu. It needs only the certificates of the distribution."""

import hashlib

from tree import files, tar_gz

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CONTROL = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: callpipe <callpipe@localhost>
Installed-Size: {kib}
Depends: ca-certificates
Recommends: jq
Section: utils
Priority: optional
Description: export a contact centre's data from its vendors as JSON lines
 Exports call detail records, voice biometrics, recordings and counts from Omilia
 OCP, calls and recordings from Voicegain Speech Analytics, and messages from
 Dialpad Omnichannel, as newline-delimited JSON.
 .
 Each program has one job. Programs are piped into each other, into jq or into
 DuckDB, and tell a scheduler by their exit status what to do next.
"""
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: {name}
Comment: The programs are linked with crates under licenses of their own. The bill of
 materials that is published beside this package names each crate and its license.

Files: *
Copyright: {copyright}
License: Expat
{terms}
"""


def deb(root, project, arch, epoch):
    """The name and the bytes of the package with the files below root."""
    # Debian's zsh searches this directory for completions of packages.
    place = lambda name: "./" + name.replace("/zsh/site-functions/", "/zsh/vendor-completions/")
    installed = [(place(name), path) for name, path in files(root)]
    size = sum(path.stat().st_size for _, path in installed if not path.is_symlink())
    control = CONTROL.format(**project, architecture=ARCHITECTURES[arch], kib=size // 1024)
    copyright_file = (f"./usr/share/doc/{project['name']}/copyright", copyright(project).encode())
    entries = sorted([*installed, copyright_file], key=lambda entry: entry[0])
    control_files = [("./control", control.encode()), ("./md5sums", md5sums(entries).encode())]
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", tar_gz(control_files, epoch)),
        ("data.tar.gz", tar_gz(entries, epoch)),
    ]
    content = b"!<arch>\n"
    for name, data in members:
        content += f"{name:<16}{epoch:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        content += data + b"\n" * (len(data) % 2)
    return f"{project['name']}_{project['version']}_{ARCHITECTURES[arch]}.deb", content


def copyright(project):
    text = project["terms"]
    (holder,) = (line for line in text.splitlines() if line.startswith("Copyright "))
    terms = text.split(f"{holder}\n", 1)[1].strip()
    indented = "\n".join(f" {line}" if line else " ." for line in terms.splitlines())
    return COPYRIGHT.format(name=project["name"], copyright=holder.removeprefix("Copyright (c) "), terms=indented)


def md5sums(entries):
    """The checksums that `dpkg --verify` reads."""
    lines = []
    for name, source in entries:
        if isinstance(source, bytes) or not source.is_symlink():
            content = source if isinstance(source, bytes) else source.read_bytes()
            lines.append(f"{hashlib.md5(content).hexdigest()}  {name.removeprefix('./')}\n")
    return "".join(lines)
