"""Compares cdr-filter with jq, jaq and DuckDB, and with programs that only read the lines."""
import shlex
import subprocess

import peers
from common import Table, Turns, corpus, first_byte, peak_memory

SELECTIVE = '.end_type == "FAR_HUP" and .duration >= 5000 and .flow.type == "Banking" and .time >= {from} and .time < {to}'
WHERE = (
    "json->>'$.end_type' = 'FAR_HUP' AND TRY_CAST(json->>'$.duration' AS DOUBLE) >= 5000 AND json->>'$.flow.type' = 'Banking'"
    " AND CAST(json->>'$.time' AS BIGINT) >= {from} AND CAST(json->>'$.time' AS BIGINT) < {to}"
)
MOST = '.channel == "miniapps"'
LEAVES = [
    "--select id,time,end_type,duration,flow.type",
    "--select id,time,end_type,duration,flow.type --format csv",
    "--add-iso time", "--count", "--dedupe id", "--sample 10000",
]
# Expressions that the fast engine does not support. One needs a few fields, one the whole record.
OUTSIDE = {
    "a few fields": '[.kvps[]? | select(.key == "token")] | length > 4',
    "the whole record": "[paths] | length > 190",
}
# Expressions that compute a value from a field. Their times are compared with the times of jq's
# library.
COMPUTED = {
    "a regular expression over a text": r'.origin_uri | test("^\\+1(555|444)\\d+7$")',
    "todate": '(.time / 1000 | todate) >= "2026-11-01T12:00:00Z"',
}


def measure(rounds, mib):
    directory, manifest = corpus(mib)
    python = peers.install()
    hosted = f"{python} {peers.BENCH.parents[1] / 'scripts/benchmarks/hosted.py'}"
    path = directory / "all.ndjson"
    expr, where = SELECTIVE.format(**manifest), WHERE.format(**manifest)
    quoted, select = shlex.quote(expr), shlex.quote(f"select({expr})")
    strict = f"cdr-filter {quoted}"
    kept = subprocess.run(f"{strict} < {path} | wc -l", shell=True, check=True, capture_output=True).stdout
    assert int(kept) == manifest["in_time"], "cdr-filter keeps what the generator says"
    table = Table(f"cdr-filter on {manifest['bytes'] / 1e6:.0f} MB, {manifest['records']} records, {manifest['in_time']} kept\n{peers.versions(python)}")
    slow = Turns(rounds, {
        "strict": f"{strict} < {path} > /dev/null",
        "jq": f"jq -c {select} < {path} > /dev/null",
        "jaq": f"jaq -c {select} < {path} > /dev/null",
        "trusted": f"cdr-filter --trusted {quoted} < {path} > /dev/null",
        "duckdb": f"{hosted} duckdb {shlex.quote(where)} {path} 1",
        "validate": f"yardstick validate < {path}",
        "count": f"yardstick count < {path}",
    })
    speed = manifest["bytes"] / 1e6
    table.at_least("strict, 1 thread: jq's time over ours", slow.ratio("jq", "strict"), 10, f"{speed / slow.time('strict'):.0f} MB/s")
    # The jq in this library is newer than the jq of most systems. It is slow, so it runs only once.
    library = Turns(1, {"jq": f"{hosted} jq {quoted} {path}", "strict": f"{strict} < {path} > /dev/null"})
    table.line("strict, 1 thread: time of the jq library from PyPI over ours", library.ratio("jq", "strict"), "×", None)
    table.at_least("strict, 1 thread: jaq's time over ours", slow.ratio("jaq", "strict"), 7.5)
    table.at_least("strict, 1 thread: DuckDB's time over ours, raw objects", slow.ratio("duckdb", "strict"), 1.5)
    table.at_most("strict, 1 thread: our cpu over that of validating", slow.ratio("strict", "validate", "cpu"), 1.4)
    table.at_least("trusted: jq's time over ours", slow.ratio("jq", "trusted"), 28, f"{speed / slow.time('trusted'):.0f} MB/s")
    table.at_least("trusted: jaq's time over ours", slow.ratio("jaq", "trusted"), 20)
    table.at_least("trusted: DuckDB's time over ours", slow.ratio("duckdb", "trusted"), 5)
    table.at_most("trusted: our time over that of counting lines", slow.ratio("trusted", "count"), 3)

    two = Turns(rounds, {
        "one": f"{strict} < {path} > /dev/null",
        "two": f"{strict} --threads 2 < {path} > /dev/null",
        "duckdb": f"{hosted} duckdb {shlex.quote(where)} {path} 2",
    })
    table.at_least("2 threads: the time of one over that of two", two.ratio("one", "two"), 1.4)
    table.at_least("2 threads: DuckDB's time on two over ours", two.ratio("duckdb", "two"), 1.8)

    most = f"cdr-filter {shlex.quote(MOST)}"
    pipes = Turns(rounds, {
        "file": f"{strict} < {path} > /dev/null",
        "cat |": f"cat {path} | {strict} > /dev/null",
        "most": f"{most} < {path} > /dev/null",
        "| cat": f"cat {path} | {most} | cat > /dev/null",
    })
    table.at_most("in a pipe: cat | ours, over ours from a file", pipes.ratio("cat |", "file"), 1.3)
    table.at_most("in a pipe: cat | ours | cat, 60 % kept, over a file", pipes.ratio("| cat", "most"), 1.3)

    plain = f"{most} < {path} > /dev/null"
    flags = {flag: f"cdr-filter {flag} {shlex.quote(MOST)} < {path} > /dev/null" for flag in LEAVES}
    leaves = Turns(rounds, {"plain": plain, **flags})
    for flag in LEAVES:
        table.at_least(f"{flag}: speed in shares of the plain filter's", leaves.ratio("plain", flag), 0.7)

    for name, outside in OUTSIDE.items():
        other = Turns(rounds, {
            "ours": f"cdr-filter {shlex.quote(outside)} < {path} > /dev/null",
            "jaq": f"jaq -c {shlex.quote(f'select({outside})')} < {path} > /dev/null",
        })
        table.at_least(f"an expression for jaq, on {name}: jaq's time over ours", other.ratio("jaq", "ours"), 1)

    for name, computed in COMPUTED.items():
        other = Turns(rounds, {
            "ours": f"cdr-filter {shlex.quote(computed)} < {path} > /dev/null",
            "jq": f"{hosted} jq {shlex.quote(computed)} {path}",
        })
        table.at_least(f"{name}: time of the jq library from PyPI over ours", other.ratio("jq", "ours"), 3)

    table.at_most("memory, 1 thread", peak_memory(f"{strict} < {path} > /dev/null"), 16, unit="MiB")
    table.at_most("memory, 2 threads", peak_memory(f"{strict} --threads 2 < {path} > /dev/null"), 32, unit="MiB")
    line = b'{"time":1793512800000,"end_type":"FAR_HUP","duration":6000,"flow":{"type":"Banking"}}\n'
    late = first_byte(["cdr-filter", expr], line) - first_byte(["cat"], line)
    table.at_most("from the start to the first byte, more than cat", late, 5, unit="ms")
    return table.met
