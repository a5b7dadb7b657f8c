"""The files of a container image, which the Dockerfile copies."""

import shutil


def image(root, place, arch, authorities):
    """Writes programs, SQL and certificate authorities to place/amd64 or place/arm64."""
    target = place / {"x86_64": "amd64", "aarch64": "arm64"}[arch]
    for part in ("bin", "share/callpipe"):
        shutil.copytree(root / "usr" / part, target / "usr" / part, symlinks=True)
    doc = target / "usr" / "share" / "doc" / "callpipe"
    doc.mkdir(parents=True)
    shutil.copy(root / "usr" / "share" / "doc" / "callpipe" / "LICENSE", doc)
    certificates = target / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    certificates.parent.mkdir(parents=True)
    certificates.write_bytes(authorities)
    (target / "tmp").mkdir()
    (target / "tmp").chmod(0o1777)
    (place / "data").mkdir(exist_ok=True)
