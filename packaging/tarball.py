"""An archive to unpack anywhere, with the bin/ and share/ of `make install`."""

from tree import files, tar_gz


def tarball(root, project, target, epoch):
    """The name and the bytes of the archive with the files below root/usr."""
    name = f"{project['name']}-{project['version']}-{target}"
    entries = [(f"{name}/{path}", source) for path, source in files(root / "usr")]
    doc = root / "usr" / "share" / "doc" / project["name"]
    entries += [(f"{name}/{path}", doc / path) for path in ("CHANGELOG.md", "LICENSE", "README.md")]
    return f"{name}.tar.gz", tar_gz(sorted(entries), epoch)
