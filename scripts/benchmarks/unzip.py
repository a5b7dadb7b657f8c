"""Compares unzip-jsonl with unzip, bsdtar and libdeflate, and measures unzip-jsonl | cdr-filter."""
import shlex
import tempfile
import zipfile

import filter as queries
import peers
from common import Table, Turns, corpus, peak_memory


def tiny(path, count):
    """Writes an archive with many members of one small record each."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f"{number // 1000:03d}/{number:06d}.json", f'{{"id":{number},"message_type":"dialog_end"}}\n')


def large(path):
    """Writes an archive with members of the largest size that unzip-jsonl verifies before it prints."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        lines = "".join(f'{{"id":{number},"message_type":"dialog_end"}}\n' for number in range(110_000))
        for number in range(9):
            archive.writestr(f"{number}.json", lines[: lines.rindex("\n", 0, 4 << 20) + 1])


def measure(rounds, mib):
    directory, manifest = corpus(mib)
    python = peers.install()
    hosted = f"{python} {peers.BENCH.parents[1] / 'scripts/benchmarks/hosted.py'}"
    zips = " ".join(str(path) for path in sorted((directory / "zips").glob("*.zip")))
    each = f"for zip in {zips}; do {{}} $zip; done > /dev/null"
    table = Table(f"unzip-jsonl: {manifest['zip_bytes'] / 1e6:.0f} MB in 10 ZIPs of 50 members, {manifest['bytes'] / 1e6:.0f} MB inside\n{peers.versions(python)}")
    turns = Turns(rounds, {
        "one": f"unzip-jsonl {zips} > /dev/null",
        "two": f"unzip-jsonl --threads 2 {zips} > /dev/null",
        "unzip": each.format("unzip -p"),
        "bsdtar": each.format("bsdtar -xOf"),
        "libdeflate": f"{hosted} libdeflate {zips}",
    })
    table.at_least("1 thread: unzip's time over ours", turns.ratio("unzip", "one"), 3.5, f"{manifest['bytes'] / 1e6 / turns.time('one'):.0f} MB/s")
    table.at_least("1 thread: bsdtar's time over ours", turns.ratio("bsdtar", "one"), 1.8)
    table.at_most("1 thread: our time over whole members by libdeflate", turns.ratio("one", "libdeflate"), 1.35)
    table.at_least("2 threads: the time of one over that of two", turns.ratio("one", "two"), 1.5)
    table.at_most("memory, 1 thread", peak_memory(f"unzip-jsonl {zips} > /dev/null"), 16, unit="MiB")
    table.at_most("memory, 2 threads", peak_memory(f"unzip-jsonl --threads 2 {zips} > /dev/null"), 24, unit="MiB")

    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        large(file.name)
        slow = f"unzip-jsonl {{}} {file.name} | {{{{ sleep 1; cat; }}}} > /dev/null"
        table.at_most("memory, 1 thread, members of 4 MiB and a slow reader", peak_memory(slow.format("")), 16, unit="MiB")
        table.at_most("memory, 2 threads, the same", peak_memory(slow.format("--threads 2")), 24, unit="MiB")

    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        tiny(file.name, 200_000)
        many = Turns(rounds, {"ours": f"unzip-jsonl {file.name} > /dev/null", "unzip": f"unzip -p {file.name} > /dev/null"})
    table.at_most("200 000 tiny members: our cpu over unzip's", many.ratio("ours", "unzip", "cpu"), 3)

    expr = queries.SELECTIVE.format(**manifest)
    select = shlex.quote(f"select({expr})")
    whole = Turns(rounds, {
        "unzip-jsonl": f"unzip-jsonl {zips} > /dev/null",
        "pipeline": f"unzip-jsonl {zips} | cdr-filter {shlex.quote(expr)} > /dev/null",
        "unzip | jq": f"for zip in {zips}; do unzip -p $zip; done | jq -c {select} > /dev/null",
    })
    table.at_most("unzip-jsonl | cdr-filter, over unzip-jsonl alone", whole.ratio("pipeline", "unzip-jsonl"), 1.2)
    table.at_least("unzip-jsonl | cdr-filter: the time of unzip -p | jq over ours", whole.ratio("unzip | jq", "pipeline"), 10)
    return table.met
