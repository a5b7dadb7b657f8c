"""Archives with the same bytes for the same files: sorted, with one time, owned by root."""

import gzip
import io
import stat
import tarfile


def files(root):
    """All files and links below a directory, sorted, as (name, path)."""
    paths = sorted(path for path in root.rglob("*") if path.is_symlink() or path.is_file())
    return [(path.relative_to(root).as_posix(), path) for path in paths]


def mode(path):
    """755 for executable files, otherwise 644, whatever the umask of the builder is."""
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644


def tar_gz(entries, epoch):
    """The bytes of a tar.gz of pairs (name, path or bytes). It also contains the directories."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        made = set()
        for name, source in entries:
            for parent in reversed(list(parents(name))):
                if parent not in made:
                    made.add(parent)
                    add(tar, parent + "/", epoch, kind=tarfile.DIRTYPE, mode=0o755)
            if isinstance(source, bytes):
                add(tar, name, epoch, content=source, mode=0o644)
            elif source.is_symlink():
                add(tar, name, epoch, kind=tarfile.SYMTYPE, link=str(source.readlink()), mode=0o777)
            else:
                add(tar, name, epoch, content=source.read_bytes(), mode=mode(source))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as out:
        out.write(raw.getvalue())
    return packed.getvalue()


def parents(name):
    while "/" in name:
        name = name.rsplit("/", 1)[0]
        if name != ".":
            yield name


def add(tar, name, epoch, content=b"", kind=tarfile.REGTYPE, mode=0o644, link=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname = kind, mode, link
    entry.mtime, entry.size = epoch, len(content)
    entry.uname = entry.gname = "root"
    tar.addfile(entry, io.BytesIO(content))
