"""An archive to unpack anywhere: bin/ and share/, as `make install` makes them."""

from tree import files, tar_gz


def tarball(root, project, target, epoch):
    """The archive of what is installed below root/usr: its name and its bytes."""
    name = f"{project['name']}-{project['version']}-{target}"
    entries = [(f"{name}/{path}", source) for path, source in files(root / "usr")]
    doc = root / "usr" / "share" / "doc" / project["name"]
    entries += [(f"{name}/{path}", doc / path) for path in ("CHANGELOG.md", "LICENSE", "README.md")]
    return f"{name}.tar.gz", tar_gz(sorted(entries), epoch)
