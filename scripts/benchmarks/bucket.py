"""Compares reading ZIPs from a bucket and writing files to it with `aws s3 cp` of the same bytes.

The server is s3s-fs on loopback, which checks signatures. unzip-jsonl also unpacks what it reads,
and collects its output in a file before it uploads it; `aws s3 cp` only copies.
"""
import importlib.machinery
import importlib.util
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import zipfile
from contextlib import contextmanager

from common import BENCH, ROOT, Table, Turns, corpus, peak_memory

KEY, SECRET = "AKBENCH", "the-secret-of-the-bench"


def tools():
    """The paths of s3s-fs and aws, which scripts/test-ecosystem installs."""
    loader = importlib.machinery.SourceFileLoader("ecosystem", str(ROOT / "scripts" / "test-ecosystem"))
    ecosystem = importlib.util.module_from_spec(importlib.util.spec_from_loader("ecosystem", loader))
    loader.exec_module(ecosystem)
    return ecosystem.s3s(), ecosystem.venv("bucket") / "aws"


@contextmanager
def service(s3s, directory):
    """Runs a service with the bucket `bench`; yields the environment for its clients."""
    (directory / "bench").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [s3s, "--host", "127.0.0.1", "--port", str(port), "--access-key", KEY, "--secret-key", SECRET, directory]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield dict(os.environ, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}", AWS_REGION="us-east-1",
                   AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET)
    finally:
        server.terminate()
        server.wait()


def pages(directory, place):
    """Writes the corpus's ZIPs again as ZIPs of ten members, like the pages of the vendor's exports."""
    for path in sorted((directory / "zips").glob("*.zip")):
        with zipfile.ZipFile(path) as whole:
            names = whole.infolist()
            for at in range(0, len(names), 10):
                with zipfile.ZipFile(place / f"{path.stem}-{at:03d}.zip", "w", zipfile.ZIP_DEFLATED) as page:
                    for member in names[at:at + 10]:
                        page.writestr(member, whole.read(member))


def measure(rounds, mib):
    directory, manifest = corpus(mib)
    s3s, aws = tools()
    zips = sorted((directory / "zips").glob("*.zip"))
    BENCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BENCH) as place:
        place = pathlib.Path(place)
        small = place / "small"
        small.mkdir()
        pages(directory, small)
        with service(s3s, place / "s3") as env:
            copy = lambda source, to: subprocess.run([aws, "s3", "cp", "--quiet", "--recursive", source, to], env=env, check=True)
            copy(directory / "zips", "s3://bench/large")
            copy(small, "s3://bench/small")
            large = " ".join(f"s3://bench/large/{path.name}" for path in zips)
            many = " ".join(f"s3://bench/small/{path.name}" for path in sorted(small.iterdir()))
            records = place / "records.ndjson"
            subprocess.run(f"unzip-jsonl {' '.join(map(str, zips))} | head -c {256 << 20} | head -n -1 > {records}", shell=True, check=True)
            title = (f"A bucket: {manifest['zip_bytes'] / 1e6:.0f} MB in {len(zips)} ZIPs and in {len(many.split())} pages, "
                     f"{manifest['bytes'] / 1e6:.0f} MB inside, {records.stat().st_size / 1e6:.0f} MB of records")
            table = Table(title)
            down = f"rm -rf {place}/down && {aws} s3 cp --quiet --recursive s3://bench/{{}} {place}/down"
            then = f" && unzip-jsonl {place}/down/*.zip > /dev/null"
            turns = Turns(rounds, {
                "large": f"unzip-jsonl --threads 2 {large} > /dev/null",
                "small": f"unzip-jsonl --threads 2 {many} > /dev/null",
                "aws large": down.format("large"),
                "aws small": down.format("small"),
                "aws small, then": down.format("small") + then,
                "write": f"cdr-filter --trusted . {records} -o s3://bench/ours.ndjson",
                "aws write": f"{aws} s3 cp --quiet {records} s3://bench/theirs.ndjson",
            }, env=env)
            table.at_least("reading long ZIPs: aws s3 cp's time over ours", turns.ratio("aws large", "large"), 0.8)
            table.at_least("reading pages: aws s3 cp's time over ours", turns.ratio("aws small", "small"), 0.8)
            table.at_least("reading pages: aws s3 cp, then unzip-jsonl, over ours", turns.ratio("aws small, then", "small"), 1)
            table.at_least("writing: aws s3 cp's time over ours", turns.ratio("aws write", "write"), 0.8)
            os.environ.update(env)
            table.at_most("memory, 1 thread", peak_memory(f"unzip-jsonl {many} > /dev/null"), 36, unit="MiB")
    return table.met
