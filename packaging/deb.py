"""A package for Debian and Ubuntu. It needs nothing of the distribution but certificates."""

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
Description: {description}
"""


def deb(root, project, arch, epoch):
    """The package of what is installed below root: its name and its bytes."""
    # Where zsh of Debian looks for what packages bring.
    place = lambda name: "./" + name.replace("/zsh/site-functions/", "/zsh/vendor-completions/")
    entries = sorted((place(name), path) for name, path in files(root))
    size = sum(path.stat().st_size for _, path in entries if not path.is_symlink())
    control = CONTROL.format(**project, architecture=ARCHITECTURES[arch], kib=size // 1024)
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", tar_gz([("./control", control.encode())], epoch)),
        ("data.tar.gz", tar_gz(entries, epoch)),
    ]
    content = b"!<arch>\n"
    for name, data in members:
        content += f"{name:<16}{epoch:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode()
        content += data + b"\n" * (len(data) % 2)
    return f"{project['name']}_{project['version']}_{ARCHITECTURES[arch]}.deb", content
